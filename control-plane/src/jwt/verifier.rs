//! The entry: settings in, verified tokens out.

use super::claims::{self, VerifiedToken};
use super::error::JwtError;
use super::fetch::{self, Place};
use super::issuer::Issuer;
use super::settings::{IssuerSettings, JwtSettings, SettingError, SettingsErrors, field_path};
use super::token;
use super::trusted_url::trusted_url;
use crate::domain::time::Time;
use jsonwebtoken::DecodingKey;
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};

/// The shortest HS256 secret, in bytes (RFC 7518, section 3.2).
const MIN_SECRET_LEN: usize = 32;

/// Verifies JWTs of the configured issuers. One for the whole process: it holds the issuers' keys.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<Issuer>,
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
        let mut errors = Vec::new();
        let mut issuers = Vec::new();
        for (index, issuer) in settings.issuers.iter().enumerate() {
            let wrong = |field: &str, message: String| SettingError { field: field_path(index, field), message };
            let secret = secret(issuer, &environment).map_err(|message| wrong("hs256_secret_env", message));
            let source = source(issuer, client.as_ref()).map_err(|message| wrong("jwks_url", message.to_owned()));
            match (secret, source) {
                (Ok(secret), Ok(source)) => issuers.push(Issuer::new(issuer.clone(), secret, source)),
                (secret, source) => errors.extend(secret.err().into_iter().chain(source.err())),
            }
        }
        if errors.is_empty() { Ok(Self { issuers }) } else { Err(SettingsErrors(errors).into()) }
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

fn source(issuer: &IssuerSettings, client: Option<&Client>) -> Result<Option<(Client, Place)>, &'static str> {
    let Some(client) = client else { return Ok(None) };
    Ok(match &issuer.jwks_url {
        Some(url) => Some((client.clone(), Place::Url(trusted_url(url)?))),
        None if issuer.discovery => Some((client.clone(), Place::Discovery(issuer.issuer.clone()))),
        None => None,
    })
}
