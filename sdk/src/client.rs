//! The client and its settings.

use crate::api_key::ApiKey;
use crate::error::BuildError;
use crate::retry::RetryPolicy;
use crate::transport::Transport;
use crate::{
    accounts::Accounts, admin_keys::AdminKeys, audit::Audit, keys::Keys, personal_tokens::PersonalTokens,
    projects::Projects, proxy_tokens::ProxyTokens, usage::Usage, users::Users,
};
use reqwest::Url;
use reqwest::header::HeaderValue;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The time-out of one attempt, unless set.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A connection is there sooner than an answer, or not at all.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A client of one control plane. Cheap to clone; clones share connections.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use keyplane_sdk::{Client, CreateAccount};
///
/// let client = Client::from_env()?;
/// let account = client.accounts().create(&CreateAccount::new("Example Ltd")).await?;
/// println!("{}", account.id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
}

impl Client {
    /// The environment variable with the base URL of the management listener, such as `http://127.0.0.1:8080`.
    pub const URL_VARIABLE: &'static str = "KEYPLANE_URL";
    /// The environment variable with the credential, such as an admin key.
    pub const CREDENTIAL_VARIABLE: &'static str = "KEYPLANE_API_KEY";

    /// A client with the default settings, from `KEYPLANE_URL` and `KEYPLANE_API_KEY`.
    pub fn from_env() -> Result<Self, BuildError> {
        Self::builder().env()?.build()
    }

    /// Settings to make a client of.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Accounts: the tenants.
    pub fn accounts(&self) -> Accounts<'_> {
        Accounts { transport: &self.transport }
    }

    /// Projects of accounts.
    pub fn projects(&self) -> Projects<'_> {
        Projects { transport: &self.transport }
    }

    /// Keys of projects.
    pub fn keys(&self) -> Keys<'_> {
        Keys { transport: &self.transport }
    }

    /// Users: the people of accounts.
    pub fn users(&self) -> Users<'_> {
        Users { transport: &self.transport }
    }

    /// Personal access tokens: keys that act as a user.
    pub fn personal_access_tokens(&self) -> PersonalTokens<'_> {
        PersonalTokens { transport: &self.transport }
    }

    /// Admin keys: the operator's credentials.
    pub fn admin_keys(&self) -> AdminKeys<'_> {
        AdminKeys { transport: &self.transport }
    }

    /// Proxy tokens: what proxies read the feed with.
    pub fn proxy_tokens(&self) -> ProxyTokens<'_> {
        ProxyTokens { transport: &self.transport }
    }

    /// Usage of keys.
    pub fn usage(&self) -> Usage<'_> {
        Usage { transport: &self.transport }
    }

    /// The audit log.
    pub fn audit(&self) -> Audit<'_> {
        Audit { transport: &self.transport }
    }
}

/// Shows the base URL and the mask of the credential.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.transport.base.as_str())
            .field("credential", &self.transport.credential)
            .finish_non_exhaustive()
    }
}

/// Settings of a [`Client`].
///
/// ```
/// use keyplane_sdk::{ApiKey, Client};
/// use std::time::Duration;
///
/// let client = Client::builder()
///     .base_url("http://127.0.0.1:8080")
///     .credential(ApiKey::parse("kp_admin_0123456789ABCDEFGHIJabcdefghijKL0WJkA0")?)
///     .timeout(Duration::from_secs(5))
///     .build()?;
/// # let _ = client;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "settings do nothing until `build` is called"]
pub struct ClientBuilder {
    base_url: Option<String>,
    credential: Option<ApiKey>,
    timeout: Option<Duration>,
    retry: RetryPolicy,
}

impl ClientBuilder {
    /// The base URL of the management listener. A path is kept: `https://example.com/keyplane` calls
    /// `https://example.com/keyplane/v1/keys`.
    ///
    /// `https` needs the feature `rustls`. With `http` the credential crosses the network readable: use it on
    /// loopback, or where a mesh encrypts.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// The credential of the calls, such as an admin key.
    pub fn credential(mut self, key: ApiKey) -> Self {
        self.credential = Some(key);
        self
    }

    /// How long one attempt may take, from connecting to the last byte of the answer; 10 s unless set. A call with its
    /// retries and the waits between them may take longer: see [`RetryPolicy`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// When calls are sent again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Takes the base URL and the credential that are not set yet from `KEYPLANE_URL` and `KEYPLANE_API_KEY`.
    pub fn env(mut self) -> Result<Self, BuildError> {
        if self.base_url.is_none() {
            let url = std::env::var(Client::URL_VARIABLE).map_err(|_| BuildError::NoVariable(Client::URL_VARIABLE))?;
            self.base_url = Some(url);
        }
        if self.credential.is_none() {
            self.credential = Some(ApiKey::from_env(Client::CREDENTIAL_VARIABLE)?);
        }
        Ok(self)
    }

    /// The client. Checks the settings; calls nothing.
    pub fn build(self) -> Result<Client, BuildError> {
        let base = check_url(&self.base_url.ok_or(BuildError::NoBaseUrl)?)?;
        let credential = self.credential.ok_or(BuildError::NoCredential)?;
        let timeout = self.timeout.unwrap_or(TIMEOUT);
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("keyplane-sdk/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .connect_timeout(timeout.min(MAX_CONNECT_TIMEOUT))
            // Keyplane sends none, and one must not carry the credential elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            // What is sent again is decided in `retry`, in one place.
            .retry(reqwest::retry::never());
        if is_loopback(&base) {
            // A proxy of the environment cannot reach this machine's loopback, and need not see the credential.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| BuildError::Http(Box::new(error)))?;
        // A key is letters, digits and underscores, so it is always a header value.
        let bearer = Zeroizing::new(format!("Bearer {}", credential.expose()));
        let mut authorization = HeaderValue::from_str(&bearer).map_err(|_| BuildError::NoCredential)?;
        authorization.set_sensitive(true);
        Ok(Client {
            transport: Arc::new(Transport { http, timeout, base, credential, authorization, retry: self.retry }),
        })
    }
}

/// Shows the mask of the credential, and of the URL that it is set: it was not checked yet for a password.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("base_url", &self.base_url.as_ref().map(|_| ".."))
            .field("credential", &self.credential)
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .finish()
    }
}

/// The reasons do not repeat the URL: it may hold a password, or be a key in the wrong variable.
fn check_url(text: &str) -> Result<Url, BuildError> {
    let refuse = |why: &str| Err(BuildError::BaseUrl(why.to_owned()));
    let url = match Url::parse(text.trim()) {
        Ok(url) => url,
        Err(error) => return refuse(&format!("{error}; write it as http://HOST:PORT")),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("its scheme is neither http nor https; write it as http://HOST:PORT");
    }
    if url.scheme() == "https" && !cfg!(feature = "rustls") {
        return refuse("it is https, and keyplane-sdk was built without its feature `rustls`");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("it holds a user name or password; the credential is given apart from it");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("it has a query or a fragment; give only scheme, host, port and path");
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMIN: &str = "kp_admin_0123456789ABCDEFGHIJabcdefghijKL0WJkA0";

    fn refused(url: &str) -> String {
        check_url(url).unwrap_err().to_string()
    }

    #[test]
    fn a_base_url_that_cannot_work_is_refused_with_the_reason_and_never_repeated() {
        let cases = [
            ("localhost:8080", "neither http nor https"),
            ("127.0.0.1:8080", "http://HOST:PORT"),
            ("ftp://127.0.0.1", "neither http nor https"),
            ("http://admin:hunter2@127.0.0.1", "user name or password"),
            ("http://127.0.0.1?key=hunter2", "a query"),
            (ADMIN, "http://HOST:PORT"),
        ];
        for (url, reason) in cases {
            let sentence = refused(url);
            assert!(sentence.contains(reason), "{url}: {sentence}");
            assert!(!sentence.contains("hunter2") && !sentence.contains("0123456789"), "{sentence}");
        }
    }

    #[cfg(not(feature = "rustls"))]
    #[test]
    fn https_without_the_feature_says_which_feature() {
        assert!(refused("https://example.com").contains("feature `rustls`"));
    }

    #[cfg(feature = "rustls")]
    #[test]
    fn https_is_taken_with_the_feature() {
        let credential = ApiKey::parse(ADMIN).unwrap();
        Client::builder().base_url("https://example.com/keyplane/").credential(credential).build().unwrap();
    }

    #[test]
    fn a_client_without_url_or_credential_is_not_built() {
        let credential = ApiKey::parse(ADMIN).unwrap();
        assert!(matches!(Client::builder().credential(credential).build(), Err(BuildError::NoBaseUrl)));
        assert!(matches!(Client::builder().base_url("http://[::1]:1").build(), Err(BuildError::NoCredential)));
    }

    #[test]
    fn loopback_is_recognised_in_each_form() {
        for (url, loopback) in [
            ("http://localhost:1", true),
            ("http://127.1.2.3", true),
            ("http://[::1]:1", true),
            ("http://localhost.example.com", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&check_url(url).unwrap()), loopback, "{url}");
        }
    }

    #[test]
    fn neither_client_nor_builder_shows_the_credential() {
        let builder =
            Client::builder().base_url("http://admin:hunter2@127.0.0.1").credential(ApiKey::parse(ADMIN).unwrap());
        let client = builder.clone().base_url("http://127.0.0.1:8080").build().unwrap();
        let shown = format!("{builder:?} {client:?} {client:#?}");
        assert!(!shown.contains("hunter2") && !shown.contains("456789ABCDEF"), "{shown}");
        assert!(shown.contains("kp_admin_0123...JkA0"));
    }
}
