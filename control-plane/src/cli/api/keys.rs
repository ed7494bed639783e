//! `keyplane keys`

use super::receipt::Wait;
use super::time::{ahead, length};
use super::{Remote, Row, Show, first, when};
use crate::cli::Failure;
use clap::{Subcommand, ValueEnum};
use keyplane_sdk::{
    Client, CreateKey, Environment, Key, KeyId, KeySource, KeyStatus, ListKeys, ProjectId, RevokeKey, RotateKey,
    RotatedKey, UpdateKey,
};
use serde::Serialize;
use std::time::Duration;

/// Create, show, rename, rotate, switch off and revoke keys
#[derive(clap::Args, Debug)]
pub struct Keys {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    remote: Remote,
}

/// Names of environments on the command line.
#[derive(Clone, Copy, ValueEnum, Debug)]
pub enum EnvironmentName {
    Live,
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

#[derive(Subcommand, Debug)]
enum Command {
    /// Create a key and print it, this once
    Create {
        /// Id of its project
        #[arg(long)]
        project: ProjectId,
        /// Where it is meant to be used
        #[arg(long, value_enum, default_value = "live")]
        environment: EnvironmentName,
        /// What it may do; may be given several times
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// A network from which it may be used, such as 203.0.113.0/24; may be given several times
        #[arg(long = "cidr", value_name = "NETWORK")]
        cidrs: Vec<String>,
        /// When it ends, such as 2027-01-31T00:00:00Z, or 30d for in thirty days
        #[arg(long, alias = "expires", value_name = "TIME", value_parser = ahead)]
        expires_at: Option<jiff::Timestamp>,
        /// Its name
        name: String,
    },
    /// Show one key
    Get {
        /// Its id
        id: KeyId,
    },
    /// List keys, newest first
    List {
        /// Only those of this project
        #[arg(long)]
        project: Option<ProjectId>,
        /// Only those of this environment
        #[arg(long, value_enum)]
        environment: Option<EnvironmentName>,
        /// How many at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Give a key another name
    Rename {
        /// Its id
        id: KeyId,
        /// The new name
        name: String,
    },
    /// Replace a key by a new one, which is printed this once; the old one works on for a while
    Rotate {
        /// Its id
        id: KeyId,
        /// How long the old key works on at most, such as 1h or 7d; 0s revokes it at once. Without both, 24h
        #[arg(long, value_name = "TIME", value_parser = length)]
        grace: Option<Duration>,
        /// Revoke the old key by itself once no proxy has seen it for so many hours
        #[arg(long, value_name = "HOURS")]
        retire_when_idle: Option<u64>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Show from where a rotated key is still used
    Sources {
        /// Its id
        id: KeyId,
    },
    /// Switch a key off: proxies refuse it until it is switched on again
    Disable {
        /// Its id
        id: KeyId,
        #[command(flatten)]
        wait: Wait,
    },
    /// Switch a key on again
    Enable {
        /// Its id
        id: KeyId,
        #[command(flatten)]
        wait: Wait,
    },
    /// Revoke a key: at once, and for good
    Revoke {
        /// Its id
        id: KeyId,
        /// Why; kept with the key and in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        wait: Wait,
    },
}

impl Row for Key {
    const COLUMNS: &'static [&'static str] = &["ID", "NAME", "KEY", "STATUS", "CREATED", "LAST USED", "EXPIRES"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.name.clone(),
            self.key_prefix.clone(),
            self.status.to_string(),
            when(Some(self.created_at)),
            when(self.last_used_at),
            when(self.expires_at),
        ]
    }
}

impl Row for KeySource {
    const COLUMNS: &'static [&'static str] = &["SOURCE", "REQUESTS", "FIRST SEEN", "LAST SEEN"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.source.map_or_else(|| "unknown".to_owned(), |source| source.to_string()),
            self.count.to_string(),
            when(Some(self.first_seen_at)),
            when(Some(self.last_seen_at)),
        ]
    }
}

impl Keys {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let Self { command, remote } = self;
        remote.run(async |client, show| command.run(&client, show).await)
    }
}

impl Command {
    async fn run(self, client: &Client, show: Show) -> Result<(), Failure> {
        let keys = client.keys();
        match self {
            Self::Create { project, environment, scopes, cidrs, expires_at, name } => {
                let mut new = CreateKey::new(project, environment.into(), name).scopes(scopes).allowed_cidrs(cidrs);
                if let Some(at) = expires_at {
                    new = new.expires_at(at);
                }
                let created = keys.create(&new).await?;
                show.created(&created.key, &created.secret)
            }
            Self::Get { id } => show.one(&keys.get(id).await?),
            Self::List { project, environment, limit } => {
                let mut list = ListKeys::new();
                if let Some(id) = project {
                    list = list.project(id);
                }
                if let Some(name) = environment {
                    list = list.environment(name.into());
                }
                show.many(&first(keys.all(list), limit).await?)
            }
            Self::Rename { id, name } => show.one(&keys.rename(id, name).await?),
            Self::Rotate { id, grace, retire_when_idle, wait } => {
                let mut how = RotateKey::new();
                if let Some(grace) = grace {
                    how = how.grace_seconds(grace.as_secs());
                }
                if let Some(hours) = retire_when_idle {
                    how = how.retire_when_idle_hours(hours);
                }
                if let Some(wait) = wait.wait {
                    how = how.wait(wait);
                }
                let RotatedKey { key, secret, replaces, grace_ends_at, .. } = keys.rotate(id, &how).await?;
                let rotated = Rotated { key, replaces, grace_ends_at };
                show.created(&rotated, &secret)?;
                if !show.json {
                    println!("{}", handover(&rotated));
                }
                show.receipt("Known to", rotated.key.receipt.as_ref());
                Ok(())
            }
            Self::Sources { id } => {
                let sources = keys.sources(id).await?;
                if sources.is_empty() && !show.json {
                    println!(
                        "No use since its rotation was reported. Addresses of a key that was not rotated are not kept."
                    );
                    return Ok(());
                }
                show.many(&sources)
            }
            Self::Disable { id, wait } => show.changed(&keys.update(id, &switch(false, wait)).await?, "Refused by"),
            Self::Enable { id, wait } => show.changed(&keys.update(id, &switch(true, wait)).await?, "Known to"),
            Self::Revoke { id, reason, wait } => {
                let mut how = RevokeKey::new();
                if let Some(reason) = reason {
                    how = how.reason(reason);
                }
                if let Some(wait) = wait.wait {
                    how = how.wait(wait);
                }
                show.changed(&keys.revoke_with(id, &how).await?, "Refused by")
            }
        }
    }
}

fn switch(on: bool, wait: Wait) -> UpdateKey {
    let change = UpdateKey::new().enabled(on);
    match wait.wait {
        Some(wait) => change.wait(wait),
        None => change,
    }
}

/// What a rotation answers with, but for the secret.
#[derive(Serialize)]
struct Rotated {
    #[serde(flatten)]
    key: Key,
    replaces: Key,
    grace_ends_at: Option<jiff::Timestamp>,
}

impl Row for Rotated {
    const COLUMNS: &'static [&'static str] = Key::COLUMNS;

    fn cells(&self) -> Vec<String> {
        self.key.cells()
    }
}

/// Says how long the old key works on, and how to see who still uses it.
fn handover(rotated: &Rotated) -> String {
    let old = &rotated.replaces;
    if old.status == KeyStatus::Revoked {
        return "The old key is revoked.".to_owned();
    }
    let until = match (rotated.grace_ends_at, old.retire_when_idle_hours) {
        (Some(end), None) => format!("until {}", when(Some(end))),
        (None, Some(hours)) => format!("until nobody has used it for {hours} hours"),
        (Some(end), Some(hours)) => {
            format!("until nobody has used it for {hours} hours, and until {} at the latest", when(Some(end)))
        }
        (None, None) => "on".to_owned(),
    };
    format!("The old key works {until}. Who still uses it: keyplane keys sources {}", old.id)
}
