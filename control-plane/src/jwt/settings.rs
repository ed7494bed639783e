//! Which issuers are trusted, and how their claims are read: the setting `jwt`.
//!
//! What is not said is refused: no issuer without an audience unless the operator says so, no algorithm outside the list, and
//! no claim that users can write themselves where it would say who they are. The secret of HS256 is named, never
//! written, here, so that settings can be printed.

use super::trusted_url::trusted_url;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// The longest leeway, in seconds.
const MAX_LEEWAY_SECONDS: u64 = 300;

/// Claims that users can write themselves: Supabase's and Auth0's `user_metadata`, Clerk's `unsafe_metadata`.
const WRITABLE_BY_USERS: [&str; 2] = ["user_metadata", "unsafe_metadata"];

/// The setting `jwt`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JwtSettings {
    /// The issuers, each with its own rules. None: JWTs are not taken.
    #[serde(default)]
    pub issuers: Vec<IssuerSettings>,
}

/// One issuer. Its keys come from exactly one of `discovery` and `jwks_url`, or there is a secret for HS256, or both.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    /// The exact `iss`, such as `https://<project>.supabase.co/auth/v1`.
    pub issuer: String,
    /// Read where the keys are from `<issuer>/.well-known/openid-configuration`.
    #[serde(default)]
    pub discovery: bool,
    /// Where the keys are (a JWK set).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Name of the environment variable with the HS256 secret (Supabase's legacy JWT secret), taken as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hs256_secret_env: Option<String>,
    /// A token's `aud` must name at least one of these.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Take tokens for any audience, and tokens without one. For issuers that set none (Clerk's session tokens).
    #[serde(default)]
    pub any_audience: bool,
    /// If there are any, a token's `azp` must be one of these (Clerk: the web application's origin).
    #[serde(default)]
    pub authorized_parties: Vec<String>,
    /// The algorithms; without it RS256, ES256 and `EdDSA` for keys, HS256 for a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<Algorithm>>,
    /// How far the clocks may differ, in seconds, at most 300.
    #[serde(default = "default_leeway")]
    pub leeway_seconds: u64,
    /// The claim with the user's id.
    #[serde(default = "default_user")]
    pub user_claim: String,
    /// The claim with the account's id at the issuer, such as `org_id`, `o.id` (Clerk) or `app_metadata.account_id` (Supabase).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_claim: Option<String>,
    /// The claim with the user's mail address.
    #[serde(default = "default_email")]
    pub email_claim: String,
    /// The claim with the user's name, such as `user_metadata.full_name` (Supabase).
    #[serde(default = "default_name")]
    pub name_claim: String,
    /// Make a user, a member, of the account that a token names, when its subject is none yet. It needs `account_claim` and a
    /// mail address in the token.
    #[serde(default)]
    pub create_users: bool,
    /// The claim with the token's scopes: a text with spaces between them, or a list of texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_claim: Option<String>,
    /// Lets people sign in to the dashboard with this issuer. Without it they do so with keys and tokens only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignInSettings>,
}

/// How people sign in to the dashboard with an issuer: by `OpenID` Connect, authorization code with PKCE.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignInSettings {
    /// What the button says after "Sign in with".
    pub label: String,
    /// What the issuer knows Keyplane by. An ID token must be for it.
    pub client_id: String,
    /// Name of the environment variable with the client's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_env: Option<String>,
    /// File with the client's secret. Without a secret the client is a public one, held by PKCE alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// Where the issuer leads people back to: `/sign-in/callback` at the dashboard's address as browsers see it. The issuer must
    /// know the same.
    pub redirect_url: String,
    /// What the issuer is asked for; `openid` must be among it.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
}

/// Where issuers lead people back to, in the dashboard.
pub const CALLBACK: &str = "/sign-in/callback";

/// The longest text on a button, in characters.
const MAX_LABEL_LEN: usize = 60;

fn default_scopes() -> Vec<String> {
    ["openid", "email", "profile"].map(str::to_owned).to_vec()
}

fn default_leeway() -> u64 {
    60
}

fn default_user() -> String {
    "sub".to_owned()
}

fn default_email() -> String {
    "email".to_owned()
}

fn default_name() -> String {
    "name".to_owned()
}

/// A signature algorithm, by its name in RFC 7518 and RFC 8037. `none` is not among them, and of the HMACs only HS256 is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS #1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS #1 v1.5 with SHA-512.
    Rs512,
    /// RSA PSS with SHA-256.
    Ps256,
    /// RSA PSS with SHA-384.
    Ps384,
    /// RSA PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// HMAC with SHA-256: only with a secret, never with a key of a JWK set.
    Hs256,
}

impl IssuerSettings {
    /// Whether public keys are read from the issuer.
    pub fn has_keys(&self) -> bool {
        self.discovery || self.jwks_url.is_some()
    }

    /// Whether tokens of this algorithm are taken.
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        match (&self.algorithms, algorithm) {
            (Some(list), _) => list.contains(&algorithm),
            (None, Algorithm::Hs256) => self.hs256_secret_env.is_some(),
            (None, Algorithm::Rs256 | Algorithm::Es256 | Algorithm::EdDsa) => self.has_keys(),
            (None, _) => false,
        }
    }
}

/// One wrong setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettingError {
    /// Its path, such as `jwt.issuers[0].audiences`.
    pub field: String,
    /// What is wrong: the rest of a sentence that begins with the field. Never carries the value.
    pub message: String,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "setting `{}` {}", self.field, self.message)
    }
}

/// Every wrong setting, at least one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettingsErrors(pub Vec<SettingError>);

impl fmt::Display for SettingsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsErrors {}

impl JwtSettings {
    /// Names every wrong setting.
    pub fn validate(&self) -> Result<(), SettingsErrors> {
        let mut errors = Vec::new();
        for (index, issuer) in self.issuers.iter().enumerate() {
            let mut wrong = |field: &str, message: &str| {
                errors.push(SettingError { field: field_path(index, field), message: message.to_owned() });
            };
            if self.issuers.iter().take(index).any(|other| other.issuer == issuer.issuer) {
                wrong("issuer", "is the issuer of an earlier entry too; each may stand once");
            }
            issuer.validate_source(&mut wrong);
            issuer.validate_algorithms(&mut wrong);
            issuer.validate_audience(&mut wrong);
            issuer.validate_claims(&mut wrong);
            issuer.validate_sign_in(&mut wrong);
        }
        if errors.is_empty() { Ok(()) } else { Err(SettingsErrors(errors)) }
    }
}

/// The path of an issuer's field in the settings.
pub(super) fn field_path(index: usize, field: &str) -> String {
    format!("jwt.issuers[{index}].{field}")
}

impl IssuerSettings {
    fn validate_source(&self, wrong: &mut impl FnMut(&str, &str)) {
        if self.issuer.is_empty() || self.issuer.chars().any(|c| c.is_whitespace() || c.is_control()) {
            wrong("issuer", "must be a text without spaces, exactly as in the claim iss");
        } else if self.discovery
            && let Err(message) = trusted_url(&self.issuer)
        {
            wrong("issuer", &format!("{message} when discovery is on"));
        }
        match &self.jwks_url {
            Some(_) if self.discovery => wrong("jwks_url", "must not stand beside discovery = true: choose one"),
            Some(url) => {
                if let Err(message) = trusted_url(url) {
                    wrong("jwks_url", message);
                }
            }
            None if !self.discovery && self.hs256_secret_env.is_none() => {
                wrong("discovery", "must be true, or jwks_url or hs256_secret_env must be set");
            }
            None => {}
        }
        if let Some(name) = &self.hs256_secret_env {
            // Whoever writes the secret itself here is told so without seeing it in a log.
            if !is_variable(name) {
                wrong("hs256_secret_env", "must be the name of an environment variable, not the secret");
            }
        }
        if self.leeway_seconds > MAX_LEEWAY_SECONDS {
            wrong("leeway_seconds", "must be at most 300");
        }
    }

    fn validate_algorithms(&self, wrong: &mut impl FnMut(&str, &str)) {
        let Some(list) = &self.algorithms else { return };
        let hmac = list.contains(&Algorithm::Hs256);
        let public = list.iter().any(|algorithm| *algorithm != Algorithm::Hs256);
        if list.is_empty() {
            wrong("algorithms", "must name at least one algorithm");
            return;
        }
        if hmac && self.hs256_secret_env.is_none() {
            wrong("algorithms", "names HS256, which needs hs256_secret_env");
        }
        if !hmac && self.hs256_secret_env.is_some() {
            wrong("algorithms", "must name HS256 when hs256_secret_env is set");
        }
        if public && !self.has_keys() {
            wrong("algorithms", "names an algorithm of public keys, which needs discovery or jwks_url");
        }
        if !public && self.has_keys() {
            wrong("algorithms", "must name an algorithm of public keys when discovery or jwks_url is set");
        }
    }

    fn validate_audience(&self, wrong: &mut impl FnMut(&str, &str)) {
        if self.audiences.is_empty() && !self.any_audience {
            wrong("audiences", "must name at least one audience, or any_audience must be true");
        }
        if !self.audiences.is_empty() && self.any_audience {
            wrong("any_audience", "must not be true beside audiences: choose one");
        }
        if self.audiences.iter().any(String::is_empty) {
            wrong("audiences", "must not hold an empty text");
        }
        if self.authorized_parties.iter().any(String::is_empty) {
            wrong("authorized_parties", "must not hold an empty text");
        }
    }

    fn validate_claims(&self, wrong: &mut impl FnMut(&str, &str)) {
        // Only the name may come from what users write themselves: it decides nothing.
        let claims = [
            ("user_claim", Some(&self.user_claim), true),
            ("account_claim", self.account_claim.as_ref(), true),
            ("email_claim", Some(&self.email_claim), true),
            ("scope_claim", self.scope_claim.as_ref(), true),
            ("name_claim", Some(&self.name_claim), false),
        ];
        for (field, path, decides) in claims {
            let Some(path) = path else { continue };
            let segments = || super::claims::segments(path);
            if segments().any(str::is_empty) {
                wrong(field, "must be the name of a claim, or names with dots between them");
            } else if decides && segments().any(|name| WRITABLE_BY_USERS.contains(&name)) {
                wrong(field, "must not lie in user_metadata or unsafe_metadata, which users can write themselves");
            }
        }
    }

    fn validate_sign_in(&self, wrong: &mut impl FnMut(&str, &str)) {
        let Some(sign_in) = &self.sign_in else { return };
        if !self.discovery {
            wrong(
                "sign_in",
                "needs discovery = true: where people are sent to stands in the issuer's discovery document",
            );
        }
        let plain = |text: &str| !text.trim().is_empty() && !text.chars().any(char::is_control);
        if !plain(&sign_in.label) || sign_in.label.chars().count() > MAX_LABEL_LEN {
            wrong("sign_in.label", "must be 1 to 60 characters in one line");
        }
        if !plain(&sign_in.client_id) {
            wrong("sign_in.client_id", "must be a text in one line");
        }
        match (&sign_in.client_secret_env, &sign_in.client_secret_file) {
            (Some(_), Some(_)) => {
                wrong("sign_in.client_secret_file", "must not stand beside client_secret_env: choose one");
            }
            (Some(name), None) if !is_variable(name) => {
                wrong("sign_in.client_secret_env", "must be the name of an environment variable, not the secret");
            }
            _ => {}
        }
        match trusted_url(&sign_in.redirect_url) {
            Err(message) => wrong("sign_in.redirect_url", message),
            Ok(url) if url.path() != CALLBACK || url.query().is_some() => {
                wrong("sign_in.redirect_url", "must end in /sign-in/callback, after the dashboard's address");
            }
            Ok(_) => {}
        }
        if !sign_in.scopes.iter().any(|scope| scope == "openid") {
            wrong("sign_in.scopes", "must name openid: without it there is no ID token");
        }
        if sign_in.scopes.iter().any(|scope| scope.is_empty() || !scope.bytes().all(|byte| byte.is_ascii_graphic())) {
            wrong("sign_in.scopes", "must hold words without spaces");
        }
    }
}

/// Whether a text can be the name of an environment variable.
fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        let settings: JwtSettings = serde_json::from_str(text).unwrap();
        settings
            .validate()
            .map_or_else(|errors| errors.0, |()| Vec::new())
            .into_iter()
            .map(|error| error.field)
            .collect()
    }

    /// One issuer with `fields` beside its name.
    fn issuer(fields: &str) -> Vec<String> {
        errors(&format!(r#"{{"issuers": [{{"issuer": "https://issuer.example", {fields}}}]}}"#))
    }

    #[test]
    fn usual_settings_are_taken() {
        assert!(errors("{}").is_empty());
        for good in [
            r#""discovery": true, "audiences": ["a"]"#,
            r#""jwks_url": "https://issuer.example/jwks", "any_audience": true, "account_claim": "o.id""#,
            r#""hs256_secret_env": "JWT_SECRET", "audiences": ["a"], "name_claim": "user_metadata.full_name""#,
            r#""hs256_secret_env": "S", "discovery": true, "audiences": ["a"], "algorithms": ["HS256", "ES256"]"#,
            r#""discovery": true, "audiences": ["a"], "account_claim": "https://issuer.example/account""#,
        ] {
            assert_eq!(issuer(good), Vec::<String>::new(), "{good}");
        }
    }

    #[test]
    fn a_wrong_setting_is_named() {
        for (bad, field) in [
            (r#""audiences": ["a"]"#, "discovery"),
            (r#""discovery": true"#, "audiences"),
            (r#""discovery": true, "audiences": [""]"#, "audiences"),
            (r#""discovery": true, "audiences": ["a"], "any_audience": true"#, "any_audience"),
            (r#""discovery": true, "audiences": ["a"], "authorized_parties": [""]"#, "authorized_parties"),
            (r#""discovery": true, "audiences": ["a"], "leeway_seconds": 301"#, "leeway_seconds"),
            (r#""discovery": true, "audiences": ["a"], "jwks_url": "https://issuer.example/""#, "jwks_url"),
            (r#""jwks_url": "http://issuer.example/jwks", "audiences": ["a"]"#, "jwks_url"),
            (r#""hs256_secret_env": "not a name", "audiences": ["a"]"#, "hs256_secret_env"),
            (r#""discovery": true, "audiences": ["a"], "algorithms": []"#, "algorithms"),
            (r#""discovery": true, "audiences": ["a"], "algorithms": ["HS256", "RS256"]"#, "algorithms"),
            (r#""discovery": true, "audiences": ["a"], "account_claim": "user_metadata.account""#, "account_claim"),
            (r#""discovery": true, "audiences": ["a"], "user_claim": "a..b""#, "user_claim"),
            (r#""discovery": true, "audiences": ["a"], "scope_claim": "unsafe_metadata.scopes""#, "scope_claim"),
        ] {
            assert_eq!(issuer(bad), [format!("jwt.issuers[0].{field}")], "{bad}");
        }
    }

    #[test]
    fn a_wrong_setting_of_the_sign_in_is_named() {
        let with = |discovery: &str, more: &str| {
            let sign_in = format!(r#"{{"label": "Acme", "client_id": "kp", {more}}}"#);
            issuer(&format!(r#"{discovery}, "audiences": ["a"], "sign_in": {sign_in}"#))
        };
        let back = r#""redirect_url": "https://keys.example/sign-in/callback""#;
        let discovery = r#""discovery": true"#;
        assert!(with(discovery, back).is_empty());
        assert!(with(discovery, r#""redirect_url": "http://127.0.0.1:8080/sign-in/callback""#).is_empty());
        for (discovery, more, field) in [
            (r#""jwks_url": "https://issuer.example/jwks""#, back.to_owned(), "sign_in"),
            (discovery, r#""redirect_url": "http://keys.example/sign-in/callback""#.to_owned(), "sign_in.redirect_url"),
            (discovery, r#""redirect_url": "https://keys.example/""#.to_owned(), "sign_in.redirect_url"),
            (discovery, format!(r#"{back}, "scopes": ["email"]"#), "sign_in.scopes"),
            (discovery, format!(r#"{back}, "scopes": ["openid", "a b"]"#), "sign_in.scopes"),
            (discovery, format!(r#"{back}, "client_secret_env": "s3cr3t-value"#) + "\"", "sign_in.client_secret_env"),
            (
                discovery,
                format!(r#"{back}, "client_secret_env": "S", "client_secret_file": "/s""#),
                "sign_in.client_secret_file",
            ),
        ] {
            assert_eq!(with(discovery, &more), [format!("jwt.issuers[0].{field}")], "{more}");
        }
    }

    #[test]
    fn an_issuer_stands_once() {
        let one = r#"{"issuer": "https://issuer.example", "discovery": true, "audiences": ["a"]}"#;
        assert_eq!(errors(&format!(r#"{{"issuers": [{one}, {one}]}}"#)), ["jwt.issuers[1].issuer"]);
    }

    #[test]
    fn none_other_hmacs_and_unknown_fields_are_no_settings() {
        for bad in [r#""algorithms": ["none"]"#, r#""algorithms": ["HS512"]"#, r#""hs256_secret": "x""#] {
            let text = format!(r#"{{"issuers": [{{"issuer": "i", {bad}}}]}}"#);
            assert!(serde_json::from_str::<JwtSettings>(&text).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_a_secret_that_stands_in_the_wrong_place() {
        let text = r#"{"issuers": [{"issuer": "i", "audiences": ["a"], "hs256_secret_env": "s3cr3t-value"}]}"#;
        let settings: JwtSettings = serde_json::from_str(text).unwrap();
        let message = settings.validate().unwrap_err().to_string();
        assert!(message.contains("hs256_secret_env") && !message.contains("s3cr3t"), "{message}");
    }
}
