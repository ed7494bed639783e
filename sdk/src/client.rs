//! The client and its settings.

use crate::api_key::ApiKey;
use crate::credential::{Credential, is_foreign};
use crate::error::{BuildError, Error};
use crate::me::Me;
use crate::retry::RetryPolicy;
#[cfg(feature = "rustls")]
use crate::tls::{self, Tls};
use crate::transport::{Call, Transport};
use crate::{
    accounts::Accounts, admin_keys::AdminKeys, audit::Audit, keys::Keys, personal_tokens::PersonalTokens,
    projects::Projects, proxies::Proxies, proxy_tokens::ProxyTokens, usage::Usage, users::Users,
};
use reqwest::Url;
use reqwest::header::HeaderValue;
use std::env::VarError;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The time-out of one attempt, unless set.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The time-out of connecting, unless set: a connection is there sooner than an answer, or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// The environment variable with the path of a PEM file of authorities to trust, in place of the operating system's.
    #[cfg(feature = "rustls")]
    pub const CA_VARIABLE: &'static str = "KEYPLANE_CA_FILE";
    /// The environment variable with the path of a PEM file of a client certificate and its private key.
    #[cfg(feature = "rustls")]
    pub const CLIENT_CERTIFICATE_VARIABLE: &'static str = "KEYPLANE_CLIENT_CERT_FILE";

    /// A client with the default settings, from `KEYPLANE_URL` and `KEYPLANE_API_KEY`; with the feature `rustls` also from
    /// `KEYPLANE_CA_FILE` and `KEYPLANE_CLIENT_CERT_FILE`, where they are set.
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

    /// Proxies, and what each of them has applied.
    pub fn proxies(&self) -> Proxies<'_> {
        Proxies { transport: &self.transport }
    }

    /// Who this client calls as.
    ///
    /// ```no_run
    /// # async fn run(client: keyplane_sdk::Client) -> Result<(), keyplane_sdk::Error> {
    /// use keyplane_sdk::Me;
    ///
    /// match client.me().await? {
    ///     Me::AdminKey(key) => println!("the admin key {}", key.name),
    ///     Me::Key(key) => println!("the key {} of account {}", key.key_prefix, key.account_id),
    ///     Me::User(user) => println!("{}", user.email),
    ///     _ => println!("somebody that this version does not know"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn me(&self) -> Result<Me, Error> {
        self.transport.send(Call::get(&["v1", "me"])).await
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
    credential: Option<Chosen>,
    timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
    retry: RetryPolicy,
    #[cfg(feature = "rustls")]
    tls: Tls,
}

/// A credential as it was given; a token is checked when the client is made.
#[derive(Clone)]
enum Chosen {
    Key(ApiKey),
    Token(Zeroizing<String>),
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
        self.credential = Some(Chosen::Key(key));
        self
    }

    /// A credential that has not the shape of a key: a JWT of an issuer that the control plane trusts, or a key that was
    /// imported. It is sent as it is, and a JWT is not renewed: make a new client when it ends.
    ///
    /// ```no_run
    /// # fn token_of_the_job() -> String { String::new() }
    /// use keyplane_sdk::Client;
    ///
    /// let client = Client::builder().base_url("http://127.0.0.1:8080").token(token_of_the_job()).build()?;
    /// # Ok::<(), keyplane_sdk::BuildError>(())
    /// ```
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.credential = Some(Chosen::Token(Zeroizing::new(token.into())));
        self
    }

    /// How long one attempt may take, from connecting to the last byte of the answer; 10 s unless set. A call with its
    /// retries and the waits between them may take longer: see [`RetryPolicy`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long connecting may take, as a part of the time-out; 5 s unless set.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Trusts the authorities of these PEM certificates, in place of those that the operating system trusts.
    ///
    /// ```no_run
    /// use keyplane_sdk::Client;
    ///
    /// let authorities = std::fs::read("/etc/keyplane/ca.pem")?;
    /// let client = Client::builder().base_url("https://keyplane.internal").ca_certificates(authorities).env()?.build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "rustls")]
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.authorities = Some(pem.into());
        self
    }

    /// Shows this certificate to a server that asks for one: PEM with the certificate, those between it and its authority,
    /// and the private key, without a passphrase.
    #[cfg(feature = "rustls")]
    pub fn client_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.client = Some(Zeroizing::new(pem.into()));
        self
    }

    /// When calls are sent again.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Takes what is not set yet from the environment: the base URL from `KEYPLANE_URL`, the credential from
    /// `KEYPLANE_API_KEY`, and with the feature `rustls` the certificates from `KEYPLANE_CA_FILE` and
    /// `KEYPLANE_CLIENT_CERT_FILE`, which may be missing.
    pub fn env(self) -> Result<Self, BuildError> {
        self.variables(|name| std::env::var(name))
    }

    /// As [`env`](Self::env), with another environment: tests cannot set variables without a race.
    fn variables(mut self, variable: impl Fn(&str) -> Result<String, VarError>) -> Result<Self, BuildError> {
        if self.base_url.is_none() {
            let url = variable(Client::URL_VARIABLE).map_err(|_| BuildError::NoVariable(Client::URL_VARIABLE))?;
            self.base_url = Some(url);
        }
        if self.credential.is_none() {
            let name = Client::CREDENTIAL_VARIABLE;
            let text = variable(name).map(Zeroizing::new);
            self.credential =
                Some(match (ApiKey::from_variable(name, text.clone().map(|text| text.to_string())), text) {
                    (Ok(key), _) => Chosen::Key(key),
                    (Err(error), Ok(text)) if is_foreign(&text, error.reason()) => Chosen::Token(text),
                    (Err(error), _) => return Err(error.into()),
                });
        }
        #[cfg(feature = "rustls")]
        {
            let file = |name: &str| match variable(name) {
                Err(VarError::NotPresent) => Ok(None),
                Err(VarError::NotUnicode(_)) => Err(BuildError::Tls(format!("the path in {name} is not UTF-8 text"))),
                Ok(path) => tls::read(name, path.as_ref()).map(Some),
            };
            if self.tls.authorities.is_none() {
                self.tls.authorities = file(Client::CA_VARIABLE)?.map(|pem| pem.to_vec());
            }
            if self.tls.client.is_none() {
                self.tls.client = file(Client::CLIENT_CERTIFICATE_VARIABLE)?;
            }
        }
        Ok(self)
    }

    /// The client. Checks the settings; calls nothing.
    pub fn build(self) -> Result<Client, BuildError> {
        let base = check_url(&self.base_url.ok_or(BuildError::NoBaseUrl)?)?;
        let credential = match self.credential.ok_or(BuildError::NoCredential)? {
            Chosen::Key(key) => Credential::Key(key),
            Chosen::Token(text) => Credential::token(text)?,
        };
        let timeout = self.timeout.unwrap_or(TIMEOUT);
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("keyplane-sdk/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .connect_timeout(self.connect_timeout.unwrap_or(CONNECT_TIMEOUT).min(timeout))
            // Keyplane sends none, and one must not carry the credential elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            // What is sent again is decided in `retry`, in one place.
            .retry(reqwest::retry::never());
        if is_loopback(&base) {
            // A proxy of the environment cannot reach this machine's loopback, and need not see the credential.
            http = http.no_proxy();
        }
        #[cfg(feature = "rustls")]
        let http = self.tls.apply(http)?;
        let http = http.build().map_err(|error| BuildError::Http(Box::new(error)))?;
        // Keys and tokens are visible ASCII, so they are always header values.
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
        let credential = self.credential.as_ref().map(|credential| match credential {
            Chosen::Key(key) => key.mask(),
            Chosen::Token(_) => "...",
        });
        let mut shown = f.debug_struct("ClientBuilder");
        shown
            .field("base_url", &self.base_url.as_ref().map(|_| ".."))
            .field("credential", &credential)
            .field("timeout", &self.timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("retry", &self.retry);
        #[cfg(feature = "rustls")]
        shown.field("tls", &self.tls);
        shown.finish()
    }
}

/// The reasons do not repeat the URL: it may hold a password, or be a key in the wrong variable.
pub(crate) fn check_url(text: &str) -> Result<Url, BuildError> {
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

pub(crate) fn is_loopback(url: &Url) -> bool {
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
    fn what_is_not_set_comes_from_the_environment_and_what_is_set_stays() {
        let known = |name: &str| match name {
            "KEYPLANE_URL" => Ok("http://127.0.0.1:1".to_owned()),
            "KEYPLANE_API_KEY" => Ok(ADMIN.to_owned()),
            _ => Err(VarError::NotPresent),
        };
        let client = Client::builder().variables(known).unwrap().build().unwrap();
        assert!(
            format!("{client:?}").contains("http://127.0.0.1:1/") && format!("{client:?}").contains("kp_admin_0123")
        );
        let none = |_: &str| Err(VarError::NotPresent);
        let set = Client::builder().base_url("http://127.0.0.1:2").token("t");
        assert!(format!("{:?}", set.clone().variables(known).unwrap().build().unwrap()).contains("127.0.0.1:2"));
        assert!(set.variables(none).is_ok());
        let error = Client::builder().variables(none).unwrap_err();
        assert!(error.to_string().contains("KEYPLANE_URL"), "{error}");
        let error = Client::builder().base_url("http://127.0.0.1:2").variables(none).unwrap_err();
        assert!(error.to_string().contains("KEYPLANE_API_KEY"), "{error}");
    }

    #[test]
    fn the_environment_may_hold_what_an_operator_made_but_no_damaged_key() {
        let with = |text: &str| {
            let text = text.to_owned();
            let set = Client::builder().base_url("http://127.0.0.1:2");
            set.variables(move |name| match name {
                Client::CREDENTIAL_VARIABLE => Ok(text.clone()),
                _ => Err(VarError::NotPresent),
            })
        };
        let made = "0123456789abcdef0123456789abcdef";
        for foreign in
            [made, "My-own.admin-key.of-more-than-32-characters", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"]
        {
            let client = with(foreign).unwrap().build().unwrap();
            assert!(!format!("{client:?}").contains(foreign));
        }
        let damaged = [ADMIN.replace('J', "-"), ADMIN.replace('J', "K"), ADMIN[..30].to_owned()];
        for text in damaged.iter().map(String::as_str).chain(["", "short", &made[1..], &format!("{made}\n")]) {
            let error = with(text).unwrap_err().to_string();
            assert!(error.contains("KEYPLANE_API_KEY") && (text.is_empty() || !error.contains(text)), "{error}");
        }
    }

    #[cfg(feature = "rustls")]
    #[test]
    fn certificates_come_from_the_files_that_the_environment_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "the text of a file").unwrap();
        let builder = |variable: &'static str, path: &std::path::Path| {
            let path = path.to_str().unwrap().to_owned();
            let set = Client::builder().base_url("https://localhost:1").token("t");
            set.variables(move |name| if name == variable { Ok(path.clone()) } else { Err(VarError::NotPresent) })
        };
        let read = builder("KEYPLANE_CA_FILE", &path).unwrap().tls;
        assert_eq!((read.authorities.as_deref(), read.client), (Some(b"the text of a file".as_slice()), None));
        let read = builder("KEYPLANE_CLIENT_CERT_FILE", &path).unwrap().tls;
        assert_eq!((read.authorities, read.client.as_deref()), (None, Some(&b"the text of a file".to_vec())));
        let error = builder("KEYPLANE_CA_FILE", &folder.path().join("none")).unwrap_err();
        assert_eq!(error.to_string(), "the file that KEYPLANE_CA_FILE names cannot be read: entity not found");
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
