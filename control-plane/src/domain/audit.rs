//! Who did what to which object, from where, when.

use super::actor::Actor;
use super::id::{AccountId, RequestId};
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

/// Declares the actions: what was done, and its name.
macro_rules! actions {
    ($(#[$doc:meta] $variant:ident = $name:literal,)*) => {
        /// What was done. The names are part of the API.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Action {
            $(#[$doc] $variant,)*
        }

        impl Action {
            /// Every action.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in the audit log: object and verb.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

actions! {
    /// The database was made.
    Initialize = "database.initialize",
    /// The database was restored from a backup.
    Restore = "database.restore",
    /// An admin key was made.
    CreateAdminKey = "admin_key.create",
    /// An admin key got another name.
    RenameAdminKey = "admin_key.rename",
    /// An admin key was revoked.
    RevokeAdminKey = "admin_key.revoke",
    /// A proxy token was made.
    CreateProxyToken = "proxy_token.create",
    /// A proxy token got another name.
    RenameProxyToken = "proxy_token.rename",
    /// A proxy token was revoked.
    RevokeProxyToken = "proxy_token.revoke",
    /// An account was made.
    CreateAccount = "account.create",
    /// An account got another name or external id.
    UpdateAccount = "account.update",
    /// An account got another plan.
    ChangePlan = "account.change_plan",
    /// An account was suspended.
    SuspendAccount = "account.suspend",
    /// A suspended account was let go on.
    ResumeAccount = "account.resume",
    /// A user was made.
    CreateUser = "user.create",
    /// A user got another name, address, role or identity.
    UpdateUser = "user.update",
    /// A user left, and their tokens were revoked.
    RemoveUser = "user.remove",
    /// A project was made.
    CreateProject = "project.create",
    /// A project got another name or other prefixes.
    UpdateProject = "project.update",
    /// A key was made.
    CreateKey = "key.create",
    /// A key got another name.
    RenameKey = "key.rename",
    /// A key got other restrictions, another end or other metadata.
    UpdateKey = "key.update",
    /// A key was switched off.
    DisableKey = "key.disable",
    /// A key was switched on again.
    EnableKey = "key.enable",
    /// A key was replaced by a new one.
    RotateKey = "key.rotate",
    /// A key was revoked.
    RevokeKey = "key.revoke",
    /// A revoked key left the feed.
    RetireKey = "key.retire",
    /// Somebody signed in to the dashboard.
    BeginSession = "session.begin",
    /// Somebody who is known was refused at the dashboard.
    RefuseSession = "session.refuse",
    /// Somebody signed out, here or where else they were signed in.
    EndSession = "session.end",
    /// Somebody signed out everywhere.
    EndSessions = "session.end_all",
}

impl Action {
    /// The kinds of objects, each once.
    pub fn object_kinds() -> Vec<&'static str> {
        let mut kinds: Vec<_> = Self::ALL.iter().map(|action| action.object_kind()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
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
    /// To which object; `None`: there came to be none.
    pub object: Option<Id>,
    /// Number of the account that the object belongs to.
    pub account: Option<u32>,
    /// What changed, as a JSON object. Never a secret.
    pub detail: serde_json::Value,
}

/// An entry of the audit log as it is read. Names are what was written then: an older release may have had others.
#[derive(Clone, PartialEq, Debug)]
pub struct Recorded {
    /// Its number: later ones are greater.
    pub no: u64,
    /// When.
    pub at: Time,
    /// The kind of who acted.
    pub actor_kind: String,
    /// Who acted; `None` for Keyplane itself.
    pub actor_id: Option<Id>,
    /// What was done.
    pub action: String,
    /// The kind of the object.
    pub object_kind: String,
    /// The object.
    pub object_id: Option<Id>,
    /// The account that the object belongs to; `None` for the operator's own.
    pub account_id: Option<AccountId>,
    /// The request that asked for it.
    pub request_id: Option<RequestId>,
    /// Address of the caller.
    pub source: Option<String>,
    /// What changed.
    pub detail: serde_json::Value,
}

impl Recorded {
    /// Whether the operator acted, or Keyplane itself.
    pub fn is_operators(&self) -> bool {
        ["admin_key", "system"].contains(&self.actor_kind.as_str())
    }
}

/// Which entries are wanted: those that fit all that is said.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// The object.
    pub object_id: Option<Id>,
    /// The kind of the object.
    pub object_kind: Option<&'static str>,
    /// Who acted.
    pub actor_id: Option<Id>,
    /// The kind of who acted.
    pub actor_kind: Option<&'static str>,
    /// What was done.
    pub action: Option<&'static str>,
    /// From this time on.
    pub from: Option<Time>,
    /// Before this time.
    pub to: Option<Time>,
}
