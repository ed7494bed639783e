//! The configuration's part `jwt`: whose tokens count, and which claims say who it is.

use super::claims::{Reading, identity};
use crate::config::ConfigError;
use keyplane_contract::sync::Environment;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// The most issuers.
const MAX_PROVIDERS: usize = 32;
/// The longest issuer, in bytes.
const MAX_ISSUER: usize = 512;
/// The longest name of a claim, and of a payload, in bytes.
const MAX_NAME: usize = 256;
/// How deep a claim may lie.
const MAX_DEPTH: usize = 8;
/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 64;
/// Claims that users can write themselves: Supabase's and Auth0's `user_metadata`, Clerk's `unsafe_metadata`.
const WRITABLE_BY_USERS: [&str; 2] = ["user_metadata", "unsafe_metadata"];

/// Whose tokens count.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    providers: Vec<Provider>,
}

/// One issuer of tokens: a provider of `jwt_authn`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provider {
    /// Its `iss`, byte for byte.
    issuer: String,
    /// The provider's `payload_in_metadata`.
    #[serde(default = "default_payload")]
    payload: String,
    /// The claim that is the account. Absent: the account is not told.
    #[serde(default)]
    pub(super) account: Option<Claim>,
    /// What is put before it.
    #[serde(default)]
    pub(super) account_prefix: String,
    /// The claim that is the user. `null`: the user is not told.
    #[serde(default = "default_user")]
    pub(super) user: Option<Claim>,
    /// What is put before it.
    #[serde(default)]
    pub(super) user_prefix: String,
    /// The claim that holds the scopes. `null`: they are not read.
    #[serde(default = "default_scopes")]
    pub(super) scopes: Option<Claim>,
    /// Which environment its tokens are for. Absent: none.
    #[serde(default)]
    pub(super) environment: Option<EnvironmentOf>,
}

fn default_payload() -> String {
    "payload".to_owned()
}

#[allow(clippy::unnecessary_wraps)]
fn default_user() -> Option<Claim> {
    Some(Claim::new("sub"))
}

#[allow(clippy::unnecessary_wraps)]
fn default_scopes() -> Option<Claim> {
    Some(Claim::new("scope"))
}

/// A claim by its path; one name as a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim(pub(super) Vec<Box<str>>);

impl Claim {
    fn new(name: &str) -> Self {
        Self(vec![name.into()])
    }

    fn check(&self, path: &str) -> Result<(), ConfigError> {
        if self.0.is_empty() || self.0.len() > MAX_DEPTH {
            return Err(ConfigError::new(path, format!("a claim is a name, or a list of 1 to {MAX_DEPTH} names")));
        }
        if self.0.iter().any(|name| name.is_empty() || name.len() > MAX_NAME) {
            return Err(ConfigError::new(path, format!("a claim's name has 1 to {MAX_NAME} bytes")));
        }
        Ok(())
    }

    /// Whoever can write a claim must not say with it whose account it is or what they may.
    fn check_not_writable(&self, path: &str) -> Result<(), ConfigError> {
        self.check(path)?;
        let first = self.0.first().map(|name| name.split('.').next().unwrap_or_default());
        if first.is_some_and(|first| WRITABLE_BY_USERS.contains(&first)) {
            let message = "it must not lie in user_metadata or unsafe_metadata, which users can write themselves";
            return Err(ConfigError::new(path, message));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Claim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Claim;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a claim, or a list of names that lead to it")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Claim, E> {
                Ok(Claim::new(name))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Claim, A::Error> {
                let mut claim = Claim(Vec::new());
                while let Some(name) = names.next_element::<Box<str>>()? {
                    claim.0.push(name);
                }
                Ok(claim)
            }
        }
        deserializer.deserialize_any(Names)
    }
}

/// Where the environment of a token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EnvironmentOf {
    /// All tokens of the issuer are for this one.
    Fixed(Environment),
    /// A claim says `live` or `test`.
    Claim(Claim),
}

impl<'de> Deserialize<'de> for EnvironmentOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = EnvironmentOf;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#""live", "test" or {"claim": ...}"#)
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<EnvironmentOf, E> {
                let by_name = |environment: &Environment| environment.name() == name;
                let found = [Environment::Live, Environment::Test].into_iter().find(by_name);
                found.map(EnvironmentOf::Fixed).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(name), &self))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<EnvironmentOf, A::Error> {
                let mut claim = None;
                while let Some(name) = fields.next_key::<String>()? {
                    if name != "claim" || claim.is_some() {
                        fields.next_value::<IgnoredAny>()?;
                        return Err(A::Error::custom("it has one field, `claim`"));
                    }
                    claim = Some(fields.next_value()?);
                }
                claim.map(EnvironmentOf::Claim).ok_or_else(|| A::Error::missing_field("claim"))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Jwt {
    /// Refuses what cannot be meant.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.providers.is_empty() || self.providers.len() > MAX_PROVIDERS {
            return Err(ConfigError::new("jwt.providers", format!("there must be 1 to {MAX_PROVIDERS}")));
        }
        for (number, provider) in self.providers.iter().enumerate() {
            let path = |field: &str| format!("jwt.providers[{number}].{field}");
            provider.check(&path)?;
            let earlier = self.providers.iter().take(number);
            if earlier.into_iter().any(|known| known.issuer == provider.issuer && known.payload == provider.payload) {
                return Err(ConfigError::new(&path("issuer"), "it is there twice with the same `payload`"));
            }
        }
        Ok(())
    }

    /// Name of the payload, issuer and claims of each provider.
    pub(super) fn into_parts(self) -> impl Iterator<Item = (String, String, Reading)> {
        self.providers.into_iter().map(|mut provider| {
            let (payload, issuer) = (std::mem::take(&mut provider.payload), std::mem::take(&mut provider.issuer));
            (payload, issuer, Reading::new(provider))
        })
    }
}

impl Provider {
    fn check(&self, path: &impl Fn(&str) -> String) -> Result<(), ConfigError> {
        let Self { issuer, payload, account, account_prefix, user, user_prefix, scopes, environment } = self;
        let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if issuer.is_empty() || issuer.len() > MAX_ISSUER || !printable(issuer) {
            let message = format!("an issuer has 1 to {MAX_ISSUER} visible ASCII characters, as `iss` has them");
            return Err(ConfigError::new(&path("issuer"), message));
        }
        if payload.is_empty() || payload.len() > MAX_NAME {
            return Err(ConfigError::new(&path("payload"), "it is the `payload_in_metadata` of the provider in Envoy"));
        }
        for (claim, name) in [(account, "account"), (scopes, "scopes")] {
            claim.as_ref().map_or(Ok(()), |claim| claim.check_not_writable(&path(name)))?;
        }
        if let Some(EnvironmentOf::Claim(claim)) = environment {
            claim.check_not_writable(&path("environment.claim"))?;
        }
        user.as_ref().map_or(Ok(()), |claim| claim.check_not_writable(&path("user")))?;
        for (prefix, claim, name) in [(account_prefix, account, "account_prefix"), (user_prefix, user, "user_prefix")] {
            if !prefix.is_empty()
                && (claim.is_none() || prefix.len() > MAX_PREFIX || identity(prefix.as_bytes()).is_none())
            {
                let message =
                    format!("at most {MAX_PREFIX} visible ASCII characters, beside a claim that it stands before");
                return Err(ConfigError::new(&path(name), message));
            }
        }
        if account.is_none() && user.is_none() {
            return Err(ConfigError::new(&path("user"), "without an account and a user, a token says nobody"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Jwt;
    use serde_json::{Value, json};

    fn error(config: &Value) -> String {
        match serde_json::from_value(config.clone()) {
            Ok(config) => Jwt::compile(config).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Of a provider that is well but for this.
    fn error_of(change: &Value) -> String {
        let mut provider = json!({ "issuer": "https://a" });
        provider.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        error(&json!({ "providers": [{ "issuer": "https://b" }, provider] }))
    }

    #[test]
    fn a_wrong_field_is_named_by_its_path() {
        for (change, expected) in [
            (json!({ "issuer": "" }), "jwt.providers[1].issuer"),
            (json!({ "issuer": "https://a b" }), "jwt.providers[1].issuer"),
            (json!({ "issuer": "https://b" }), "twice"),
            (json!({ "payload": "" }), "jwt.providers[1].payload"),
            (json!({ "account": "" }), "jwt.providers[1].account"),
            (json!({ "account": [] }), "jwt.providers[1].account"),
            (json!({ "account": vec!["a"; 9] }), "jwt.providers[1].account"),
            (json!({ "account": ["user_metadata", "account"] }), "which users can write"),
            (json!({ "account": "user_metadata.account" }), "which users can write"),
            (json!({ "user": ["unsafe_metadata", "id"] }), "jwt.providers[1].user"),
            (json!({ "scopes": ["user_metadata", "roles"] }), "jwt.providers[1].scopes"),
            (json!({ "environment": { "claim": ["user_metadata", "env"] } }), "jwt.providers[1].environment.claim"),
            (json!({ "user": null }), "says nobody"),
            (json!({ "account_prefix": "a" }), "jwt.providers[1].account_prefix"),
            (json!({ "user_prefix": "a\n" }), "jwt.providers[1].user_prefix"),
            (json!({ "account": 5 }), "the name of a claim"),
            (json!({ "account": ["a", 5] }), "invalid type"),
            (json!({ "environment": "production" }), r#""live", "test" or {"claim": ...}"#),
            (json!({ "environment": { "claims": "env" } }), "it has one field, `claim`"),
            (json!({ "environment": {} }), "missing field `claim`"),
            (json!({ "audience": "a" }), "unknown field `audience`"),
        ] {
            assert!(error_of(&change).contains(expected), "{change}: {}", error_of(&change));
        }
        assert!(error(&json!({ "providers": [] })).contains("`jwt.providers`"));
        assert!(error(&json!({})).contains("missing field `providers`"));
    }

    #[test]
    fn one_issuer_may_write_under_two_names() {
        let providers = json!([{ "issuer": "https://a" }, { "issuer": "https://a", "payload": "other" }]);
        assert!(Jwt::compile(serde_json::from_value(json!({ "providers": providers })).unwrap()).is_ok());
    }
}
