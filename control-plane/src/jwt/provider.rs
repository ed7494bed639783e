//! An issuer that people sign in to the dashboard with: leads them there and exchanges what they bring back.
//!
//! Authorization code with PKCE (`OpenID` Connect Core 1.0, RFC 7636, RFC 9700). Where to is read from the discovery document, as the keys are; a
//! document that was read serves on for a day when the issuer cannot be asked, and one that cannot be read is asked for again after some seconds only.

use super::error::JwtError;
use super::fetch::{self, Discovery, FetchError};
use super::login::Login;
use super::settings::{IssuerSettings, SignInSettings};
use super::trusted_url::trusted_url;
use crate::domain::time::Time;
use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a discovery document is not asked for again.
const FRESH: Duration = Duration::from_mins(10);
/// How long it serves on when it cannot be read again.
const USABLE: Duration = Duration::from_hours(24);
/// The least time between two attempts when one has failed.
const RETRY: Duration = Duration::from_secs(5);

/// The errors of token endpoints (RFC 6749, section 5.2), which alone are told in the log: any other text may hold anything.
const KNOWN_ERRORS: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// An issuer that people sign in with.
#[derive(Debug)]
pub struct Provider {
    settings: SignInSettings,
    /// How its ID tokens are judged: as its other tokens, but for Keyplane as the one audience.
    rules: IssuerSettings,
    redirect: Option<Url>,
    secret: Option<SecretString>,
    client: Client,
    sender: Client,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    found: Option<(Arc<Endpoints>, Time)>,
    failed: Option<Time>,
}

/// What a discovery document says of signing in.
#[derive(Debug)]
struct Endpoints {
    authorization: Url,
    token: Url,
    in_body: bool,
    names_itself: bool,
}

/// What somebody brings back from a provider.
#[derive(Clone, Copy)]
pub struct Returned<'a> {
    /// The code.
    pub code: &'a str,
    /// The name of the issuer, if they were given one.
    pub issuer: Option<&'a str>,
}

/// Somebody could not be signed in. For the log: it names no code, no token and no secret.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The provider does not answer, or not as one.
    #[error("the provider cannot be asked: {0}")]
    Unreachable(#[from] FetchError),
    /// It did not answer just before.
    #[error("the provider could not be asked some seconds ago")]
    Resting,
    /// Its documents and the settings do not go together.
    #[error("the provider and the settings do not go together: {0}")]
    Unfit(String),
    /// The code is wrong, used or too old.
    #[error("the provider does not take the code")]
    CodeRefused,
    /// Somebody came back from elsewhere.
    #[error("the answer names another issuer, or none")]
    OtherIssuer,
    /// The ID token is refused.
    #[error("the ID token is refused: {0}")]
    Token(JwtError),
}

impl Provider {
    /// A provider by its settings, which are valid.
    pub fn new(
        issuer: &IssuerSettings,
        settings: &SignInSettings,
        secret: Option<SecretString>,
        client: Client,
        sender: Client,
    ) -> Self {
        let rules = IssuerSettings {
            audiences: vec![settings.client_id.clone()],
            any_audience: false,
            authorized_parties: Vec::new(),
            ..issuer.clone()
        };
        let redirect = trusted_url(&settings.redirect_url).ok();
        Self { settings: settings.clone(), rules, redirect, secret, client, sender, held: Mutex::default() }
    }

    /// What the button says after "Sign in with".
    pub fn label(&self) -> &str {
        &self.settings.label
    }

    /// The issuer's name.
    pub fn issuer(&self) -> &str {
        &self.rules.issuer
    }

    /// The address of the dashboard to which people come back, such as `https://keys.example.com`.
    pub fn dashboard(&self) -> String {
        self.redirect.as_ref().map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }

    pub(super) fn client_id(&self) -> &str {
        &self.settings.client_id
    }

    pub(super) fn rules(&self) -> &IssuerSettings {
        &self.rules
    }

    /// Where to send somebody.
    pub async fn way(&self, login: &Login, now: Time) -> Result<String, SignInError> {
        let mut url = self.endpoints(now).await?.authorization.clone();
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", self.client_id()),
            ("redirect_uri", &self.settings.redirect_url),
            ("scope", &self.settings.scopes.join(" ")),
            ("state", login.state()),
            ("nonce", login.nonce()),
            ("code_challenge", &login.challenge()),
            ("code_challenge_method", "S256"),
        ]);
        Ok(url.into())
    }

    /// Exchanges a code for an ID token, which is not verified yet.
    pub(super) async fn exchange(
        &self,
        returned: Returned<'_>,
        login: &Login,
        now: Time,
    ) -> Result<SecretString, SignInError> {
        #[derive(Deserialize)]
        struct Tokens {
            id_token: Option<SecretString>,
        }
        let endpoints = self.endpoints(now).await?;
        match returned.issuer {
            Some(issuer) if issuer != self.issuer() => return Err(SignInError::OtherIssuer),
            None if endpoints.names_itself => return Err(SignInError::OtherIssuer),
            _ => {}
        }
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", returned.code),
            ("redirect_uri", &self.settings.redirect_url),
            ("code_verifier", login.verifier()),
        ];
        let mut basic = None;
        match &self.secret {
            Some(secret) if !endpoints.in_body => {
                let encoded = |text: &str| encode(&[(text, "")]).trim_end_matches('=').to_owned();
                basic = Some((encoded(self.client_id()), encoded(secret.expose_secret())));
            }
            Some(secret) => pairs.extend([("client_id", self.client_id()), ("client_secret", secret.expose_secret())]),
            None => pairs.push(("client_id", self.client_id())),
        }
        let (status, body) = fetch::send_form(&self.sender, endpoints.token.clone(), encode(&pairs), basic).await?;
        if status != StatusCode::OK {
            return Err(refusal(status, &body));
        }
        let tokens: Option<Tokens> = serde_json::from_slice(&body).ok();
        let token = tokens.and_then(|tokens| tokens.id_token);
        token.ok_or_else(|| SignInError::Unfit("the answer to the code holds no ID token".to_owned()))
    }

    async fn endpoints(&self, now: Time) -> Result<Arc<Endpoints>, SignInError> {
        let mut held = self.held.lock().await;
        if let Some((found, _)) = held.found.as_ref().filter(|(_, read)| is_within(FRESH, *read, now)) {
            return Ok(Arc::clone(found));
        }
        let read = if held.failed.is_some_and(|failed| is_within(RETRY, failed, now)) {
            Err(SignInError::Resting)
        } else {
            let document = fetch::discover(&self.client, self.issuer()).await;
            document.map_err(SignInError::from).and_then(|document| Endpoints::of(&document))
        };
        match read {
            Ok(endpoints) => {
                let endpoints = Arc::new(endpoints);
                *held = Held { found: Some((Arc::clone(&endpoints), now)), failed: None };
                Ok(endpoints)
            }
            Err(error) => {
                if !matches!(error, SignInError::Resting) {
                    held.failed = Some(now);
                }
                let old = held.found.as_ref().filter(|(_, read)| is_within(USABLE, *read, now));
                old.map(|(found, _)| Arc::clone(found)).ok_or(error)
            }
        }
    }
}

impl Endpoints {
    fn of(document: &Discovery) -> Result<Self, SignInError> {
        let url = |name: &str, text: &Option<String>| {
            let text =
                text.as_ref().ok_or_else(|| SignInError::Unfit(format!("the discovery document has no {name}")))?;
            trusted_url(text).map_err(|what| SignInError::Unfit(format!("{name} of the discovery document {what}")))
        };
        // Without a word it is the header (OpenID Connect Discovery 1.0, section 3).
        let has = |name: &str| {
            let methods = document.token_endpoint_auth_methods_supported.as_ref();
            methods.is_some_and(|methods| methods.iter().any(|method| method == name))
        };
        Ok(Self {
            authorization: url("authorization_endpoint", &document.authorization_endpoint)?,
            token: url("token_endpoint", &document.token_endpoint)?,
            in_body: has("client_secret_post") && !has("client_secret_basic"),
            names_itself: document.authorization_response_iss_parameter_supported,
        })
    }
}

/// What an answer without tokens means.
fn refusal(status: StatusCode, body: &[u8]) -> SignInError {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    if status.is_server_error() {
        return FetchError::Status(status).into();
    }
    let said = serde_json::from_slice(body).map(|Refusal { error }| error).unwrap_or_default();
    match KNOWN_ERRORS.into_iter().find(|known| *known == said) {
        Some("invalid_grant") => SignInError::CodeRefused,
        Some(known) => SignInError::Unfit(format!("the provider answers {known} to the code")),
        None => SignInError::Unfit(format!("the provider answers with status {status} to the code")),
    }
}

/// The pairs as a form is sent.
fn encode(pairs: &[(&str, &str)]) -> String {
    // The only encoder at hand is that of addresses.
    let encoded = Url::parse_with_params("http://form.invalid", pairs);
    encoded.ok().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}

/// Whether two times are so near, in either direction: a clock that was set back must not stop readings.
fn is_within(duration: Duration, one: Time, other: Time) -> bool {
    u128::from(one.millis().abs_diff(other.millis())) < duration.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_holds_any_text() {
        assert_eq!(encode(&[("code", "a b&c=d+e/ä"), ("x", "")]), "code=a+b%26c%3Dd%2Be%2F%C3%A4&x=");
    }

    #[test]
    fn what_a_provider_refuses_is_told_apart_and_its_own_words_are_not_repeated() {
        let said =
            |status: u16, body: &str| refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes()).to_string();
        assert_eq!(said(400, r#"{"error": "invalid_grant"}"#), SignInError::CodeRefused.to_string());
        assert!(
            said(401, r#"{"error": "invalid_client", "error_description": "canary"}"#)
                .ends_with("invalid_client to the code")
        );
        for body in [r#"{"error": "canary"}"#, "canary", ""] {
            assert!(said(400, body).ends_with("status 400 Bad Request to the code"), "{body}");
        }
        assert!(matches!(refusal(StatusCode::BAD_GATEWAY, b""), SignInError::Unreachable(_)));
    }
}
