//! Personal access tokens, keys that act as a user: `/v1/personal_access_tokens`.

use crate::api_key::ApiKey;
use crate::error::Error;
use crate::id::{AccountId, KeyId, UserId};
use crate::keys::KeyStatus;
use crate::page::{Page, Pager, Range, one_page};
use crate::receipt::Receipt;
use crate::transport::{Call, Transport};
use crate::update_key::{Metadata, RevokeKey, UpdateKey};
use crate::version::Versioned;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const PATH: &[&str] = &["v1", "personal_access_tokens"];

/// The operations on personal access tokens; see [`Client::personal_access_tokens`](crate::Client::personal_access_tokens).
#[derive(Clone, Copy)]
pub struct PersonalTokens<'a> {
    pub(crate) transport: &'a Arc<Transport>,
}

impl PersonalTokens<'_> {
    /// Creates a personal access token. The answer holds the secret, which cannot be read again.
    pub async fn create(self, token: &CreatePersonalToken) -> Result<CreatedPersonalToken, Error> {
        self.transport.send(Call::post(PATH, token)).await
    }

    /// The personal access token with this id.
    pub async fn get(self, id: KeyId) -> Result<PersonalToken, Error> {
        self.transport.send(Call::get(&["v1", "personal_access_tokens", &id.to_string()])).await
    }

    /// The personal access token with this id, and its version, for an edit that is done only if nobody edited it meanwhile.
    pub async fn get_versioned(self, id: KeyId) -> Result<Versioned<PersonalToken>, Error> {
        self.transport.send_versioned(Call::get(&["v1", "personal_access_tokens", &id.to_string()])).await
    }

    /// One page of personal access tokens.
    pub async fn list(self, list: ListPersonalTokens) -> Result<Page<PersonalToken>, Error> {
        one_page(self.transport, PATH, list.into()).await
    }

    /// All personal access tokens of the list, read page by page.
    pub fn all(self, list: ListPersonalTokens) -> Pager<PersonalToken> {
        Pager::new(Arc::clone(self.transport), PATH, list.into())
    }

    /// Changes a token. What the change does not name stays as it is. With a [wait](UpdateKey::wait) the answer holds a
    /// [receipt](PersonalToken::receipt).
    pub async fn update(self, id: KeyId, change: &UpdateKey) -> Result<PersonalToken, Error> {
        self.transport.send(change.call(&["v1", "personal_access_tokens", &id.to_string()])).await
    }

    /// Gives the token another name.
    pub async fn rename(self, id: KeyId, name: impl Into<String>) -> Result<PersonalToken, Error> {
        self.update(id, &UpdateKey::new().name(name)).await
    }

    /// Switches a token off, or on again. Proxies refuse a token that is switched off.
    pub async fn set_enabled(self, id: KeyId, enabled: bool) -> Result<PersonalToken, Error> {
        self.update(id, &UpdateKey::new().enabled(enabled)).await
    }

    /// Revokes the token for good. A token may revoke itself. Revoking it again changes nothing.
    pub async fn revoke(self, id: KeyId) -> Result<PersonalToken, Error> {
        self.revoke_with(id, &RevokeKey::new()).await
    }

    /// Revokes a token as [`revoke`](Self::revoke) does, with more to say about it. With a wait the answer holds a
    /// [receipt](PersonalToken::receipt).
    pub async fn revoke_with(self, id: KeyId, how: &RevokeKey) -> Result<PersonalToken, Error> {
        self.transport.send(how.call(&["v1", "personal_access_tokens", &id.to_string()])).await
    }
}

/// A personal access token, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PersonalToken {
    /// The token's id.
    pub id: KeyId,
    /// Its name, for people.
    pub name: String,
    /// The mask: what may be shown of the token.
    pub key_prefix: String,
    /// The user that it acts as.
    pub user_id: UserId,
    /// The account of the user.
    pub account_id: AccountId,
    /// What it may do behind the proxy.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The networks from which it may be used; empty for all.
    #[serde(default)]
    pub allowed_cidrs: Vec<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it is refused; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// When it was last used; `None` for never.
    pub last_used_at: Option<Timestamp>,
    /// Whether it works.
    pub status: KeyStatus,
    /// What its owner keeps with it.
    #[serde(default)]
    pub metadata: Metadata,
    /// When it was revoked.
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
    /// Why it was revoked, if somebody said so.
    #[serde(default)]
    pub revoke_reason: Option<String>,
    /// Which proxies have the change; only in the answer to one with a wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// A personal access token that was just created.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct CreatedPersonalToken {
    /// The token.
    #[serde(flatten)]
    pub token: PersonalToken,
    /// The secret, this once.
    #[serde(rename = "key")]
    pub secret: ApiKey,
}

/// What a new personal access token is to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CreatePersonalToken {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_cidrs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata,
}

impl CreatePersonalToken {
    /// A token of the caller that never expires.
    pub fn new(name: impl Into<String>) -> Self {
        let (scopes, allowed_cidrs) = (Vec::new(), Vec::new());
        Self { user_id: None, name: name.into(), scopes, allowed_cidrs, expires_at: None, metadata: Metadata::new() }
    }

    /// Whose it is: an admin key has to say.
    #[must_use]
    pub fn user(mut self, id: UserId) -> Self {
        self.user_id = Some(id);
        self
    }

    /// Adds scopes.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Adds networks from which it may be used, such as `203.0.113.0/24`.
    #[must_use]
    pub fn allowed_cidrs<S: Into<String>>(mut self, networks: impl IntoIterator<Item = S>) -> Self {
        self.allowed_cidrs.extend(networks.into_iter().map(Into::into));
        self
    }

    /// From when on the token is refused.
    #[must_use]
    pub fn expires_at(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// Keeps something with it, under a name.
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }
}

/// Which personal access tokens to list, and how many at a time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListPersonalTokens {
    user_id: Option<UserId>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl ListPersonalTokens {
    /// A user's own; for the operator all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of this user.
    #[must_use]
    pub fn user(mut self, id: UserId) -> Self {
        self.user_id = Some(id);
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

impl From<ListPersonalTokens> for Range {
    fn from(list: ListPersonalTokens) -> Self {
        let filters = [
            list.user_id.map(|value| ("user_id", value.to_string())),
            list.limit.map(|limit| ("limit", limit.to_string())),
        ];
        Self { filters: filters.into_iter().flatten().collect(), cursor: list.cursor }
    }
}
