//! Who calls: `/v1/me`.

use crate::admin_keys::Access;
use crate::id::AdminKeyId;
use crate::keys::Key;
use crate::users::User;
use serde::{Deserialize, Serialize};

/// Who calls; see [`Client::me`](crate::Client::me).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Me {
    /// The holder of an admin key.
    AdminKey(OwnAdminKey),
    /// The holder of an account's key.
    Key(Box<Key>),
    /// A person, by a personal access token or a JWT.
    User(Box<User>),
    /// A kind of caller that this version does not know.
    #[serde(other)]
    Other,
}

/// The admin key that a caller holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OwnAdminKey {
    /// The key's id.
    pub id: AdminKeyId,
    /// Its name: who or what holds it.
    pub name: String,
    /// Whether it may change things.
    pub access: Access,
}
