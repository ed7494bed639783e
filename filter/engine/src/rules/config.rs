//! A rule as the plugin configuration writes it. Here is only its JSON shape; [`super::compile`] checks and compiles it.
//!
//! No field takes `null`: what a template left empty must not become "any".

use crate::staleness::WhenStale;
use keyplane_contract::sync::Environment;
use serde::{Deserialize, Deserializer};

/// One entry of `rules`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleConfig {
    /// What logs and the debug headers call it; without one `rule-<place>`.
    #[serde(deserialize_with = "present")]
    pub name: Option<String>,
    /// Hosts; without them any.
    #[serde(deserialize_with = "present")]
    pub hosts: Option<Vec<String>>,
    /// Paths; without them any, and none at all (`OPTIONS *`).
    #[serde(deserialize_with = "present")]
    pub paths: Option<Vec<String>>,
    /// Methods; without them any. `GET` covers `HEAD`.
    #[serde(deserialize_with = "present")]
    pub methods: Option<Vec<String>>,
    /// Whether a credential is needed at all.
    pub access: Access,
    /// Which kinds of credential are accepted; without it, what the configuration says as a whole.
    #[serde(deserialize_with = "present")]
    pub accept: Option<Accept>,
    /// Which scopes are needed.
    #[serde(deserialize_with = "present")]
    pub scopes: Option<ScopesConfig>,
    /// The environment that a key must be of.
    #[serde(deserialize_with = "present")]
    pub environment: Option<EnvironmentName>,
    /// What happens while the table is too old; without it, what `staleness` says.
    #[serde(deserialize_with = "present")]
    pub when_stale: Option<WhenStale>,
    /// Whether the upstream gets the credential too; without it, what the configuration says as a whole.
    #[serde(deserialize_with = "present")]
    pub forward_credential: Option<bool>,
}

/// A field that is there must have a value.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Whether a credential is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Everyone may pass; a credential is neither needed nor looked at.
    Public,
    /// A credential is needed.
    #[default]
    Protected,
}

/// Which kinds of credential a rule accepts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accept {
    /// Keys.
    #[default]
    Key,
    /// JWTs that Envoy has verified.
    Jwt,
    /// Both.
    Either,
}

/// An environment by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentName {
    /// `live`
    Live,
    /// `test`
    Test,
}

impl From<EnvironmentName> for Environment {
    fn from(name: EnvironmentName) -> Self {
        match name {
            EnvironmentName::Live => Self::Live,
            EnvironmentName::Test => Self::Test,
        }
    }
}

/// Scopes that a rule needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScopesConfig {
    /// Each of them is needed.
    #[serde(deserialize_with = "present")]
    pub all: Option<Vec<String>>,
    /// One of them is needed.
    #[serde(deserialize_with = "present")]
    pub any: Option<Vec<String>>,
}
