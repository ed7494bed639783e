//! `keyplane tokens`: personal access tokens.

use super::receipt::Wait;
use super::time::ahead;
use super::{Remote, Row, first, when};
use crate::cli::Failure;
use clap::Subcommand;
use keyplane_sdk::{CreatePersonalToken, KeyId, ListPersonalTokens, PersonalToken, RevokeKey, UserId};

/// Create, show, rename and revoke personal access tokens, which act as their user
#[derive(clap::Args, Debug)]
pub struct Tokens {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Create a personal access token and print it, this once
    #[command(after_help = "Example:\n  keyplane tokens create --user $user --expires-at 90d laptop")]
    Create {
        /// Id of the user whose it is. Without it your own; with an admin key it must be said
        #[arg(long, value_name = "ID")]
        user: Option<UserId>,
        /// What it may do behind the proxy; may be given several times
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
    /// Show one personal access token
    Get {
        /// Id of the token, as `tokens list` shows it
        id: KeyId,
    },
    /// List personal access tokens, newest first: your own, and for an admin key all
    List {
        /// Only those of this user
        #[arg(long, value_name = "ID")]
        user: Option<UserId>,
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Give a personal access token another name
    Rename {
        /// Id of the token, as `tokens list` shows it
        id: KeyId,
        /// The new name
        name: String,
    },
    /// Revoke a personal access token: at once, and for good
    #[command(after_help = "Example:\n  keyplane tokens revoke $token --reason \"laptop lost\" --wait 5s")]
    Revoke {
        /// Id of the token, as `tokens list` shows it
        id: KeyId,
        /// Why; kept with the token and in the audit log
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        wait: Wait,
    },
}

impl Row for PersonalToken {
    const COLUMNS: &'static [&'static str] =
        &["ID", "NAME", "TOKEN", "STATUS", "CREATED", "LAST USED", "EXPIRES", "USER"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.name.clone(),
            self.key_prefix.clone(),
            self.status.to_string(),
            when(Some(self.created_at)),
            when(self.last_used_at),
            when(self.expires_at),
            self.user_id.to_string(),
        ]
    }
}

impl Tokens {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let Self { command, remote } = self;
        remote.run(async |client, show| {
            let tokens = client.personal_access_tokens();
            match command {
                Command::Create { user, scopes, cidrs, expires_at, name } => {
                    let mut new = CreatePersonalToken::new(name).scopes(scopes).allowed_cidrs(cidrs);
                    if let Some(id) = user {
                        new = new.user(id);
                    }
                    if let Some(at) = expires_at {
                        new = new.expires_at(at);
                    }
                    let created = tokens.create(&new).await?;
                    show.created(&created.token, &created.secret)
                }
                Command::List { user, limit } => {
                    let list = user.map_or_else(ListPersonalTokens::new, |id| ListPersonalTokens::new().user(id));
                    show.many(&first(tokens.all(list), limit).await?)
                }
                Command::Get { id } => show.one(&tokens.get(id).await?),
                Command::Rename { id, name } => show.one(&tokens.rename(id, name).await?),
                Command::Revoke { id, reason, wait } => {
                    let mut how = RevokeKey::new();
                    if let Some(reason) = reason {
                        how = how.reason(reason);
                    }
                    if let Some(wait) = wait.wait {
                        how = how.wait(wait);
                    }
                    show.changed(&tokens.revoke_with(id, &how).await?, "Refused by")
                }
            }
        })
    }
}
