//! Sends a call, again where that is safe, and reads the answer. The only file that talks to the network.

use crate::credential::Credential;
use crate::entropy;
use crate::error::{AnswerError, AnswerErrorKind, Error, TransportError, TransportErrorKind};
use crate::problem::{self, Head};
use crate::retry::{Fault, Repeat, RetryPolicy, retry_after};
use crate::version::{Version, Versioned};
use jiff::Timestamp;
use keyplane_contract::id::Id;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderValue, IF_MATCH, RETRY_AFTER};
use reqwest::{Method, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use zeroize::Zeroizing;

/// The longest answer that is read, in bytes. The longest that Keyplane sends, a page of 200 keys, stays far below.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// Makes one creation out of two identical calls: the second is answered as the first was.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The state behind a client.
pub(crate) struct Transport {
    pub http: reqwest::Client,
    /// How long an attempt may take that does not wait for anything.
    pub timeout: Duration,
    /// Without credentials, query and fragment.
    pub base: Url,
    pub credential: Credential,
    /// `Bearer` and the credential, marked as sensitive.
    pub authorization: HeaderValue,
    pub retry: RetryPolicy,
}

/// One call of the API.
pub(crate) struct Call {
    method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    /// How long the server was asked to wait.
    wait: Option<Duration>,
    /// The version that the object must still have.
    version: Option<Version>,
    /// Whether the second of two such calls is refused because of the first.
    once: bool,
}

impl Call {
    /// Reads `path`, whose segments follow the base URL.
    pub(crate) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path, None)
    }

    /// Creates something under `path`.
    pub(crate) fn post(path: &[&str], body: &impl Serialize) -> Self {
        Self::new(Method::POST, path, Some(json(body)))
    }

    /// Changes what is at `path`.
    pub(crate) fn patch(path: &[&str], body: &impl Serialize) -> Self {
        Self::new(Method::PATCH, path, Some(json(body)))
    }

    /// Ends what is at `path`. Done twice it is as good as done once, unless [`once`](Self::once) says otherwise.
    pub(crate) fn delete(path: &[&str]) -> Self {
        Self::new(Method::DELETE, path, None)
    }

    fn new(method: Method, path: &[&str], body: Option<Vec<u8>>) -> Self {
        let path = path.iter().map(|segment| (*segment).to_owned()).collect();
        Self { method, path, query: Vec::new(), body, wait: None, version: None, once: false }
    }

    /// The same call, with more to say in its query.
    pub(crate) fn query(mut self, parameters: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        self.query.extend(parameters);
        self
    }

    /// The same call, whose answer the server may hold back for so long.
    pub(crate) fn waiting(self, wait: Option<Duration>) -> Self {
        Self { wait, ..self }
    }

    /// The same call, which is answered otherwise the second time.
    pub(crate) fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// The same call, which does something only if the object still has this version. Done once it gives the object another
    /// one, so that a second call would be refused.
    pub(crate) fn if_version(self, version: Option<&Version>) -> Self {
        Self { version: version.cloned(), once: self.once || version.is_some(), ..self }
    }

    fn repeat(&self, idempotency_key: Option<&str>) -> Repeat {
        let harmless = self.method == Method::GET || self.method == Method::DELETE || idempotency_key.is_some();
        if harmless && !self.once { Repeat::Harmless } else { Repeat::OnlyIfNothingHappened }
    }
}

/// The requests of this crate are plain structs of texts, which always become JSON.
fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

/// An attempt that failed, with what decides about the next one.
struct Failed {
    error: Error,
    fault: Fault,
    retry_after: Option<Duration>,
}

/// What was read of an answer.
struct Answer<T> {
    body: T,
    status: u16,
    request_id: Option<String>,
    version: Option<Version>,
}

impl Transport {
    /// Sends `call` and reads the answer's body as `T`.
    pub(crate) async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<T, Error> {
        self.answer(call).await.map(|answer| answer.body)
    }

    /// Sends `call`, which reads an object, and reads the answer with the object's version.
    pub(crate) async fn send_versioned<T: DeserializeOwned>(&self, call: Call) -> Result<Versioned<T>, Error> {
        let Answer { body: object, status, request_id, version } = self.answer(call).await?;
        let error = || AnswerError { status, request_id, kind: AnswerErrorKind::NoVersion, took_effect: false };
        let version = version.ok_or_else(|| Error::Answer(Box::new(error())))?;
        Ok(Versioned { object, version })
    }

    async fn answer<T: DeserializeOwned>(&self, call: Call) -> Result<Answer<T>, Error> {
        let url = self.url(&call);
        // The same for all attempts: that is what makes them one call.
        let idempotency_key =
            (call.method == Method::POST).then(entropy::random).flatten().map(|bytes| Id(bytes).to_string());
        let repeat = call.repeat(idempotency_key.as_deref());
        let (mut retry, mut uncertain) = (0, false);
        loop {
            let failed = match self.attempt(&call, &url, idempotency_key.as_deref()).await {
                Ok(response) => match self.read(&call, response).await {
                    Ok(answer) => return answer,
                    Err(failed) => failed,
                },
                Err(error) => self.lost(&call, error),
            };
            let delay = self.retry.delay(retry, repeat, failed.fault, failed.retry_after, entropy::random());
            uncertain |= failed.fault.may_have_acted() && call.method != Method::GET;
            let Some(delay) = delay else { return Err(failed.error.after(uncertain)) };
            tokio::time::sleep(delay).await;
            retry += 1;
        }
    }

    fn url(&self, call: &Call) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&call.path);
        }
        url
    }

    async fn attempt(&self, call: &Call, url: &Url, idempotency_key: Option<&str>) -> Result<Response, reqwest::Error> {
        let mut request = self
            .http
            .request(call.method.clone(), url.clone())
            .header(reqwest::header::AUTHORIZATION, self.authorization.clone())
            .header(reqwest::header::ACCEPT, "application/json, application/problem+json");
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        if let Some(wait) = call.wait {
            request = request.timeout(self.timeout.saturating_add(wait));
        }
        if let Some(key) = idempotency_key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        if let Some(version) = &call.version {
            request = request.header(IF_MATCH, version.condition());
        }
        request.send().await
    }

    /// The inner result is final; the outer error may be worth another attempt.
    async fn read<T: DeserializeOwned>(
        &self,
        call: &Call,
        response: Response,
    ) -> Result<Result<Answer<T>, Error>, Failed> {
        let status = response.status();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let hide = (self.credential.expose(), self.credential.mask());
        let request_id = header("x-request-id").map(|id| problem::harmless(&id, hide));
        let content_type = header(CONTENT_TYPE.as_str());
        let retry_after = header(RETRY_AFTER.as_str()).and_then(|value| retry_after(&value, Timestamp::now()));
        let version = header(ETAG.as_str()).and_then(|value| Version::from_etag(&value));

        let body = read_body(response).await;
        if !status.is_success() {
            // The status alone is an answer: a body that broke off is left unsaid.
            let body = body.ok().flatten().unwrap_or_default();
            let head = Head {
                status: status.as_u16(),
                content_type: content_type.as_deref(),
                request_id: request_id.as_deref(),
                retry_after,
            };
            let error = Box::new(problem::read(&head, &body, hide));
            let is_changed = call.version.is_some() && error.status == 412;
            let error = if is_changed { Error::Changed(error) } else { Error::Api(error) };
            return Err(Failed { error, fault: Fault::Status(status.as_u16()), retry_after });
        }
        let unreadable = |kind| {
            let took_effect = call.method != Method::GET;
            Err(Error::Answer(Box::new(AnswerError {
                status: status.as_u16(),
                request_id: request_id.clone(),
                kind,
                took_effect,
            })))
        };
        match body {
            Err(error) => Err(self.lost(call, error)),
            Ok(None) => Ok(unreadable(AnswerErrorKind::TooLong)),
            Ok(Some(body)) => Ok(match serde_json::from_slice(&body) {
                Ok(body) => Ok(Answer { body, status: status.as_u16(), request_id, version }),
                Err(error) => unreadable(AnswerErrorKind::Shape { line: error.line(), column: error.column() }),
            }),
        }
    }

    /// A call without a whole answer.
    fn lost(&self, call: &Call, error: reqwest::Error) -> Failed {
        let (kind, fault) = if error.is_connect() {
            (TransportErrorKind::Connect, Fault::NotSent)
        } else if error.is_timeout() {
            (TransportErrorKind::Timeout, Fault::Interrupted)
        } else {
            (TransportErrorKind::Interrupted, Fault::Interrupted)
        };
        let error = TransportError {
            kind,
            may_have_taken_effect: fault.may_have_acted() && call.method != Method::GET,
            server: self.base.origin().ascii_serialization(),
            cause: Some(error.without_url()),
        };
        Failed { error: Error::Transport(Box::new(error)), fault, retry_after: None }
    }
}

/// The whole body, which may hold a secret and is wiped after use; `None` when it is longer than [`MAX_ANSWER`].
async fn read_body(mut response: Response) -> Result<Option<Zeroizing<Vec<u8>>>, reqwest::Error> {
    // As large as announced, so that it does not grow and leave copies behind.
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut body = Zeroizing::new(Vec::with_capacity(announced.min(MAX_ANSWER)));
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
