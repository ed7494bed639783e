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
    #[command(after_help = "Example:\n  keyplane accounts create \"Example Ltd\"")]
    Create {
        /// A plan of the setting `plans`, which says how many keys a project may have; without it the default plan
        #[arg(long)]
        plan: Option<String>,
        /// Its name
        name: String,
    },
    /// Show one account
    Get {
        /// Id of the account, as `accounts list` shows it
        id: AccountId,
    },
    /// Change an account's name or plan, suspend it or lift that
    #[command(after_help = "\
Examples:
  keyplane accounts update $account --suspend --wait 5s     ends when the proxies refuse its keys
  keyplane accounts update $account --resume")]
    Update {
        /// Id of the account, as `accounts list` shows it
        id: AccountId,
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        wait: Wait,
    },
    /// List accounts, newest first
    List {
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
}

#[derive(clap::Args, Debug)]
#[group(required = true, multiple = true)]
struct Change {
    /// The new name
    #[arg(long)]
    name: Option<String>,
    /// The new plan. If it allows fewer keys than there are, those work on, and no more can be made
    #[arg(long)]
    plan: Option<String>,
    /// Refuse all its keys and tokens, at every proxy and at the API, until it is resumed
    #[arg(long, conflicts_with = "resume")]
    suspend: bool,
    /// Lift a suspension: its keys work again
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
