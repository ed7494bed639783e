//! Settings of `keyplane serve`: defaults, then `keyplane.toml`, then `KEYPLANE_*`, then the command line.
//!
//! The defaults are the file `default.toml`, compiled in: at once the first layer and the manual, so that neither can be
//! wrong about the other. A new setting is a field here and an entry there.
//!
//! A wrong value is refused with its source. An unknown name in the file is refused too; an unknown `KEYPLANE_*` variable is
//! only warned of, because other tools of the same name bring theirs (Kubernetes sets `KEYPLANE_PORT` in each pod
//! beside a service called `keyplane`).
//!
//! Secrets are no settings: `KEYPLANE_ADMIN_KEY` and `KEYPLANE_PROXY_TOKEN` are read apart from these, so that printing the settings
//! can never print them.

use crate::domain::plan::Cap;
use crate::jwt::JwtSettings;
use figment::providers::{Env, Format as _, Serialized, Toml};
use figment::{Figment, Metadata};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Prefix of the environment variables.
const PREFIX: &str = "KEYPLANE_";
/// Name of the settings file in the data folder.
const FILE: &str = "keyplane.toml";

/// Every setting with its default and what it means, as a settings file.
pub const DEFAULTS: &str = include_str!("default.toml");

/// Variables that are read elsewhere: the first credentials, the file's place, and what clients use.
const OTHER_NAMES: [&str; 5] = ["admin_key", "proxy_token", "config", "api_key", "url"];

/// The settings.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The folder of the database.
    pub data_dir: PathBuf,
    /// Address of the management listener.
    pub listen: SocketAddr,
    /// Address of the sync listener.
    pub sync_listen: SocketAddr,
    /// Certificate chain of the management listener, in PEM.
    pub tls_cert: OptionalFile,
    /// The key of `tls_cert`, in PEM.
    pub tls_key: OptionalFile,
    /// Certificate chain of the sync listener, in PEM.
    pub sync_tls_cert: OptionalFile,
    /// The key of `sync_tls_cert`, in PEM.
    pub sync_tls_key: OptionalFile,
    /// Who the certificates of proxies must be from, in PEM. With it a proxy without one is refused.
    pub sync_client_ca: OptionalFile,
    /// The most connections of each listener at once.
    pub max_connections: NonZeroU32,
    /// Files of the filter that proxies may fetch; without any, the one beside the program.
    pub filter_modules: Vec<PathBuf>,
    /// How long a revoked key stays in the feed, such as `7d`.
    pub revoked_retention: Retention,
    /// How long usage is kept by the day, such as `400d`.
    pub usage_retention: Retention,
    /// How long usage is kept by the hour too, such as `14d`.
    pub usage_hourly_retention: Retention,
    /// How long answers to requests with an `Idempotency-Key` are kept, such as `24h`.
    pub idempotency_retention: Retention,
    /// The plans: how many keys a project may have.
    pub plans: BTreeMap<String, Cap>,
    /// The plan of accounts that are made without one.
    pub default_plan: String,
    /// Names of the metadata of keys that proxies are told.
    pub proxy_metadata: Vec<String>,
    /// What personal access tokens begin with.
    pub personal_token_prefix: String,
    /// How long a session of the dashboard lasts without a use, such as `1h`.
    pub session_idle_limit: Retention,
    /// How long a session of the dashboard lasts at all, such as `12h`.
    pub session_limit: Retention,
    /// An address behind a proxy that takes keys, which the dashboard shows beside a new one.
    pub try_url: String,
    /// Whose JWTs are taken.
    pub jwt: JwtSettings,
    /// What is logged, as a `tracing` filter: `info`, `keyplane=debug`.
    pub log: String,
}

/// The path of a file; the empty text is none.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(from = "String", into = "String")]
pub struct OptionalFile(pub Option<PathBuf>);

impl From<String> for OptionalFile {
    fn from(text: String) -> Self {
        Self((!text.is_empty()).then(|| text.into()))
    }
}

impl From<OptionalFile> for String {
    fn from(file: OptionalFile) -> Self {
        // It was made from text.
        file.0.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// A length of time, written as a whole number with a unit: `90s`, `15m`, `12h`, `7d`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Retention(pub Duration);

impl TryFrom<String> for Retention {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const HELP: &str = "must be a whole number with a unit s, m, h or d, such as 7d";
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(HELP)?;
        let seconds: u64 = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return Err(HELP),
        };
        let number: u32 = number.parse().map_err(|_| HELP)?;
        Ok(Self(Duration::from_secs(u64::from(number) * seconds)))
    }
}

impl From<Retention> for String {
    fn from(retention: Retention) -> Self {
        format!("{}s", retention.0.as_secs())
    }
}

/// What the command line says; `None` leaves it to the other sources.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// The settings file; without it `keyplane.toml` in the data folder, if it is there.
    pub config: Option<PathBuf>,
    /// See [`Settings::data_dir`].
    pub data_dir: Option<PathBuf>,
    /// See [`Settings::listen`].
    pub listen: Option<SocketAddr>,
    /// See [`Settings::sync_listen`].
    pub sync_listen: Option<SocketAddr>,
}

/// The settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file that was asked for is not there.
    #[error("there is no settings file {}", .0.display())]
    NoFile(PathBuf),
    /// A value is wrong.
    #[error("{0}")]
    Wrong(String),
}

/// Reads the settings; gives the unknown `KEYPLANE_*` variables too, to be warned of.
pub fn load(overrides: &Overrides) -> Result<(Settings, Vec<String>), SettingsError> {
    let names = names()?;
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let environment = || Env::prefixed(PREFIX).only(&known);
    // The data folder decides where the file is, so it cannot come from that file.
    let folder = Figment::from(Toml::string(DEFAULTS))
        .merge(environment())
        .extract_inner::<PathBuf>("data_dir")
        .map_err(|errors| wrong(&errors))?;
    let folder = overrides.data_dir.clone().unwrap_or(folder);
    let file = match &overrides.config {
        Some(file) if !file.is_file() => return Err(SettingsError::NoFile(file.clone())),
        Some(file) => file.clone(),
        None => folder.join(FILE),
    };
    let settings = figment(overrides, &file, environment()).extract().map_err(|errors| wrong(&errors))?;
    let unknown = Env::prefixed(PREFIX)
        .iter()
        .map(|(name, _)| name.as_str().to_ascii_lowercase())
        .filter(|name| !names.contains(name) && !OTHER_NAMES.contains(&name.as_str()))
        .map(|name| format!("{PREFIX}{}", name.to_ascii_uppercase()))
        .collect();
    Ok((settings, unknown))
}

/// Names of the settings, in the file; in the environment in upper case after `KEYPLANE_`.
fn names() -> Result<Vec<String>, SettingsError> {
    let defaults: figment::value::Dict =
        Figment::from(Toml::string(DEFAULTS)).extract().map_err(|errors| wrong(&errors))?;
    Ok(defaults.into_keys().collect())
}

fn figment(overrides: &Overrides, file: &Path, environment: Env) -> Figment {
    let mut figment = Figment::from(Toml::string(DEFAULTS));
    if file.is_file() {
        figment = figment.merge(Toml::file_exact(file));
    }
    figment = figment.merge(environment);
    if let Some(data_dir) = &overrides.data_dir {
        figment = figment.merge(Serialized::default("data_dir", data_dir));
    }
    if let Some(listen) = overrides.listen {
        figment = figment.merge(Serialized::default("listen", listen));
    }
    if let Some(sync_listen) = overrides.sync_listen {
        figment = figment.merge(Serialized::default("sync_listen", sync_listen));
    }
    figment
}

/// One line for each wrong setting: its name, what is wrong, and where it was set.
fn wrong(errors: &figment::Error) -> SettingsError {
    let lines: Vec<_> = errors
        .clone()
        .into_iter()
        .map(|error| {
            let source = match error.metadata.as_ref() {
                Some(metadata) if metadata.name.contains("environment variable") => {
                    format!("the environment variable {PREFIX}{}", error.path.join("_").to_ascii_uppercase())
                }
                // Serialized overrides; the parser of the command line has checked them.
                Some(Metadata { name, source: Some(figment::Source::Code(_)), .. }) => {
                    format!("the command line ({name})")
                }
                Some(Metadata { name, source: Some(source), .. }) => format!("{name} ({source})"),
                _ => "the defaults".to_owned(),
            };
            let path = error.path.join(".");
            if path.is_empty() {
                format!("{} in {source}", error.kind)
            } else {
                format!("setting `{path}` in {source}: {}", error.kind)
            }
        })
        .collect();
    SettingsError::Wrong(lines.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extract(file: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, file).unwrap();
        let overrides = Overrides { listen: Some("127.0.0.1:1".parse().unwrap()), ..Overrides::default() };
        figment(&overrides, &path, Env::prefixed("KEYPLANE_TEST_NOTHING_"))
            .extract()
            .map_err(|errors| wrong(&errors).to_string())
    }

    #[test]
    fn the_command_line_outranks_the_file_and_the_file_the_defaults() {
        let settings = extract("listen = '127.0.0.1:2'\nrevoked_retention = '90s'").unwrap();
        assert_eq!(settings.listen.port(), 1);
        assert_eq!(settings.revoked_retention.0, Duration::from_secs(90));
        assert_eq!(settings.sync_listen.port(), 8081);
    }

    #[test]
    fn the_defaults_hold_every_setting_under_a_comment() {
        let settings = extract("").unwrap();
        let serde_json::Value::Object(fields) = serde_json::to_value(settings).unwrap() else { panic!("no object") };
        assert_eq!(names().unwrap(), fields.keys().cloned().collect::<Vec<_>>());
        for name in fields.keys() {
            let place = DEFAULTS.find(&format!("\n{name} = ")).unwrap_or_else(|| panic!("{name} has no default"));
            let above = DEFAULTS[..place].lines().last().unwrap();
            assert!(above.starts_with("# "), "{name} has no comment");
        }
    }

    #[test]
    fn a_wrong_setting_is_named_with_its_source() {
        let unknown = extract("lisen = '127.0.0.1:2'").unwrap_err();
        assert!(unknown.contains("lisen") && unknown.contains("keyplane.toml"), "{unknown}");
        let wrong = extract("revoked_retention = 'soon'").unwrap_err();
        assert!(wrong.contains("revoked_retention") && wrong.contains("keyplane.toml"), "{wrong}");
        assert!(wrong.contains("such as 7d"), "{wrong}");
    }

    #[test]
    fn the_settings_in_the_guide_to_jwts_are_accepted() {
        let guide = include_str!("../../docs/jwt.md");
        let blocks: Vec<_> = guide.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert_eq!(blocks.len(), 3);
        for block in blocks {
            let settings = extract(block).unwrap();
            assert_eq!(settings.jwt.issuers.len(), 1);
            settings.jwt.validate().unwrap();
        }
    }
}
