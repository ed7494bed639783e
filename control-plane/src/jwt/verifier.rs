//! The entry: settings in, verified tokens out.

use super::claims::{self, VerifiedToken};
use super::error::JwtError;
use super::fetch::{self, Place};
use super::issuer::Issuer;
use super::login::Login;
use super::provider::{Provider, Returned, SignInError};
use super::settings::{IssuerSettings, JwtSettings, SettingError, SettingsErrors, SignInSettings, field_path};
use super::token;
use super::trusted_url::trusted_url;
use crate::domain::time::Time;
use jsonwebtoken::DecodingKey;
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// The shortest HS256 secret, in bytes (RFC 7518, section 3.2).
const MIN_SECRET_LEN: usize = 32;

/// Verifies JWTs of the configured issuers. One for the whole process: it holds the issuers' keys.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<Issuer>,
    providers: Vec<Provider>,
}

/// The verifier cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Settings are wrong, or a secret that they name is missing.
    #[error(transparent)]
    Settings(#[from] SettingsErrors),
    /// TLS cannot be set up, such as on a machine without root certificates.
    #[error("the client that reads the issuers' keys cannot be set up; are root certificates installed?")]
    Client(#[source] reqwest::Error),
}

impl Verifier {
    /// Takes the settings; `environment` gives the value of an environment variable. Reads nothing from the issuers yet.
    pub fn new(settings: &JwtSettings, environment: impl Fn(&str) -> Option<SecretString>) -> Result<Self, SetupError> {
        settings.validate()?;
        let needs_client = settings.issuers.iter().any(IssuerSettings::has_keys);
        let client = needs_client.then(fetch::client).transpose().map_err(SetupError::Client)?;
        let sends = settings.issuers.iter().any(|issuer| issuer.sign_in.is_some());
        let sender = sends.then(fetch::sender).transpose().map_err(SetupError::Client)?;
        let mut errors = Vec::new();
        let mut issuers = Vec::new();
        let mut providers = Vec::new();
        for (index, issuer) in settings.issuers.iter().enumerate() {
            let wrong = |field: &str, message: String| SettingError { field: field_path(index, field), message };
            let secret = secret(issuer, &environment).map_err(|message| wrong("hs256_secret_env", message));
            let source = source(issuer, client.as_ref()).map_err(|message| wrong("jwks_url", message.to_owned()));
            match (secret, source) {
                (Ok(secret), Ok(source)) => issuers.push(Issuer::new(issuer.clone(), secret, source)),
                (secret, source) => errors.extend(secret.err().into_iter().chain(source.err())),
            }
            let (Some(sign_in), Some(client), Some(sender)) = (&issuer.sign_in, &client, &sender) else { continue };
            match client_secret(sign_in, &environment) {
                Ok(secret) => providers.push(Provider::new(issuer, sign_in, secret, client.clone(), sender.clone())),
                Err((field, message)) => errors.push(wrong(field, message)),
            }
        }
        if errors.is_empty() { Ok(Self { issuers, providers }) } else { Err(SettingsErrors(errors).into()) }
    }

    /// The issuers that people can sign in to the dashboard with.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// Takes somebody back from a provider: exchanges the code and verifies the ID token. `login` is what they were sent there with.
    pub async fn redeem(
        &self,
        provider: &Provider,
        returned: Returned<'_>,
        login: &Login,
        now: Time,
    ) -> Result<VerifiedToken, SignInError> {
        let token = provider.exchange(returned, login, now).await?;
        let token = token.expose_secret();
        let verified = async {
            let unverified = token::read(token)?;
            let issuer = self.issuers.iter().find(|issuer| issuer.settings.issuer == provider.rules().issuer);
            let issuer = issuer.filter(|_| unverified.issuer == provider.rules().issuer);
            let key = issuer.ok_or(JwtError::UnknownIssuer)?.key(&unverified, now).await?;
            let claims = token::verify_signature(token, unverified.algorithm, &key)?;
            claims::check_id_token(provider.rules(), provider.client_id(), login.nonce(), &claims, now)
        };
        verified.await.map_err(SignInError::Token)
    }

    /// Whether no issuer is configured, so that no JWT will ever be taken.
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Verifies a token as it stands after `Bearer `. May wait for the issuer's keys, some seconds at most.
    pub async fn verify(&self, token: &str, now: Time) -> Result<VerifiedToken, JwtError> {
        let unverified = token::read(token)?;
        let issuer = self.issuers.iter().find(|issuer| issuer.settings.issuer == unverified.issuer);
        let issuer = issuer.ok_or(JwtError::UnknownIssuer)?;
        let key = issuer.key(&unverified, now).await?;
        let claims = token::verify_signature(token, unverified.algorithm, &key)?;
        claims::check(&issuer.settings, &claims, now)
    }
}

/// The HS256 key of an issuer; the error is the rest of a sentence about the setting.
fn secret(
    issuer: &IssuerSettings,
    environment: &impl Fn(&str) -> Option<SecretString>,
) -> Result<Option<DecodingKey>, String> {
    let Some(name) = &issuer.hs256_secret_env else { return Ok(None) };
    let Some(secret) = environment(name) else {
        return Err(format!("names the environment variable {name}, which is not set"));
    };
    let bytes = secret.expose_secret().as_bytes();
    if bytes.len() < MIN_SECRET_LEN {
        return Err(format!(
            "names the environment variable {name}, whose value is shorter than {MIN_SECRET_LEN} bytes"
        ));
    }
    Ok(Some(DecodingKey::from_secret(bytes)))
}

/// The secret of Keyplane as the issuer's client; the error is the field and the rest of a sentence about it.
fn client_secret(
    sign_in: &SignInSettings,
    environment: &impl Fn(&str) -> Option<SecretString>,
) -> Result<Option<SecretString>, (&'static str, String)> {
    match (&sign_in.client_secret_env, &sign_in.client_secret_file) {
        (Some(name), _) => match environment(name).filter(|secret| !secret.expose_secret().is_empty()) {
            Some(secret) => Ok(Some(secret)),
            None => Err((
                "sign_in.client_secret_env",
                format!("names the environment variable {name}, which is not set or empty"),
            )),
        },
        (None, Some(file)) => {
            let wrong = |what: &str| ("sign_in.client_secret_file", format!("names {}, which {what}", file.display()));
            let text = std::fs::read_to_string(file).map(Zeroizing::new);
            let text = text.map_err(|error| wrong(&format!("cannot be read: {error}")))?;
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() { Err(wrong("is empty")) } else { Ok(Some(SecretString::from(text))) }
        }
        (None, None) => Ok(None),
    }
}

fn source(issuer: &IssuerSettings, client: Option<&Client>) -> Result<Option<(Client, Place)>, &'static str> {
    let Some(client) = client else { return Ok(None) };
    Ok(match &issuer.jwks_url {
        Some(url) => Some((client.clone(), Place::Url(trusted_url(url)?))),
        None if issuer.discovery => Some((client.clone(), Place::Discovery(issuer.issuer.clone()))),
        None => None,
    })
}
