//! `keyplane keys`

use super::{Remote, Row, Show, first, when};
use crate::cli::Failure;
use clap::{Subcommand, ValueEnum};
use keyplane_sdk::{Client, CreateKey, CreatedKey, Environment, Key, KeyId, ListKeys, ProjectId};

/// Create, show, rename and revoke keys
#[derive(clap::Args, Debug)]
pub struct Keys {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum EnvironmentName {
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
        /// When it ends, such as 2027-01-31T00:00:00Z
        #[arg(long, value_name = "TIME")]
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
    /// Revoke a key: at once, and for good
    Revoke {
        /// Its id
        id: KeyId,
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
            Self::Create { project, environment, scopes, expires_at, name } => {
                let mut new = CreateKey::new(project, environment.into(), name).scopes(scopes);
                if let Some(at) = expires_at {
                    new = new.expires_at(at);
                }
                show_created(show, &keys.create(&new).await?)
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
            Self::Revoke { id } => show.one(&keys.revoke(id).await?),
        }
    }
}

/// The only output of the command line that carries a key.
fn show_created(show: Show, created: &CreatedKey) -> Result<(), Failure> {
    let secret = created.secret.expose();
    if show.json {
        let mut object = serde_json::to_value(&created.key)?;
        object["key"] = secret.into();
        println!("{object}");
    } else {
        show.one(&created.key)?;
        println!("\n{secret}\n\nKeep it now: it is not shown again.");
    }
    Ok(())
}
