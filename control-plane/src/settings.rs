//! Settings of `keyplane serve`: defaults, then `keyplane.toml`, then `KEYPLANE_*`, then the command line.
//!
//! A wrong value is refused with its source. An unknown name in the file is refused too; an unknown `KEYPLANE_*` variable is
//! only warned of, because other tools of the same name bring theirs (Kubernetes sets `KEYPLANE_PORT` in each pod
//! beside a service called `keyplane`).
//!
//! Secrets are no settings: `KEYPLANE_ADMIN_KEY` and `KEYPLANE_PROXY_TOKEN` are read apart from these, so that printing the settings
//! can never print them.

use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Prefix of the environment variables.
const PREFIX: &str = "KEYPLANE_";
/// Name of the settings file in the data folder.
const FILE: &str = "keyplane.toml";

/// Names of the settings, in the file; in the environment in upper case after `KEYPLANE_`.
const NAMES: [&str; 5] = ["data_dir", "listen", "sync_listen", "revoked_retention", "log"];
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
    /// How long a revoked key stays in the feed, such as `7d`.
    pub revoked_retention: Retention,
    /// What is logged, as a `tracing` filter: `info`, `keyplane=debug`.
    pub log: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("keyplane-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            sync_listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            revoked_retention: Retention(Duration::from_hours(7 * 24)),
            log: "info".to_owned(),
        }
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
    let environment = || Env::prefixed(PREFIX).only(&NAMES);
    // The data folder decides where the file is, so it cannot come from that file.
    let folder = overrides
        .data_dir
        .clone()
        .or_else(|| environment().iter().find(|(name, _)| name == "data_dir").map(|(_, value)| value.into()))
        .unwrap_or_else(|| Settings::default().data_dir);
    let file = match &overrides.config {
        Some(file) if !file.is_file() => return Err(SettingsError::NoFile(file.clone())),
        Some(file) => file.clone(),
        None => folder.join(FILE),
    };
    let settings = figment(overrides, &file, environment()).extract().map_err(|errors| wrong(&errors))?;
    let unknown = Env::prefixed(PREFIX)
        .iter()
        .map(|(name, _)| name.as_str().to_ascii_lowercase())
        .filter(|name| !NAMES.contains(&name.as_str()) && !OTHER_NAMES.contains(&name.as_str()))
        .map(|name| format!("{PREFIX}{}", name.to_ascii_uppercase()))
        .collect();
    Ok((settings, unknown))
}

fn figment(overrides: &Overrides, file: &Path, environment: Env) -> Figment {
    let mut figment = Figment::from(Serialized::defaults(Settings::default()));
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
            let source = error.metadata.as_ref().map_or_else(
                || "the defaults".to_owned(),
                |metadata| match &metadata.source {
                    Some(source) => format!("{} ({source})", metadata.name),
                    None => metadata.name.to_string(),
                },
            );
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
        assert_eq!(settings.sync_listen, Settings::default().sync_listen);
    }

    #[test]
    fn a_wrong_setting_is_named_with_its_source() {
        let unknown = extract("lisen = '127.0.0.1:2'").unwrap_err();
        assert!(unknown.contains("lisen") && unknown.contains("keyplane.toml"), "{unknown}");
        let wrong = extract("revoked_retention = 'soon'").unwrap_err();
        assert!(wrong.contains("revoked_retention") && wrong.contains("keyplane.toml"), "{wrong}");
        assert!(wrong.contains("such as 7d"), "{wrong}");
    }
}
