//! Keys: `/v1/keys`.

use crate::api_key::ApiKey;
pub(crate) use crate::environment::Environment;
use crate::error::{AnswerError, AnswerErrorKind, Error};
use crate::id::{AccountId, KeyId, ProjectId};
use crate::page::{Page, Pager, Range, one_page};
use crate::receipt::{Receipt, parameter};
use crate::transport::{Call, Transport};
use crate::update_key::{Metadata, RevokeKey, UpdateKey};
use crate::version::Versioned;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

const PATH: &[&str] = &["v1", "keys"];

/// The operations on keys; see [`Client::keys`](crate::Client::keys).
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    pub(crate) transport: &'a Arc<Transport>,
}

impl Keys<'_> {
    /// Creates a key. The answer holds the secret, which cannot be read again.
    ///
    /// ```no_run
    /// # async fn run(client: keyplane_sdk::Client, project: keyplane_sdk::Project) -> Result<(), keyplane_sdk::Error> {
    /// use keyplane_sdk::{CreateKey, Environment};
    ///
    /// let request = CreateKey::new(project.id, Environment::Live, "build server").scope("files:read");
    /// let created = client.keys().create(&request).await?;
    /// println!("created {}", created.key.id);
    /// hand_over(created.secret.expose());
    /// # Ok(())
    /// # }
    /// # fn hand_over(_: &str) {}
    /// ```
    pub async fn create(self, key: &CreateKey) -> Result<CreatedKey, Error> {
        self.transport.send(Call::post(PATH, key)).await
    }

    /// The key with this id.
    pub async fn get(self, id: KeyId) -> Result<Key, Error> {
        self.transport.send(Call::get(&["v1", "keys", &id.to_string()])).await
    }

    /// The key with this id, and its version, for an edit that is done only if nobody edited it meanwhile; see [`Version`](crate::Version).
    pub async fn get_versioned(self, id: KeyId) -> Result<Versioned<Key>, Error> {
        self.transport.send_versioned(Call::get(&["v1", "keys", &id.to_string()])).await
    }

    /// One page of keys.
    pub async fn list(self, list: ListKeys) -> Result<Page<Key>, Error> {
        one_page(self.transport, PATH, list.into()).await
    }

    /// All keys of the list, read page by page.
    pub fn all(self, list: ListKeys) -> Pager<Key> {
        Pager::new(Arc::clone(self.transport), PATH, list.into())
    }

    /// Changes a key. What the change does not name stays as it is. With a [wait](UpdateKey::wait) the answer holds a
    /// [receipt](Key::receipt).
    ///
    /// ```no_run
    /// # async fn run(client: keyplane_sdk::Client, id: keyplane_sdk::KeyId) -> Result<(), keyplane_sdk::Error> {
    /// use keyplane_sdk::UpdateKey;
    ///
    /// let key = client.keys().update(id, &UpdateKey::new().scopes(["files:read"]).never_expires()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update(self, id: KeyId, change: &UpdateKey) -> Result<Key, Error> {
        self.transport.send(change.call(&["v1", "keys", &id.to_string()])).await
    }

    /// Gives a key another name, which changes nothing else about it.
    pub async fn rename(self, id: KeyId, name: impl Into<String>) -> Result<Key, Error> {
        self.update(id, &UpdateKey::new().name(name)).await
    }

    /// Switches a key off, or on again. Proxies refuse a key that is switched off.
    pub async fn set_enabled(self, id: KeyId, enabled: bool) -> Result<Key, Error> {
        self.update(id, &UpdateKey::new().enabled(enabled)).await
    }

    /// Replaces a key by a new one with the same attributes; the old one works on for a while. The answer holds the new
    /// secret, which cannot be read again.
    ///
    /// ```no_run
    /// # async fn run(client: keyplane_sdk::Client, id: keyplane_sdk::KeyId) -> Result<(), keyplane_sdk::Error> {
    /// use keyplane_sdk::RotateKey;
    ///
    /// // The old key ends by itself once nobody has used it for two days.
    /// let rotated = client.keys().rotate(id, &RotateKey::new().retire_when_idle_hours(48)).await?;
    /// hand_over(rotated.secret.expose());
    /// # Ok(())
    /// # }
    /// # fn hand_over(_: &str) {}
    /// ```
    pub async fn rotate(self, id: KeyId, how: &RotateKey) -> Result<RotatedKey, Error> {
        let call = Call::post(&["v1", "keys", &id.to_string(), "rotate"], how);
        self.transport.send(call.query(parameter(how.wait)).waiting(how.wait)).await
    }

    /// Where a key that was rotated is still used from, the last use first.
    pub async fn sources(self, id: KeyId) -> Result<Vec<KeySource>, Error> {
        let page: Page<KeySource> = self.transport.send(Call::get(&["v1", "keys", &id.to_string(), "sources"])).await?;
        Ok(page.data)
    }

    /// Revokes a key for good. Every proxy refuses it as soon as it has heard of it. Revoking it again changes nothing.
    pub async fn revoke(self, id: KeyId) -> Result<Key, Error> {
        self.transport.send(Call::delete(&["v1", "keys", &id.to_string()])).await
    }

    /// Revokes a key as [`revoke`](Self::revoke) does, and keeps why, in a line of at most 200 characters.
    pub async fn revoke_because(self, id: KeyId, reason: impl Into<String>) -> Result<Key, Error> {
        self.revoke_with(id, &RevokeKey::new().reason(reason)).await
    }

    /// Revokes a key as [`revoke`](Self::revoke) does, waits until every live proxy refuses it, for at most `wait`, and answers
    /// with the receipt either way.
    ///
    /// ```no_run
    /// # async fn run(client: keyplane_sdk::Client, id: keyplane_sdk::KeyId) -> Result<(), keyplane_sdk::Error> {
    /// use std::time::Duration;
    ///
    /// let receipt = client.keys().revoke_and_wait(id, Duration::from_secs(5)).await?;
    /// if !receipt.is_complete() {
    ///     println!("{} of {} proxies refuse it; not yet {:?}", receipt.applied, receipt.proxies, receipt.lagging);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn revoke_and_wait(self, id: KeyId, wait: Duration) -> Result<Receipt, Error> {
        let key = self.revoke_with(id, &RevokeKey::new().wait(wait)).await?;
        key.receipt.ok_or_else(|| {
            Error::Answer(Box::new(AnswerError {
                status: 200,
                request_id: None,
                kind: AnswerErrorKind::NoReceipt,
                took_effect: true,
            }))
        })
    }

    /// Revokes a key as [`revoke`](Self::revoke) does, with more to say about it. With a wait the answer holds a
    /// [receipt](Key::receipt).
    ///
    /// ```no_run
    /// # async fn run(client: keyplane_sdk::Client, id: keyplane_sdk::KeyId) -> Result<(), keyplane_sdk::Error> {
    /// use keyplane_sdk::RevokeKey;
    /// use std::time::Duration;
    ///
    /// let key = client.keys().revoke_with(id, &RevokeKey::new().wait(Duration::from_secs(5))).await?;
    /// if let Some(receipt) = key.receipt {
    ///     println!("{} of {} proxies refuse it", receipt.applied, receipt.proxies);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn revoke_with(self, id: KeyId, how: &RevokeKey) -> Result<Key, Error> {
        self.transport.send(how.call(&["v1", "keys", &id.to_string()])).await
    }
}

/// A key, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Key {
    /// The key's id.
    pub id: KeyId,
    /// Its name, for people.
    pub name: String,
    /// The mask: what may be shown of the key, `uk_live_0123...xXni`.
    pub key_prefix: String,
    /// Live or test.
    pub environment: Environment,
    /// The project that it belongs to.
    pub project_id: ProjectId,
    /// The account of the project.
    pub account_id: AccountId,
    /// What it may do; empty for a key without scopes.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The networks from which it may be used; empty for all.
    #[serde(default)]
    pub allowed_cidrs: Vec<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it is refused; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// When a proxy last let it pass; `None` for never. It is some seconds behind.
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
    /// The key that took its place when it was rotated.
    #[serde(default)]
    pub replaced_by: Option<KeyId>,
    /// It is revoked once no proxy has seen it for so many hours; `None` unless it was rotated so.
    #[serde(default)]
    pub retire_when_idle_hours: Option<u64>,
    /// Which proxies have the change; only in the answer to one with a wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// A key that was just created.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct CreatedKey {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// The secret, this once.
    #[serde(rename = "key")]
    pub secret: ApiKey,
}

/// A key that was just rotated.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct RotatedKey {
    /// The new key.
    #[serde(flatten)]
    pub key: Key,
    /// The new secret, this once.
    #[serde(rename = "key")]
    pub secret: ApiKey,
    /// The old key.
    pub replaces: Key,
    /// Until when the old key works at the latest; `None` when it works until it is idle.
    pub grace_ends_at: Option<Timestamp>,
}

/// How long the old key of a rotation works on. Without anything said, 24 hours.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct RotateKey {
    #[serde(skip_serializing_if = "Option::is_none")]
    grace_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retire_when_idle_hours: Option<u64>,
    #[serde(skip)]
    wait: Option<Duration>,
}

impl RotateKey {
    /// As long as the server thinks right.
    pub fn new() -> Self {
        Self::default()
    }

    /// For so long at most; 0 revokes the old key at once.
    #[must_use]
    pub fn grace_seconds(mut self, seconds: u64) -> Self {
        self.grace_seconds = Some(seconds);
        self
    }

    /// Until no proxy has seen it for so many hours.
    #[must_use]
    pub fn retire_when_idle_hours(mut self, hours: u64) -> Self {
        self.retire_when_idle_hours = Some(hours);
        self
    }

    /// Waits until every live proxy knows the new key and what becomes of the old one, for at most so long: 55 seconds, to the
    /// millisecond. The answer then holds a [`receipt`](Key::receipt) in the new key.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }
}

/// A place from which a key was used.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeySource {
    /// Address of the caller as the proxy sees it; `None` for all uses whose address the proxies did not tell.
    pub source: Option<IpAddr>,
    /// Requests with the key, allowed or refused.
    pub count: u64,
    /// When the first of them came.
    pub first_seen_at: Timestamp,
    /// When the last of them came.
    pub last_seen_at: Timestamp,
}

/// Whether a key works.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyStatus {
    /// It works.
    Active,
    /// It is switched off for now.
    Disabled,
    /// It was revoked, for good.
    Revoked,
    /// Its time is up.
    Expired,
    /// A state that this version does not know.
    #[serde(other)]
    Other,
}

impl fmt::Display for KeyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Other => "other",
        })
    }
}

/// What a new key is to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CreateKey {
    project_id: ProjectId,
    environment: Environment,
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

impl CreateKey {
    /// A key of `project_id` that never expires and has no scopes.
    pub fn new(project_id: ProjectId, environment: Environment, name: impl Into<String>) -> Self {
        let (scopes, allowed_cidrs) = (Vec::new(), Vec::new());
        let (name, metadata) = (name.into(), Metadata::new());
        Self { project_id, environment, name, scopes, allowed_cidrs, expires_at: None, metadata }
    }

    /// Adds a scope.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Adds scopes.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Adds networks from which it may be used, such as `203.0.113.0/24`; without any it may be used from everywhere.
    #[must_use]
    pub fn allowed_cidrs<S: Into<String>>(mut self, networks: impl IntoIterator<Item = S>) -> Self {
        self.allowed_cidrs.extend(networks.into_iter().map(Into::into));
        self
    }

    /// From when on the key is refused.
    #[must_use]
    pub fn expires_at(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// Keeps something with it, under a name.
    ///
    /// ```
    /// # let project = keyplane_sdk::ProjectId::from_bytes([7; 16]);
    /// use keyplane_sdk::{CreateKey, Environment};
    ///
    /// let new = CreateKey::new(project, Environment::Live, "build server").metadata("team", "delivery").metadata("floor", 3);
    /// # let _ = new;
    /// ```
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }
}

/// Which keys to list, and how many at a time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListKeys {
    project_id: Option<ProjectId>,
    environment: Option<Environment>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl ListKeys {
    /// All of them, in pages of the server's usual size.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of this project.
    #[must_use]
    pub fn project(mut self, id: ProjectId) -> Self {
        self.project_id = Some(id);
        self
    }

    /// Only those of this environment.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
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

impl From<ListKeys> for Range {
    fn from(list: ListKeys) -> Self {
        let project = list.project_id.map(|id| ("project_id", id.to_string()));
        let environment = list.environment.map(|environment| ("environment", environment.to_string()));
        let limit = list.limit.map(|limit| ("limit", limit.to_string()));
        Self { filters: project.into_iter().chain(environment).chain(limit).collect(), cursor: list.cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_only_what_was_set() {
        let id = ProjectId::from_bytes([7; 16]);
        let plain = CreateKey::new(id, Environment::Test, "ci");
        let text = id.to_string();
        assert_eq!(
            serde_json::to_value(&plain).unwrap(),
            serde_json::json!({"project_id": text, "environment": "test", "name": "ci"})
        );
        let full = plain.scope("a").scopes(["b", "c"]).expires_at("2030-01-02T03:04:05.678Z".parse().unwrap());
        assert_eq!(
            serde_json::to_value(&full).unwrap(),
            serde_json::json!({"project_id": text, "environment": "test", "name": "ci", "scopes": ["a", "b", "c"],
                "expires_at": "2030-01-02T03:04:05.678Z"})
        );
    }

    #[test]
    fn a_newer_server_with_more_fields_and_states_is_still_understood() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let key: Key = serde_json::from_value(serde_json::json!({
            "id": id, "name": "ci", "key_prefix": "uk_live_0123...xXni", "environment": "live", "project_id": id,
            "account_id": id, "scopes": [], "created_at": "2024-01-15T10:30:00.000Z", "expires_at": null,
            "last_used_at": null, "status": "quarantined", "allowed_cidrs": ["10.0.0.0/8"]
        }))
        .unwrap();
        assert_eq!(key.status, KeyStatus::Other);
        assert_eq!(key.created_at.as_millisecond(), 1_705_314_600_000);
    }
}
