//! Reads an issuer's keys over HTTP: by `OpenID` Connect Discovery 1.0 (section 4) or from a URL. And exchanges codes there, when people sign in.
//!
//! Bounded in time, size and redirects, and over TLS unless the issuer is on this machine. Where the keys are is read anew each time
//! with them: an issuer that moves them needs no restart here.

use super::keys::{KeySet, KeySetError};
use super::trusted_url::{is_trusted, trusted_url};
use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, ClientBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use std::time::Duration;

/// How long one request may take, body included.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest document that is read, in bytes.
const MAX_DOCUMENT_LEN: usize = 256 * 1024;
/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 3;

/// Where an issuer's keys are found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// The document below this issuer says it.
    Discovery(String),
    /// Here.
    Url(Url),
}

/// Keys could not be read. For the log: it names the issuer's documents, never a token.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer.
    #[error("the issuer does not answer: {0}")]
    Request(String),
    /// An answer that is no document.
    #[error("the issuer answers with status {0}")]
    Status(StatusCode),
    /// Too long.
    #[error("the issuer's document is longer than 256 KiB")]
    TooLong,
    /// Not a discovery document.
    #[error("the issuer's discovery document is not JSON with issuer and jwks_uri")]
    NoDiscovery,
    /// Another issuer's document (`OpenID` Connect Discovery 1.0, section 4.3).
    #[error("the discovery document names another issuer than the settings")]
    OtherIssuer,
    /// Keys at a place that is not to be trusted.
    #[error("jwks_uri of the discovery document {0}")]
    UntrustedKeys(&'static str),
    /// Not a key set.
    #[error("the issuer's document of keys {0}")]
    Keys(#[from] KeySetError),
}

/// Keys, and how long they are fresh if the issuer says so.
#[derive(Debug)]
pub struct Fetched {
    /// The keys.
    pub keys: KeySet,
    /// `Cache-Control: max-age`; zero for `no-cache` and `no-store`.
    pub max_age: Option<Duration>,
}

/// The client for all issuers. Fails when TLS cannot be set up, such as on a machine without root certificates.
pub fn client() -> Result<Client, reqwest::Error> {
    builder().redirect(Policy::custom(follow)).build()
}

/// The client that sends codes and secrets: it follows nobody anywhere.
pub fn sender() -> Result<Client, reqwest::Error> {
    builder().redirect(Policy::none()).build()
}

fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("keyplane/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
}

/// What an issuer says of itself.
#[derive(Debug, Deserialize)]
pub struct Discovery {
    issuer: String,
    jwks_uri: String,
    /// Where people sign in.
    pub authorization_endpoint: Option<String>,
    /// Where a code is exchanged for tokens.
    pub token_endpoint: Option<String>,
    /// How clients say who they are there.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Whether people come back with the issuer's name (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// Reads the keys.
pub async fn fetch(client: &Client, place: &Place) -> Result<Fetched, FetchError> {
    let url = match place {
        Place::Discovery(issuer) => {
            trusted_url(&discover(client, issuer).await?.jwks_uri).map_err(FetchError::UntrustedKeys)?
        }
        Place::Url(url) => url.clone(),
    };
    let (body, max_age) = get(client, url).await?;
    Ok(Fetched { keys: KeySet::parse(&body)?, max_age })
}

/// Reads what an issuer says of itself.
pub async fn discover(client: &Client, issuer: &str) -> Result<Discovery, FetchError> {
    let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let url = place.parse().map_err(|_| FetchError::NoDiscovery)?;
    let (body, _) = get(client, url).await?;
    let document: Discovery = serde_json::from_slice(&body).map_err(|_| FetchError::NoDiscovery)?;
    if document.issuer == issuer { Ok(document) } else { Err(FetchError::OtherIssuer) }
}

/// Sends a form; gives the status and the body of the answer, whatever the status. `basic` is a name and a password, as they go into the header.
pub async fn send_form(
    client: &Client,
    url: Url,
    form: String,
    basic: Option<(String, String)>,
) -> Result<(StatusCode, Vec<u8>), FetchError> {
    let request = client.post(url).header(ACCEPT, "application/json");
    let request = match basic {
        Some((name, password)) => request.basic_auth(name, Some(password)),
        None => request,
    };
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
    let mut response = request.send().await.map_err(request_error)?;
    let status = response.status();
    Ok((status, read(&mut response).await?))
}

async fn get(client: &Client, url: Url) -> Result<(Vec<u8>, Option<Duration>), FetchError> {
    let mut response = client.get(url).header(ACCEPT, "application/json").send().await.map_err(request_error)?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let values = response.headers().get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let max_age = max_age(values);
    Ok((read(&mut response).await?, max_age))
}

async fn read(response: &mut Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(request_error)? {
        if body.len() + chunk.len() > MAX_DOCUMENT_LEN {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A redirect may lead to another host, but not off TLS, and not from the network to this machine over plain HTTP.
fn follow(attempt: Attempt<'_>) -> Action {
    let same_scheme = attempt.previous().iter().all(|url| url.scheme() == attempt.url().scheme());
    if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("too many redirects")
    } else if same_scheme && is_trusted(attempt.url()) {
        attempt.follow()
    } else {
        attempt.error("a redirect away from https, or to a host that is not this machine")
    }
}

/// The whole chain of causes: the outermost alone says "error sending request" for everything. Without the URL, whose query may
/// hold a secret.
fn request_error(error: reqwest::Error) -> FetchError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    FetchError::Request(text)
}

/// The age in `Cache-Control` (RFC 9111, section 5.2.2); the shortest if there are several.
fn max_age<'a>(values: impl Iterator<Item = &'a str>) -> Option<Duration> {
    let directives = values.flat_map(|value| value.split(',')).map(str::trim);
    directives
        .filter_map(|directive| {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match name.to_ascii_lowercase().as_str() {
                "no-store" | "no-cache" => Some(Duration::ZERO),
                "max-age" => value.trim_matches('"').parse().ok().map(Duration::from_secs),
                _ => None,
            }
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuers_max_age_is_read() {
        let age = |values: &[&str]| max_age(values.iter().copied()).map(|age| age.as_secs());
        assert_eq!(age(&[]), None);
        assert_eq!(age(&["public, Max-Age=300, must-revalidate"]), Some(300));
        assert_eq!(age(&["public", "max-age=\"60\""]), Some(60));
        assert_eq!(age(&["max-age=300, no-cache"]), Some(0));
        assert_eq!(age(&["max-age=soon"]), None);
        assert_eq!(age(&["s-maxage=300"]), None);
    }
}
