//! `keyplane proxy-tokens`

use super::{Remote, Row, first, when};
use crate::cli::Failure;
use clap::Subcommand;
use keyplane_sdk::{ListProxyTokens, ProxyToken, ProxyTokenId};

/// Create, show, rename and revoke proxy tokens, which proxies sync with
#[derive(clap::Args, Debug)]
pub struct ProxyTokens {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Create a proxy token and print it, this once. Two may be valid at once
    #[command(after_help = "\
Example: another token, without a proxy that misses a change
  keyplane proxy-tokens create 2030-01    restart each Envoy with it as KEYPLANE_PROXY_TOKEN; then
  keyplane proxy-tokens list              shows the id of the old one, to be revoked")]
    Create {
        /// Its name: when or for what it was made
        name: String,
    },
    /// List proxy tokens, newest first
    List {
        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// Give a proxy token another name
    Rename {
        /// Id of the proxy token, as `proxy-tokens list` shows it
        id: ProxyTokenId,
        /// The new name
        name: String,
    },
    /// Revoke a proxy token: at once, and for good. Proxies that have no other hear of no change any more
    Revoke {
        /// Id of the proxy token, as `proxy-tokens list` shows it
        id: ProxyTokenId,
    },
}

impl Row for ProxyToken {
    const COLUMNS: &'static [&'static str] = &["ID", "NAME", "TOKEN", "STATUS", "CREATED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.name.clone(),
            self.key_prefix.clone(),
            super::valid_or_revoked(self.revoked_at),
            when(Some(self.created_at)),
        ]
    }
}

impl ProxyTokens {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let Self { command, remote } = self;
        remote.run(async |client, show| {
            let tokens = client.proxy_tokens();
            match command {
                Command::Create { name } => {
                    let created = tokens.create(name).await?;
                    show.created(&created.token, &created.secret)
                }
                Command::List { limit } => show.many(&first(tokens.all(ListProxyTokens::new()), limit).await?),
                Command::Rename { id, name } => show.one(&tokens.rename(id, name).await?),
                Command::Revoke { id } => show.one(&tokens.revoke(id).await?),
            }
        })
    }
}
