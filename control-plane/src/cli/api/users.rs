//! `keyplane users`

use super::receipt::Wait;
use super::{Remote, Row, first, when};
use crate::cli::Failure;
use clap::{Subcommand, ValueEnum};
use keyplane_sdk::{AccountId, CreateUser, ListUsers, Role, UpdateUser, User, UserId};

/// Add, show, change and remove the people of an account
#[derive(clap::Args, Debug)]
pub struct Users {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum RoleName {
    Owner,
    Admin,
    Member,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Owner => Self::Owner,
            RoleName::Admin => Self::Admin,
            RoleName::Member => Self::Member,
        }
    }
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Add a person to an account
    #[command(
        after_help = "Example:\n  keyplane users create --account $account --email ada@example.com --role admin \"Ada Lovelace\""
    )]
    Create {
        /// Id of the account
        #[arg(long, value_name = "ID")]
        account: AccountId,
        /// Their mail address; nobody else in the account may have it. No mail is sent
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        /// What they may do in it: a member makes and changes keys and sees the rest; an admin may do everything but touch owners;
        /// an owner everything
        #[arg(long, value_enum, default_value = "member")]
        role: RoleName,
        /// Their name
        name: String,
    },
    /// Show one user
    Get {
        /// Id of the user, as `users list` shows it
        id: UserId,
    },
    /// List users, newest first
    List {
        /// Only those of this account
        #[arg(long, value_name = "ID")]
        account: Option<AccountId>,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Change a user's mail address, name or role
    Update {
        /// Id of the user, as `users list` shows it
        id: UserId,
        #[command(flatten)]
        change: Change,
    },
    /// Take a user out of the account; their personal access tokens are revoked
    #[command(
        after_help = "Example:\n  keyplane users remove $user --wait 5s     ends when the proxies refuse their tokens"
    )]
    Remove {
        /// Id of the user, as `users list` shows it
        id: UserId,
        #[command(flatten)]
        wait: Wait,
    },
}

#[derive(clap::Args, Debug)]
#[group(required = true, multiple = true)]
struct Change {
    /// The new mail address
    #[arg(long)]
    email: Option<String>,
    /// The new name
    #[arg(long)]
    name: Option<String>,
    /// What they may do from now on
    #[arg(long, value_enum)]
    role: Option<RoleName>,
}

impl From<Change> for UpdateUser {
    fn from(change: Change) -> Self {
        let mut update = Self::new();
        if let Some(email) = change.email {
            update = update.email(email);
        }
        if let Some(name) = change.name {
            update = update.name(name);
        }
        if let Some(role) = change.role {
            update = update.role(role.into());
        }
        update
    }
}

impl Row for User {
    const COLUMNS: &'static [&'static str] = &["ID", "NAME", "EMAIL", "ROLE", "CREATED", "ACCOUNT"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.name.clone(),
            self.email.clone(),
            self.role.to_string(),
            when(Some(self.created_at)),
            self.account_id.to_string(),
        ]
    }
}

impl Users {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let Self { command, remote } = self;
        remote.run(async |client, show| {
            let users = client.users();
            match command {
                Command::Create { account, email, role, name } => {
                    show.one(&users.create(&CreateUser::new(account, email, name).role(role.into())).await?)
                }
                Command::Get { id } => show.one(&users.get(id).await?),
                Command::List { account, limit } => {
                    let list = account.map_or_else(ListUsers::new, |id| ListUsers::new().account(id));
                    show.many(&first(users.all(list), limit).await?)
                }
                Command::Update { id, change } => show.one(&users.update(id, &change.into()).await?),
                Command::Remove { id, wait } => {
                    let removed = match wait.wait {
                        Some(wait) => users.remove_and_wait(id, wait).await?,
                        None => users.remove(id).await?,
                    };
                    show.changed(&removed, "Their tokens are refused by")
                }
            }
        })
    }
}
