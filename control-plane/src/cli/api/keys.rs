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

/// Create, show, change, rotate, switch off and revoke keys
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
    #[command(after_help = "\
Examples:
  keyplane keys create --project $project \"build server\"
  keyplane keys create --project $project --scope files:read --expires-at 90d \"night job\"")]
    Create {
        /// Id of its project, as `projects list` shows it
        #[arg(long, value_name = "ID")]
        project: ProjectId,
        /// Decides its prefix; services and rules may take keys of one environment only
        #[arg(long, value_enum, default_value = "live")]
        environment: EnvironmentName,
        /// What it may do; may be given several times
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// A network from which it may be used, such as 203.0.113.0/24; may be given several times. Without any, from everywhere
        #[arg(long = "cidr", value_name = "NETWORK")]
        cidrs: Vec<String>,
        /// When it ends: 30d for in thirty days, a date (2030-01-15, UTC), or a time. Without it never
        #[arg(long, alias = "expires", value_name = "TIME", value_parser = ahead)]
        expires_at: Option<jiff::Timestamp>,
        /// Its name
        name: String,
    },
    /// Show one key
    Get {
        /// Id of the key, as `keys list` shows it
        id: KeyId,
    },
    /// List keys, newest first
    List {
        /// Only those of this project
        #[arg(long, value_name = "ID")]
        project: Option<ProjectId>,
        /// Only those of this environment
        #[arg(long, value_enum)]
        environment: Option<EnvironmentName>,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Give a key another name
    Rename {
        /// Id of the key, as `keys list` shows it
        id: KeyId,
        /// The new name
        name: String,
    },
    /// Change what a key may do, from where and until when; what is not named stays
    #[command(
        override_usage = "keyplane keys update [OPTIONS] <ID>",
        after_help = "\
Examples:
  keyplane keys update $key --scope files:read --scope files:write
  keyplane keys update $key --cidr 203.0.113.0/24 --wait 5s
  keyplane keys update $key --any-network --never-expires"
    )]
    Update {
        /// Id of the key, as `keys list` shows it
        id: KeyId,
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        wait: Wait,
    },
    /// Replace a key by a new one, which is printed this once; the old one works on for a while
    #[command(after_help = "\
Examples:
  keyplane keys rotate $key                                    the old key works 24 hours more
  keyplane keys rotate $key --retire-when-idle 48 --grace 30d  until unused for 48 hours, or 30 days
  keyplane keys rotate $key --grace 0s --wait 5s               not at all: the old key is revoked")]
    Rotate {
        /// Id of the key, as `keys list` shows it
        id: KeyId,
        /// How long the old key works on at most, such as 1h or 7d; 0s revokes it at once. Without this and --retire-when-idle: 24h
        #[arg(long, value_name = "TIME", value_parser = length)]
        grace: Option<Duration>,
        /// Have the old key revoked by itself once no proxy has seen it for so many hours
        #[arg(long, value_name = "HOURS")]
        retire_when_idle: Option<u64>,
        #[command(flatten)]
        wait: Wait,
    },
    /// Show from which addresses a rotated key is still used, so that its users can be found
    #[command(after_help = "Example:\n  keyplane keys sources $key     the id of the old key")]
    Sources {
        /// Id of the key, as `keys list` shows it
        id: KeyId,
    },
    /// Switch a key off: proxies refuse it until it is switched on again
    #[command(after_help = "Example:\n  keyplane keys disable $key --wait 5s     ends when the proxies refuse it")]
    Disable {
        /// Id of the key, as `keys list` shows it
        id: KeyId,
        #[command(flatten)]
        wait: Wait,
    },
    /// Switch a key on again
    Enable {
        /// Id of the key, as `keys list` shows it
        id: KeyId,
        #[command(flatten)]
        wait: Wait,
    },
    /// Revoke a key: at once, and for good
    #[command(after_help = "\
Example:
  keyplane keys revoke $key --reason \"found in a public repository\" --wait 5s

Prints how many proxies refuse the key, and names those that lag. They refuse it as soon as they hear of it.")]
    Revoke {
        /// Id of the key, as `keys list` shows it
        id: KeyId,
        /// Why; kept with the key and in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        wait: Wait,
    },
}

#[derive(clap::Args, Debug)]
#[group(required = true, multiple = true)]
struct Change {
    /// Its new name
    #[arg(long)]
    name: Option<String>,
    /// What it may do, in place of all that it may; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Take all its scopes away
    #[arg(long, conflicts_with = "scopes")]
    no_scopes: bool,
    /// A network from which it may be used, in place of all that there are; may be given several times
    #[arg(long = "cidr", value_name = "NETWORK")]
    cidrs: Vec<String>,
    /// Let it be used from everywhere
    #[arg(long, conflicts_with = "cidrs")]
    any_network: bool,
    /// When it ends: 30d for in thirty days, a date (2030-01-15, UTC), or a time
    #[arg(long, value_name = "TIME", value_parser = ahead)]
    expires_at: Option<jiff::Timestamp>,
    /// It does not end
    #[arg(long, conflicts_with = "expires_at")]
    never_expires: bool,
}

impl From<Change> for UpdateKey {
    fn from(change: Change) -> Self {
        let mut update = Self::new();
        if let Some(name) = change.name {
            update = update.name(name);
        }
        if change.no_scopes || !change.scopes.is_empty() {
            update = update.scopes(change.scopes);
        }
        if change.any_network || !change.cidrs.is_empty() {
            update = update.allowed_cidrs(change.cidrs);
        }
        if let Some(at) = change.expires_at {
            update = update.expires_at(at);
        }
        if change.never_expires {
            update = update.never_expires();
        }
        update
    }
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

    fn more(&self) -> Vec<(&'static str, String)> {
        let list = |texts: &[String], none: &str| if texts.is_empty() { none.to_owned() } else { texts.join(" ") };
        let mut more = vec![
            ("Project", self.project_id.to_string()),
            ("Account", self.account_id.to_string()),
            ("Environment", self.environment.to_string()),
            ("Scopes", list(&self.scopes, "none")),
            ("Networks", list(&self.allowed_cidrs, "any")),
        ];
        if !self.metadata.is_empty() {
            more.push(("Metadata", serde_json::Value::from(self.metadata.clone()).to_string()));
        }
        if let Some(id) = self.replaced_by {
            more.push(("Replaced by", id.to_string()));
        }
        if let Some(hours) = self.retire_when_idle_hours {
            more.push(("Ends", format!("once nobody has used it for {hours} hours")));
        }
        if let Some(reason) = &self.revoke_reason {
            more.push(("Revoked", format!("because: {reason}")));
        }
        more
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
            Self::Get { id } => show.in_full(&keys.get(id).await?),
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
            Self::Update { id, change, wait } => {
                let key = keys.update(id, &waiting(change.into(), wait)).await?;
                show.in_full(&key)?;
                show.receipt("Known to", key.receipt.as_ref());
                Ok(())
            }
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
            Self::Disable { id, wait } => {
                let change = waiting(UpdateKey::new().enabled(false), wait);
                show.changed(&keys.update(id, &change).await?, "Refused by")
            }
            Self::Enable { id, wait } => {
                let change = waiting(UpdateKey::new().enabled(true), wait);
                show.changed(&keys.update(id, &change).await?, "Known to")
            }
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

fn waiting(change: UpdateKey, wait: Wait) -> UpdateKey {
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
