//! `keyplane accounts`

use super::receipt::Wait;
use super::{Remote, Row, first, when};
use crate::cli::Failure;
use clap::Subcommand;
use keyplane_sdk::{Account, AccountId, AccountStatus, CreateAccount, ListAccounts, UpdateAccount};

/// Create, show, change and suspend accounts
#[derive(clap::Args, Debug)]
pub struct Accounts {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Create an account
    Create {
        /// Decides how many keys a project may have; without it the default plan
        #[arg(long)]
        plan: Option<String>,
        /// Its name
        name: String,
    },
    /// Show one account
    Get {
        /// Its id
        id: AccountId,
    },
    /// Change an account's name or plan, suspend it or let it go on
    Update {
        /// Its id
        id: AccountId,
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        wait: Wait,
    },
    /// List accounts, newest first
    List {
        /// How many at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
}

#[derive(clap::Args, Debug)]
#[group(required = true, multiple = true)]
struct Change {
    /// The new name
    #[arg(long)]
    name: Option<String>,
    /// The new plan; keys beyond a lower cap work on
    #[arg(long)]
    plan: Option<String>,
    /// Have every proxy refuse all its keys, and let nobody of it call
    #[arg(long, conflicts_with = "resume")]
    suspend: bool,
    /// Let a suspended account go on
    #[arg(long)]
    resume: bool,
}

impl From<Change> for UpdateAccount {
    fn from(change: Change) -> Self {
        let mut update = Self::new();
        if let Some(name) = change.name {
            update = update.name(name);
        }
        if let Some(plan) = change.plan {
            update = update.plan(plan);
        }
        if change.suspend {
            update = update.status(AccountStatus::Suspended);
        }
        if change.resume {
            update = update.status(AccountStatus::Active);
        }
        update
    }
}

impl Row for Account {
    const COLUMNS: &'static [&'static str] = &["ID", "NAME", "PLAN", "STATUS", "CREATED"];

    fn cells(&self) -> Vec<String> {
        let plan = self.plan.clone().unwrap_or_default();
        vec![self.id.to_string(), self.name.clone(), plan, self.status.to_string(), when(Some(self.created_at))]
    }
}

impl Accounts {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let Self { command, remote } = self;
        remote.run(async |client, show| match command {
            Command::Create { plan, name } => {
                let mut new = CreateAccount::new(name);
                if let Some(plan) = plan {
                    new = new.plan(plan);
                }
                show.one(&client.accounts().create(&new).await?)
            }
            Command::Update { id, change, wait } => {
                let done = if change.suspend { "Its keys are refused by" } else { "Known to" };
                let mut update = UpdateAccount::from(change);
                if let Some(wait) = wait.wait {
                    update = update.wait(wait);
                }
                show.changed(&client.accounts().update(id, &update).await?, done)
            }
            Command::Get { id } => show.one(&client.accounts().get(id).await?),
            Command::List { limit } => show.many(&first(client.accounts().all(ListAccounts::new()), limit).await?),
        })
    }
}
