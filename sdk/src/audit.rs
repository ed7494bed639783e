//! The audit log: `/v1/audit`.

use crate::error::Error;
use crate::id::AccountId;
use crate::page::{Page, Pager, Range, one_page};
use crate::transport::Transport;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const PATH: &[&str] = &["v1", "audit"];

/// Looking into the audit log; see [`Client::audit`](crate::Client::audit).
#[derive(Clone, Copy)]
pub struct Audit<'a> {
    pub(crate) transport: &'a Arc<Transport>,
}

impl Audit<'_> {
    /// One page of entries, the newest first.
    pub async fn list(self, list: ListAudit) -> Result<Page<AuditEntry>, Error> {
        one_page(self.transport, PATH, list.into()).await
    }

    /// All entries of the list, the newest first, read page by page.
    ///
    /// ```no_run
    /// # async fn run(client: keyplane_sdk::Client, key: keyplane_sdk::KeyId) -> Result<(), keyplane_sdk::Error> {
    /// use keyplane_sdk::ListAudit;
    ///
    /// let mut entries = client.audit().all(ListAudit::new().object(key.to_string()));
    /// while let Some(entry) = entries.next().await? {
    ///     println!("{} {} {:?}", entry.at, entry.action, entry.actor.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn all(self, list: ListAudit) -> Pager<AuditEntry> {
        Pager::new(Arc::clone(self.transport), PATH, list.into())
    }
}

/// Who did what to which object, from where, when.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditEntry {
    /// The entry's number.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Who acted: `admin_key`, `key`, `user` or `system`, which is Keyplane itself.
    pub actor: AuditParty,
    /// What was done, such as `key.revoke`.
    pub action: String,
    /// To what it was done.
    pub object: AuditParty,
    /// The account that the object belongs to; `None` for the operator's own.
    pub account_id: Option<AccountId>,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// The address that the request came from, where it is known and may be told.
    pub source: Option<String>,
    /// What changed.
    pub detail: serde_json::Value,
}

/// Who acted, or to what it was done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AuditParty {
    /// What it is, such as `key`.
    pub kind: String,
    /// Which one; `None` for Keyplane itself.
    pub id: Option<String>,
}

/// Which entries to list, and how many at a time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListAudit {
    object_id: Option<String>,
    object_kind: Option<String>,
    actor_id: Option<String>,
    actor_kind: Option<String>,
    action: Option<String>,
    account_id: Option<AccountId>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl ListAudit {
    /// All that the credential may see, in pages of the server's usual size.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only what was done to the object of this id.
    #[must_use]
    pub fn object(mut self, id: impl Into<String>) -> Self {
        self.object_id = Some(id.into());
        self
    }

    /// Only what was done to objects of this kind, such as `key`.
    #[must_use]
    pub fn object_kind(mut self, kind: impl Into<String>) -> Self {
        self.object_kind = Some(kind.into());
        self
    }

    /// Only what the key, admin key or user of this id did.
    #[must_use]
    pub fn actor(mut self, id: impl Into<String>) -> Self {
        self.actor_id = Some(id.into());
        self
    }

    /// Only what such actors did, such as `admin_key`.
    #[must_use]
    pub fn actor_kind(mut self, kind: impl Into<String>) -> Self {
        self.actor_kind = Some(kind.into());
        self
    }

    /// Only this, such as `key.revoke`.
    #[must_use]
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Only what belongs to this account.
    #[must_use]
    pub fn account(mut self, id: AccountId) -> Self {
        self.account_id = Some(id);
        self
    }

    /// Only from this time on.
    #[must_use]
    pub fn from(mut self, time: Timestamp) -> Self {
        self.from = Some(time);
        self
    }

    /// Only before this time.
    #[must_use]
    pub fn to(mut self, time: Timestamp) -> Self {
        self.to = Some(time);
        self
    }

    /// The most objects on a page.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Begins where an earlier page ended: its [`next_cursor`](Page::next_cursor).
    #[must_use]
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }
}

impl From<ListAudit> for Range {
    fn from(list: ListAudit) -> Self {
        let filters = [
            list.object_id.map(|value| ("object_id", value)),
            list.object_kind.map(|value| ("object_kind", value)),
            list.actor_id.map(|value| ("actor_id", value)),
            list.actor_kind.map(|value| ("actor_kind", value)),
            list.action.map(|value| ("action", value)),
            list.account_id.map(|value| ("account_id", value.to_string())),
            list.from.map(|value| ("from", value.to_string())),
            list.to.map(|value| ("to", value.to_string())),
            list.limit.map(|limit| ("limit", limit.to_string())),
        ];
        Self { filters: filters.into_iter().flatten().collect(), cursor: list.cursor }
    }
}
