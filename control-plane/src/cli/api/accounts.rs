//! `keyplane accounts`

use super::{Remote, Row, first, when};
use crate::cli::Failure;
use clap::Subcommand;
use keyplane_sdk::{Account, AccountId, CreateAccount, ListAccounts};

/// Create and show accounts
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
        /// Its name
        name: String,
    },
    /// Show one account
    Get {
        /// Its id
        id: AccountId,
    },
    /// List accounts, newest first
    List {
        /// How many at most
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
}

impl Row for Account {
    const COLUMNS: &'static [&'static str] = &["ID", "NAME", "CREATED"];

    fn cells(&self) -> Vec<String> {
        vec![self.id.to_string(), self.name.clone(), when(Some(self.created_at))]
    }
}

impl Accounts {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let Self { command, remote } = self;
        remote.run(async |client, show| match command {
            Command::Create { name } => show.one(&client.accounts().create(&CreateAccount::new(name)).await?),
            Command::Get { id } => show.one(&client.accounts().get(id).await?),
            Command::List { limit } => show.many(&first(client.accounts().all(ListAccounts::new()), limit).await?),
        })
    }
}
