//! Who did what to which object, from where, when.

use super::actor::Actor;
use super::id::RequestId;
use super::time::Time;
use keyplane_contract::id::Id;
use std::net::IpAddr;

/// Where a request comes from: who acts, and from where.
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
    /// An account got another name or external id.
    UpdateAccount,
    /// An account got another plan.
    ChangePlan,
    /// An account was suspended.
    SuspendAccount,
    /// A suspended account was let go on.
    ResumeAccount,
    /// A user was made.
    CreateUser,
    /// A user got another name, address, role or identity.
    UpdateUser,
    /// A user left, and their tokens were revoked.
    RemoveUser,
    /// A project was made.
    CreateProject,
    /// A project got another name or other prefixes.
    UpdateProject,
    /// A key was made.
    CreateKey,
    /// A key got another name.
    RenameKey,
    /// A key got other restrictions, another end or other metadata.
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
            Self::UpdateAccount => "account.update",
            Self::ChangePlan => "account.change_plan",
            Self::SuspendAccount => "account.suspend",
            Self::ResumeAccount => "account.resume",
            Self::CreateUser => "user.create",
            Self::UpdateUser => "user.update",
            Self::RemoveUser => "user.remove",
            Self::CreateProject => "project.create",
            Self::UpdateProject => "project.update",
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
