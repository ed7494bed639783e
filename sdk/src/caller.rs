//! Calls an API with a key: attaches it, waits when the API says so, and goes on with another key when there is one.
//!
//! The key belongs to one server (scheme, host and port). HTTP libraries take `Authorization` off when a redirect leads to another one, and leave
//! `X-API-Key` and names like it on; so a [`Caller`] follows redirects within its server only.

use crate::api_key::ApiKey;
use crate::client::{check_url, is_loopback};
use crate::current_key::CurrentKey;
use crate::entropy;
use crate::error::BuildError;
use crate::retry::{Fault, Repeat, RetryPolicy, retry_after};
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Method, Request, RequestBuilder, Response, StatusCode, Url};
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// Where the key goes unless set otherwise.
const USUAL_HEADER: &str = "x-api-key";
/// A connection is there sooner than that, or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How many redirects within the server are followed.
const MAX_REDIRECTS: usize = 10;

/// Calls one API with a key. Cheap to clone; clones share connections and the key.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use keyplane_sdk::{Caller, CurrentKey};
///
/// let key = CurrentKey::from_file_expecting("/run/secrets/uploadkit_api_key", "uk_live")?;
/// let api = Caller::new("http://api.example.internal", key)?;
///
/// let answer = api.send(api.get("/v1/files").query(&[("limit", "10")])).await?;
/// println!("{}", answer.status());
/// # Ok(())
/// # }
/// ```
///
/// What it does besides attaching the key:
///
/// - **429**: waits as long as `Retry-After` says and sends the request again, as often and as long as the [`RetryPolicy`] allows. After
///   that the answer is given back as it is.
/// - **401**: if the [`CurrentKey`] has been replaced since the request was sent, or its file has changed, sends it once more with the new key.
/// - Both only if the request can be sent again: its body is not a stream. Such an answer means that nothing was done.
/// - **Redirects** are followed within the server. One that leads elsewhere is given back as it is, and the key stays here.
///
/// Everything else, a connection that fails included, is left to the program that calls.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    base: Url,
    key: CurrentKey,
    place: Place,
    retry: RetryPolicy,
}

impl Caller {
    /// A caller of the API at this base URL, with the key in `X-API-Key`.
    pub fn new(base_url: impl Into<String>, key: impl Into<CurrentKey>) -> Result<Self, BuildError> {
        Self::builder(base_url, key).build()
    }

    /// The same with more to say about it.
    pub fn builder(base_url: impl Into<String>, key: impl Into<CurrentKey>) -> CallerBuilder {
        CallerBuilder {
            base_url: base_url.into(),
            key: key.into(),
            place: Ok(Place::Header(HeaderName::from_static(USUAL_HEADER))),
            retry: RetryPolicy::default(),
            http: None,
        }
    }

    /// The key that it calls with, to be replaced for instance.
    pub fn key(&self) -> &CurrentKey {
        &self.key
    }

    /// A `GET` request, to be completed and given to [`send`](Self::send).
    ///
    /// `path` is put behind the base URL, with or without a slash at its start.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A `POST` request; see [`get`](Self::get).
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// A request of any method; see [`get`](Self::get).
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = path.strip_prefix('/').unwrap_or(path);
        // As text, so that `//other.example` or `http://other.example` stay paths of this server.
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Sends a request of [`get`](Self::get), [`post`](Self::post) or [`request`](Self::request) with the key. Another one is sent too, if it is for the same server.
    ///
    /// An answer of any status is an answer.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, CallError> {
        let mut request = request.build().map_err(CallError::of)?;
        if request.url().origin() != self.base.origin() {
            return Err(CallError(Why::OtherServer { expected: self.base.origin().ascii_serialization() }));
        }
        let mut key = self.key.get();
        let (mut retry, mut renewed) = (0, false);
        loop {
            let again = request.try_clone();
            self.place.put(&key, &mut request);
            let answer = self.http.execute(request).await.map_err(CallError::of)?;
            let Some(next) = again else { return Ok(answer) };
            match answer.status() {
                StatusCode::TOO_MANY_REQUESTS => {
                    let Some(delay) = self.delay(retry, &answer) else { return Ok(answer) };
                    drop(answer);
                    tokio::time::sleep(delay).await;
                    retry += 1;
                    key = self.key.get();
                }
                StatusCode::UNAUTHORIZED if !renewed => {
                    let Some(other) = self.key.instead_of(&key) else { return Ok(answer) };
                    (key, renewed) = (other, true);
                }
                _ => return Ok(answer),
            }
            request = next;
        }
    }

    fn delay(&self, retry: u32, answer: &Response) -> Option<Duration> {
        let value = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = value.and_then(|value| retry_after(value, Timestamp::now()));
        self.retry.delay(retry, Repeat::OnlyIfNothingHappened, Fault::Status(429), after, entropy::random())
    }
}

/// Shows the base URL and the mask of the key.
impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("base_url", &self.base.as_str()).field("key", &self.key).finish_non_exhaustive()
    }
}

/// Settings of a [`Caller`].
///
/// ```
/// use keyplane_sdk::{ApiKey, Caller, RetryPolicy};
/// use std::time::Duration;
///
/// let key = ApiKey::parse("uk_live_0123456789ABCDEFGHIJabcdefghijKL1ExXni")?;
/// let api = Caller::builder("http://127.0.0.1:10000", key)
///     .bearer()
///     .retry(RetryPolicy::default().max_retries(1).longest_retry_after(Duration::from_secs(5)))
///     .build()?;
/// # let _ = api;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "settings do nothing until `build` is called"]
pub struct CallerBuilder {
    base_url: String,
    key: CurrentKey,
    place: Result<Place, String>,
    retry: RetryPolicy,
    http: Option<reqwest::ClientBuilder>,
}

impl CallerBuilder {
    /// Puts the key in `Authorization`, as `Bearer <key>`.
    pub fn bearer(mut self) -> Self {
        self.place = Ok(Place::Bearer);
        self
    }

    /// Puts the key in a header of this name, as it is. `X-API-Key` unless set.
    pub fn header(mut self, name: &str) -> Self {
        // The name is not repeated: it may be a key in the wrong place.
        let place = HeaderName::try_from(name).map(Place::Header);
        self.place = place.map_err(|_| "the name of the key's header is no header name".to_owned());
        self
    }

    /// When and how often a request that was answered with 429 is sent again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Settings of the connections: time-outs, certificates, proxies. Without them: 5 s to connect and no other bound. What happens with redirects
    /// and retries is set by the caller in any case.
    pub fn http(mut self, settings: reqwest::ClientBuilder) -> Self {
        self.http = Some(settings);
        self
    }

    /// The caller. Checks the settings; calls nothing.
    pub fn build(self) -> Result<Caller, BuildError> {
        let mut base = check_url(&self.base_url)?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let place = self.place.map_err(|why| BuildError::Http(why.into()))?;
        let mut http = self.http.unwrap_or_else(|| {
            let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
            // A proxy of the environment cannot reach this machine's loopback, and need not see the key.
            if is_loopback(&base) { http.no_proxy() } else { http }
        });
        http = http.redirect(within_the_server()).retry(reqwest::retry::never());
        let http = http.build().map_err(|error| BuildError::Http(Box::new(error)))?;
        Ok(Caller { http, base, key: self.key, place, retry: self.retry })
    }
}

/// Shows the mask of the key, and no URL: it was not checked yet for a password.
impl fmt::Debug for CallerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerBuilder").field("key", &self.key).field("retry", &self.retry).finish_non_exhaustive()
    }
}

/// Follows what stays at the server of the first request.
fn within_the_server() -> Policy {
    Policy::custom(|attempt| {
        let stays = attempt.previous().iter().all(|from| from.origin() == attempt.url().origin());
        if stays && attempt.previous().len() <= MAX_REDIRECTS { attempt.follow() } else { attempt.stop() }
    })
}

/// Where the key goes.
#[derive(Clone)]
enum Place {
    Header(HeaderName),
    Bearer,
}

impl Place {
    fn put(&self, key: &ApiKey, request: &mut Request) {
        let (name, text) = match self {
            Self::Header(name) => (name, Zeroizing::new(key.expose().to_owned())),
            Self::Bearer => (&AUTHORIZATION, Zeroizing::new(format!("Bearer {}", key.expose()))),
        };
        // A key is letters, digits and underscores, so it is always a header value.
        if let Ok(mut value) = HeaderValue::from_str(&text) {
            // Not shown in `Debug`, and not put into HTTP/2's table of headers.
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
    }
}

/// Why there is no answer. Carries neither the key nor the URL.
#[derive(Debug)]
pub struct CallError(Why);

#[derive(Debug)]
enum Why {
    OtherServer { expected: String },
    Http(reqwest::Error),
}

impl CallError {
    fn of(error: reqwest::Error) -> Self {
        Self(Why::Http(error.without_url()))
    }

    /// What the HTTP library said: whether it was a time-out, a failed connection and so on. `None` when nothing was sent, because
    /// the request was for another server.
    pub fn http(&self) -> Option<&reqwest::Error> {
        match &self.0 {
            Why::Http(error) => Some(error),
            Why::OtherServer { .. } => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::OtherServer { expected } => {
                write!(f, "the request is for another server than {expected}, whose key this is: it was not sent")
            }
            Why::Http(error) if error.is_timeout() => f.write_str("the call took longer than its time-out"),
            Why::Http(error) if error.is_connect() => f.write_str("no connection to the server"),
            Why::Http(error) => write!(f, "the call failed: {error}"),
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.http().map(|error| error as _)
    }
}
