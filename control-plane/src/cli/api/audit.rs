//! `keyplane audit`

use super::time::ago;
use super::{Remote, Row, first, when};
use crate::cli::Failure;
use keyplane_sdk::{AccountId, AuditEntry, ListAudit};

/// Show who did what to which object, newest first
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  keyplane audit --since 24h
  keyplane audit --object $key                      the life of one key
  keyplane audit --actor-kind admin_key --since 7d  what the operators did
  keyplane audit --all --json > audit.ndjson        everything, one entry a line")]
pub struct Audit {
    /// Only what was done to the object of this id
    #[arg(long, value_name = "ID")]
    object: Option<String>,
    /// Only what was done to objects of this kind, such as account, project, key, user, `admin_key` or `proxy_token`
    #[arg(long, value_name = "KIND")]
    object_kind: Option<String>,
    /// Only what the key, admin key or user of this id did
    #[arg(long, value_name = "ID")]
    actor: Option<String>,
    /// Only what such actors did: `admin_key`, key, user or system
    #[arg(long, value_name = "KIND")]
    actor_kind: Option<String>,
    /// Only this, such as key.revoke
    #[arg(long)]
    action: Option<String>,
    /// Only what belongs to this account
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Only from this time on: 24h for the last day, a date (2030-01-15, UTC), or a time (2030-01-15T10:30:00Z)
    #[arg(long, value_name = "TIME", value_parser = ago)]
    since: Option<jiff::Timestamp>,
    /// Only before this time, in the same forms
    #[arg(long, value_name = "TIME", value_parser = ago)]
    until: Option<jiff::Timestamp>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// All of them, however many
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Row for AuditEntry {
    const COLUMNS: &'static [&'static str] = &["TIME", "ACTION", "OBJECT", "NAME", "ACTOR", "ACTOR ID", "FROM"];

    fn cells(&self) -> Vec<String> {
        let text = |id: &Option<String>| id.clone().unwrap_or_default();
        vec![
            when(Some(self.at)),
            self.action.clone(),
            text(&self.object.id),
            name(&self.detail),
            self.actor.kind.clone(),
            text(&self.actor.id),
            text(&self.source),
        ]
    }
}

/// What the object was called then.
fn name(detail: &serde_json::Value) -> String {
    let text = |value: &serde_json::Value| value["name"].as_str().or(value.as_str()).map(str::to_owned);
    // Who signs in with a login elsewhere does so by its issuer.
    let issuer = || detail["issuer"].as_str().map(str::to_owned);
    text(detail).or_else(|| text(&detail["to"])).or_else(issuer).unwrap_or_default()
}

impl Audit {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let mut list = ListAudit::new().limit(200);
        if let Some(id) = self.object {
            list = list.object(id);
        }
        if let Some(kind) = self.object_kind {
            list = list.object_kind(kind);
        }
        if let Some(id) = self.actor {
            list = list.actor(id);
        }
        if let Some(kind) = self.actor_kind {
            list = list.actor_kind(kind);
        }
        if let Some(action) = self.action {
            list = list.action(action);
        }
        if let Some(id) = self.account {
            list = list.account(id);
        }
        if let Some(time) = self.since {
            list = list.from(time);
        }
        if let Some(time) = self.until {
            list = list.to(time);
        }
        let limit = if self.all { usize::MAX } else { self.limit };
        self.remote.run(async |client, show| {
            let mut entries = client.audit().all(list);
            if !show.json {
                return show.many(&first(entries, limit).await?);
            }
            // Line by line, so that an export of any length needs little memory.
            let mut shown = 0;
            while shown < limit
                && let Some(entry) = entries.next().await?
            {
                show.one(&entry)?;
                shown += 1;
            }
            Ok(())
        })
    }
}
