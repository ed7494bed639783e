//! Who did what to which object, from where, when.

use super::id::{AdminKeyId, RequestId};
use super::time::Time;
use keyplane_contract::id::Id;
use std::net::IpAddr;

/// Who acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// The holder of an admin key.
    AdminKey(AdminKeyId),
    /// Keyplane itself, on time or from the command line.
    System,
}

impl Actor {
    /// The kind's name in the audit log.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::AdminKey(_) => "admin_key",
            Self::System => "system",
        }
    }

    /// Which one of the kind.
    pub const fn id(self) -> Option<Id> {
        match self {
            Self::AdminKey(id) => Some(id.0),
            Self::System => None,
        }
    }
}

/// Where a change comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Who acts.
    pub actor: Actor,
    /// The request that asked for it.
    pub request: Option<RequestId>,
    /// Address of the caller.
    pub source: Option<IpAddr>,
}

impl Origin {
    /// Keyplane itself.
    pub const SYSTEM: Self = Self { actor: Actor::System, request: None, source: None };
}

/// What was done. The names are part of the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The database was made.
    Initialize,
    /// The database was restored from a backup.
    Restore,
    /// An admin key was made.
    CreateAdminKey,
    /// A proxy token was made.
    CreateProxyToken,
    /// An account was made.
    CreateAccount,
    /// A project was made.
    CreateProject,
    /// A key was made.
    CreateKey,
    /// A key got another name.
    RenameKey,
    /// A key got other scopes or another end.
    UpdateKey,
    /// A key was switched off.
    DisableKey,
    /// A key was switched on again.
    EnableKey,
    /// A key was replaced by a new one.
    RotateKey,
    /// A key was revoked.
    RevokeKey,
    /// A revoked key left the feed.
    RetireKey,
}

impl Action {
    /// The name in the audit log: object and verb.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initialize => "database.initialize",
            Self::Restore => "database.restore",
            Self::CreateAdminKey => "admin_key.create",
            Self::CreateProxyToken => "proxy_token.create",
            Self::CreateAccount => "account.create",
            Self::CreateProject => "project.create",
            Self::CreateKey => "key.create",
            Self::RenameKey => "key.rename",
            Self::UpdateKey => "key.update",
            Self::DisableKey => "key.disable",
            Self::EnableKey => "key.enable",
            Self::RotateKey => "key.rotate",
            Self::RevokeKey => "key.revoke",
            Self::RetireKey => "key.retire",
        }
    }

    /// The kind of the object: what stands before the dot.
    pub fn object_kind(self) -> &'static str {
        self.name().split_once('.').map_or("", |(kind, _)| kind)
    }
}

/// An entry of the audit log.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// When.
    pub at: Time,
    /// Who and from where.
    pub origin: Origin,
    /// What.
    pub action: Action,
    /// To which object.
    pub object: Option<Id>,
    /// Number of the account that the object belongs to.
    pub account: Option<u32>,
    /// What changed, as a JSON object. Never a secret.
    pub detail: serde_json::Value,
}
