//! `keyplane admin-keys`

use super::{Remote, Row, first, when};
use crate::cli::Failure;
use clap::{Subcommand, ValueEnum};
use keyplane_sdk::{Access, AdminKey, AdminKeyId, ListAdminKeys};

/// Create, show, rename and revoke admin keys, the operator's credentials
#[derive(clap::Args, Debug)]
pub struct AdminKeys {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, ValueEnum, Debug)]
enum AccessName {
    Read,
    Write,
}

impl From<AccessName> for Access {
    fn from(name: AccessName) -> Self {
        match name {
            AccessName::Read => Self::Read,
            AccessName::Write => Self::Write,
        }
    }
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Create an admin key and print it, this once
    #[command(after_help = "Example:\n  keyplane admin-keys create --access read prometheus")]
    Create {
        /// With read it sees everything and changes nothing; with write it may do everything
        #[arg(long, value_enum)]
        access: AccessName,
        /// Who or what holds it
        name: String,
    },
    /// List admin keys, newest first
    List {
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Give an admin key another name
    Rename {
        /// Id of the admin key, as `admin-keys list` shows it
        id: AdminKeyId,
        /// The new name
        name: String,
    },
    /// Revoke an admin key: at once, and for good. The last one with write access stays
    Revoke {
        /// Id of the admin key, as `admin-keys list` shows it
        id: AdminKeyId,
    },
}

impl Row for AdminKey {
    const COLUMNS: &'static [&'static str] = &["ID", "NAME", "KEY", "ACCESS", "STATUS", "CREATED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.name.clone(),
            self.key_prefix.clone(),
            self.access.to_string(),
            super::valid_or_revoked(self.revoked_at),
            when(Some(self.created_at)),
        ]
    }
}

impl AdminKeys {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let Self { command, remote } = self;
        remote.run(async |client, show| {
            let keys = client.admin_keys();
            match command {
                Command::Create { access, name } => {
                    let created = keys.create(name, access.into()).await?;
                    show.created(&created.key, &created.secret)
                }
                Command::List { limit } => show.many(&first(keys.all(ListAdminKeys::new()), limit).await?),
                Command::Rename { id, name } => show.one(&keys.rename(id, name).await?),
                Command::Revoke { id } => show.one(&keys.revoke(id).await?),
            }
        })
    }
}
