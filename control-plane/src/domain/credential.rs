//! Keyplane's own credentials, as they may be shown: admin keys, with which the operator calls the management API, and proxy
//! tokens, with which proxies read the feed.

use super::id::{AdminKeyId, ProxyTokenId};
use super::name::Name;
use super::rights::Access;
use super::time::Time;
use super::version::Version;

/// How many proxy tokens may be valid at once: the one in use and its successor.
pub const MAX_PROXY_TOKENS: usize = 2;

/// An admin key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminKey {
    /// Its id.
    pub id: AdminKeyId,
    /// Its name.
    pub name: Name,
    /// What may be shown of the key.
    pub mask: String,
    /// Whether it may change things.
    pub access: Access,
    /// When it was made.
    pub created_at: Time,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

impl AdminKey {
    /// The version of what can be edited.
    pub fn version(&self) -> Version {
        version(&self.name, self.revoked_at)
    }
}

/// A proxy token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProxyToken {
    /// Its id.
    pub id: ProxyTokenId,
    /// Its name.
    pub name: Name,
    /// What may be shown of the token.
    pub mask: String,
    /// When it was made.
    pub created_at: Time,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

impl ProxyToken {
    /// The version of what can be edited.
    pub fn version(&self) -> Version {
        version(&self.name, self.revoked_at)
    }
}

fn version(name: &Name, revoked_at: Option<Time>) -> Version {
    Version::of(&[name.as_str(), if revoked_at.is_some() { "revoked" } else { "valid" }])
}
