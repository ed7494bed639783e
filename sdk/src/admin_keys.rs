//! Admin keys, the operator's credentials: `/v1/admin_keys`.

use crate::api_key::ApiKey;
use crate::error::Error;
use crate::id::AdminKeyId;
use crate::page::{Page, Pager, Range, one_page};
use crate::transport::{Call, Transport};
use crate::version::{Version, Versioned};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

const PATH: &[&str] = &["v1", "admin_keys"];

/// The operations on admin keys; see [`Client::admin_keys`](crate::Client::admin_keys).
#[derive(Clone, Copy)]
pub struct AdminKeys<'a> {
    pub(crate) transport: &'a Arc<Transport>,
}

impl AdminKeys<'_> {
    /// Creates an admin key. The answer holds the secret, which cannot be read again.
    pub async fn create(self, name: impl Into<String>, access: Access) -> Result<CreatedAdminKey, Error> {
        self.transport.send(Call::post(PATH, &Create { name: name.into(), access })).await
    }

    /// The admin key with this id.
    pub async fn get(self, id: AdminKeyId) -> Result<AdminKey, Error> {
        self.transport.send(Call::get(&["v1", "admin_keys", &id.to_string()])).await
    }

    /// The admin key with this id, and its version, for an edit that is done only if nobody edited it meanwhile.
    pub async fn get_versioned(self, id: AdminKeyId) -> Result<Versioned<AdminKey>, Error> {
        self.transport.send_versioned(Call::get(&["v1", "admin_keys", &id.to_string()])).await
    }

    /// One page of admin keys.
    pub async fn list(self, list: ListAdminKeys) -> Result<Page<AdminKey>, Error> {
        one_page(self.transport, PATH, list.into()).await
    }

    /// All admin keys of the list, read page by page.
    pub fn all(self, list: ListAdminKeys) -> Pager<AdminKey> {
        Pager::new(Arc::clone(self.transport), PATH, list.into())
    }

    /// Gives the key another name.
    pub async fn rename(self, id: AdminKeyId, name: impl Into<String>) -> Result<AdminKey, Error> {
        self.transport.send(Call::patch(&["v1", "admin_keys", &id.to_string()], &Rename { name: name.into() })).await
    }

    /// Gives the key another name as [`rename`](Self::rename) does, if it still has this version. Otherwise the answer is
    /// [`Error::Changed`].
    pub async fn rename_if(
        self,
        id: AdminKeyId,
        name: impl Into<String>,
        version: &Version,
    ) -> Result<AdminKey, Error> {
        let call = Call::patch(&["v1", "admin_keys", &id.to_string()], &Rename { name: name.into() });
        self.transport.send(call.if_version(Some(version))).await
    }

    /// Revokes the key for good. The last one with write access stays.
    pub async fn revoke(self, id: AdminKeyId) -> Result<AdminKey, Error> {
        self.transport.send(Call::delete(&["v1", "admin_keys", &id.to_string()])).await
    }

    /// Revokes the key as [`revoke`](Self::revoke) does, if it still has this version. Otherwise the answer is [`Error::Changed`].
    pub async fn revoke_if(self, id: AdminKeyId, version: &Version) -> Result<AdminKey, Error> {
        let call = Call::delete(&["v1", "admin_keys", &id.to_string()]);
        self.transport.send(call.if_version(Some(version))).await
    }
}

/// An admin key, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AdminKey {
    /// The key's id.
    pub id: AdminKeyId,
    /// Its name: who or what holds it.
    pub name: String,
    /// The mask: what may be shown of the key.
    pub key_prefix: String,
    /// Whether it may change things.
    pub access: Access,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was revoked; `None` while it is valid.
    pub revoked_at: Option<Timestamp>,
}

/// An admin key that was just created.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct CreatedAdminKey {
    /// The key.
    #[serde(flatten)]
    pub key: AdminKey,
    /// The secret, this once.
    #[serde(rename = "key")]
    pub secret: ApiKey,
}

/// Whether an admin key may change things.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Access {
    /// It sees everything and changes nothing.
    Read,
    /// It may do everything.
    Write,
    /// An access that this version does not know.
    #[serde(other)]
    Other,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Other => "other",
        })
    }
}

#[derive(Serialize)]
struct Create {
    name: String,
    access: Access,
}

#[derive(Serialize)]
struct Rename {
    name: String,
}

/// Which admin keys to list, and how many at a time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListAdminKeys {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl ListAdminKeys {
    /// All of them, the revoked ones too, in pages of the server's usual size.
    pub fn new() -> Self {
        Self::default()
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

impl From<ListAdminKeys> for Range {
    fn from(list: ListAdminKeys) -> Self {
        let filters = [list.limit.map(|limit| ("limit", limit.to_string()))];
        Self { filters: filters.into_iter().flatten().collect(), cursor: list.cursor }
    }
}
