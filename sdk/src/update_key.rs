//! What can be changed of a key, and of a personal access token, and what can be said when one ends.

use crate::change::Change;
use crate::receipt::parameter;
use crate::transport::Call;
use crate::version::Version;
use jiff::Timestamp;
use serde::Serialize;
use std::time::Duration;

/// What an account keeps with its keys: names and whatever JSON.
pub type Metadata = serde_json::Map<String, serde_json::Value>;

/// What is to change of a key or of a personal access token. What is not named stays as it is.
///
/// ```
/// use keyplane_sdk::UpdateKey;
/// use std::time::Duration;
///
/// // From now on only from the office, and the answer says which proxies know it.
/// let change = UpdateKey::new().allowed_cidrs(["203.0.113.0/24"]).wait(Duration::from_secs(5));
/// # let _ = change;
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct UpdateKey {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_cidrs: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    expires_at: Change<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(skip)]
    wait: Option<Duration>,
    #[serde(skip)]
    version: Option<Version>,
}

impl UpdateKey {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Switches it off, or on again. Proxies refuse a key that is switched off.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = Some(enabled);
        self
    }

    /// Its scopes, in place of all that it has.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// The networks from which it may be used, in place of all that it has; none for everywhere.
    #[must_use]
    pub fn allowed_cidrs<S: Into<String>>(mut self, networks: impl IntoIterator<Item = S>) -> Self {
        self.allowed_cidrs = Some(networks.into_iter().map(Into::into).collect());
        self
    }

    /// From when on it is refused.
    #[must_use]
    pub fn expires_at(mut self, at: Timestamp) -> Self {
        self.expires_at = Change::Set(at);
        self
    }

    /// It does not expire.
    #[must_use]
    pub fn never_expires(mut self) -> Self {
        self.expires_at = Change::Clear;
        self
    }

    /// What is kept with it, in place of all that is there.
    #[must_use]
    pub fn metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// Waits until every live proxy has the change, for at most so long: 55 seconds, to the millisecond. The answer then
    /// holds a [receipt](crate::Receipt).
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Does it only if it still has this version, as it was read with [`get_versioned`](crate::Keys::get_versioned). Otherwise
    /// the answer is [`Error::Changed`](crate::Error::Changed).
    #[must_use]
    pub fn if_version(mut self, version: &Version) -> Self {
        self.version = Some(version.clone());
        self
    }

    /// The call that changes what is at `path`.
    pub(crate) fn call(&self, path: &[&str]) -> Call {
        Call::patch(path, self).query(parameter(self.wait)).waiting(self.wait).if_version(self.version.as_ref())
    }
}

/// What to say about the end of a key or of a personal access token.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RevokeKey {
    reason: Option<String>,
    wait: Option<Duration>,
    version: Option<Version>,
}

impl RevokeKey {
    /// Nothing: the key is revoked, and the answer waits for no proxy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Why, in a line of at most 200 characters.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Waits until every live proxy refuses it, for at most so long: 55 seconds, to the millisecond.
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Does it only if it still has this version, as it was read with [`get_versioned`](crate::Keys::get_versioned). Otherwise
    /// the answer is [`Error::Changed`](crate::Error::Changed).
    #[must_use]
    pub fn if_version(mut self, version: &Version) -> Self {
        self.version = Some(version.clone());
        self
    }

    /// The call that ends what is at `path`.
    pub(crate) fn call(&self, path: &[&str]) -> Call {
        let reason = self.reason.clone().map(|reason| ("reason", reason));
        let call = Call::delete(path).query(reason).query(parameter(self.wait));
        call.waiting(self.wait).if_version(self.version.as_ref())
    }
}
