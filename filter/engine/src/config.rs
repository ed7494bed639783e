//! The plugin configuration: JSON, parsed and checked whole when the host configures the filter.
//!
//! An unknown field is refused, never ignored: a misspelt restriction must not become no restriction. Errors name the field by its path.
//! No secret belongs here, because Envoy shows the configuration in its config dump: the proxy token comes from the environment.

use crate::answers::OwnAnswers;
use crate::challenge::Realm;
use crate::credential::source::SourceConfigs;
use crate::guessing::Limit;
use crate::health::Health;
use crate::identity::IdentityConfig;
use crate::jwt::JwtConfig;
use crate::preflight::Preflights;
use crate::rules::config::present;
use crate::rules::{Accept, Paths, RuleConfig};
use crate::staleness::Staleness;
use crate::waiting::UnknownKeys;
use serde::Deserialize;
use std::fmt;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the keys come from.
    pub control_plane: ControlPlane,
    /// What happens to requests that arrive before the first table is complete.
    #[serde(default)]
    pub hold: Hold,
    /// Where a credential may be.
    #[serde(default)]
    pub credentials: SourceConfigs,
    /// Whether the upstream gets the credential too. Off unless the upstream checks keys itself.
    #[serde(default)]
    pub forward_credential: bool,
    /// What challenges call that which is protected.
    #[serde(default)]
    pub realm: Realm,
    /// What requests need, by host, path and method. Without any, all need a key.
    #[serde(default)]
    pub rules: Vec<RuleConfig>,
    /// How the upstream reads paths; counts where there are rules.
    #[serde(default)]
    pub paths: Paths,
    /// What becomes of CORS preflights.
    #[serde(default)]
    pub cors_preflight: Preflights,
    /// What requests are accepted with where their rule does not say. Without it: either, when there is `jwt`, else a key.
    #[serde(default, deserialize_with = "present")]
    pub accept: Option<Accept>,
    /// Whose JWTs are accepted.
    #[serde(default, deserialize_with = "present")]
    pub jwt: Option<JwtConfig>,
    /// What refused callers get instead of the usual problem.
    #[serde(default)]
    pub answers: OwnAnswers,
    /// How the upstream, access logs and later filters learn who calls.
    #[serde(default)]
    pub identity: IdentityConfig,
    /// How old the table may become. Without it a table serves for ever.
    #[serde(default)]
    pub staleness: Option<Staleness>,
    /// How a key that the table does not know waits for the control plane's word.
    #[serde(default)]
    pub unknown_keys: UnknownKeys,
    /// How many invalid credentials a source may send.
    #[serde(default)]
    pub guessing: Limit,
    /// A path that the filter answers itself. Without it there is none.
    #[serde(default, deserialize_with = "present")]
    pub health: Option<Health>,
}

/// How to reach the control plane's sync listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPlane {
    /// Name of the Envoy cluster that leads to the sync listener.
    pub cluster: String,
    /// `:authority` of the sync requests.
    #[serde(default = "default_authority")]
    pub authority: String,
    /// How long one poll may wait for a change, in seconds, 1 to 55.
    #[serde(default = "default_wait")]
    pub wait_seconds: u32,
    /// The first pause after a failed poll, in milliseconds, 10 to 60000. It doubles with each failure, up to [`MAX_RETRY_MILLISECONDS`].
    #[serde(default = "default_retry")]
    pub retry_milliseconds: u32,
}

/// Bounds on requests that wait for the first table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hold {
    /// How long a request may wait, in milliseconds, at most 60000. 0: it does not wait.
    pub milliseconds: u32,
    /// How many requests may wait at once in a worker, at most 65536.
    pub requests: u32,
}

impl Default for Hold {
    fn default() -> Self {
        Self { milliseconds: 5_000, requests: 1_024 }
    }
}

fn default_authority() -> String {
    "keyplane".to_owned()
}

fn default_wait() -> u32 {
    25
}

fn default_retry() -> u32 {
    500
}

/// The longest pause between two polls that fail.
pub const MAX_RETRY_MILLISECONDS: u64 = 10_000;

/// Why a configuration is refused: the field's path and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    path: String,
    message: String,
}

impl ConfigError {
    pub(crate) fn new(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" | "." => write!(f, "the plugin configuration is wrong: {}", self.message),
            path => write!(f, "the plugin configuration is wrong at `{path}`: {}", self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Parses and checks the bytes that the host hands over.
    pub fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        if json.iter().all(u8::is_ascii_whitespace) {
            return Err(ConfigError::new("", "it is empty; at least `control_plane.cluster` is needed"));
        }
        let mut reader = serde_json::Deserializer::from_slice(json);
        let config: Self = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| ConfigError::new(&error.path().to_string(), error.inner().to_string()))?;
        reader.end().map_err(|error| ConfigError::new("", error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let ControlPlane { cluster, authority, wait_seconds, retry_milliseconds } = &self.control_plane;
        if cluster.is_empty() {
            return Err(ConfigError::new("control_plane.cluster", "it is empty; name an Envoy cluster"));
        }
        if authority.is_empty() || !authority.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError::new("control_plane.authority", "it must be a host name, with a port if need be"));
        }
        in_range("control_plane.wait_seconds", *wait_seconds, 1, 55)?;
        in_range("control_plane.retry_milliseconds", *retry_milliseconds, 10, 60_000)?;
        in_range("hold.milliseconds", self.hold.milliseconds, 0, 60_000)?;
        in_range("hold.requests", self.hold.requests, 0, 65_536)?;
        self.staleness.map_or(Ok(()), |staleness| staleness.check(*wait_seconds))?;
        self.unknown_keys.check()?;
        self.guessing.check()?;
        self.health.as_ref().map_or(Ok(()), Health::check)?;
        self.answers.check()
    }
}

pub(crate) fn in_range(path: &str, value: u32, least: u32, most: u32) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(ConfigError::new(path, format!("{value} is out of range; it must be {least} to {most}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use proptest::prelude::*;

    fn error(json: &str) -> String {
        Config::parse(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_cluster_name_is_enough() {
        let config = Config::parse(br#"{"control_plane": {"cluster": "keyplane"}}"#).unwrap();
        assert_eq!(config.control_plane.wait_seconds, 25);
        assert_eq!(config.hold, Hold { milliseconds: 5_000, requests: 1_024 });
        assert!(!config.forward_credential);
        assert_eq!(config.answers, OwnAnswers::default());
    }

    #[test]
    fn a_wrong_field_is_named_by_its_path() {
        assert!(error("").contains("it is empty"));
        assert!(error(r#"{"control_plane": {"cluster": "k", "clusterr": 1}}"#).contains("`control_plane.clusterr`"));
        assert!(error(r#"{"control_plane": {"cluster": 5}}"#).contains("`control_plane.cluster`"));
        assert!(error(r#"{"control_plane": {"cluster": ""}}"#).contains("`control_plane.cluster`"));
        assert!(error(r#"{"control_plane": {}}"#).contains("missing field `cluster`"));
        assert!(error(r#"{"controlplane": {"cluster": "k"}}"#).contains("controlplane"));
        let many = r#"{"control_plane": {"cluster": "k"}, "hold": {"requests": 70000}}"#;
        assert!(error(many).contains("`hold.requests`: 70000 is out of range; it must be 0 to 65536"));
        assert!(error(r#"{"control_plane": {"cluster": "k", "wait_seconds": 0}}"#).contains("wait_seconds"));
        assert!(error(r#"{"control_plane": {"cluster": "k", "authority": "a b"}}"#).contains("authority"));
        assert!(error(r#"{"control_plane": {"cluster": "k"}} x"#).contains("trailing"));
        assert!(error("{").contains("EOF"));
        for (part, named) in [
            (r#""staleness": {}"#, "max_seconds"),
            (r#""staleness": {"max_seconds": 30}"#, "`staleness.max_seconds`: 30 is out of range; it must be 31 to"),
            (r#""staleness": {"max_seconds": 60, "then": "open"}"#, "`staleness.then`"),
            (r#""unknown_keys": {"wait_milliseconds": 10001}"#, "`unknown_keys.wait_milliseconds`"),
            (r#""unknown_keys": {"requests": 1025}"#, "`unknown_keys.requests`"),
            (r#""guessing": {"failures": 65537}"#, "`guessing.failures`"),
            (r#""guessing": {"seconds": 0}"#, "`guessing.seconds`"),
            (r#""guessing": {"minutes": 1}"#, "`guessing.minutes`"),
        ] {
            let error = error(&format!(r#"{{"control_plane": {{"cluster": "k"}}, {part}}}"#));
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn every_example_of_the_page_about_settings_is_taken() {
        let page = include_str!("../../../docs/filter.md");
        let examples: Vec<_> = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        let least = Config::parse(br#"{"control_plane": {"cluster": "keyplane"}}"#).unwrap();
        for (index, example) in examples.iter().enumerate() {
            // Those that show one part leave out what has to be there.
            let part = example.replacen('{', r#"{"control_plane": {"cluster": "keyplane"}, "#, 1);
            let whole = if example.contains("control_plane") { *example } else { &part };
            let config = Config::parse(whole.as_bytes()).unwrap_or_else(|error| panic!("{error}: {example}"));
            assert_ne!(config, least, "{example}");
            // The first one shows the defaults, and what an own answer looks like.
            if index == 0 {
                assert_eq!(Config { answers: OwnAnswers::default(), ..config.clone() }, least);
            }
            Settings::compile(config).unwrap_or_else(|error| panic!("{error}: {example}"));
        }
        assert!(examples.len() > 3);
    }

    proptest! {
        #[test]
        fn no_input_makes_the_parser_panic(bytes: Vec<u8>) {
            let _ = Config::parse(&bytes);
        }
    }
}
