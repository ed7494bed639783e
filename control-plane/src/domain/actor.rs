//! Who acts, and how far the actor reaches: the whole of what callers may do is decided here, deny by default.
//!
//! An operation names the [`Right`] that it takes and is told the [`Reach`]: which accounts' objects exist for this actor. What
//! lies outside the reach is answered as if it did not exist, so that nobody learns another tenant's ids.
//!
//! | actor | what it may do |
//! |---|---|
//! | admin key | everything; one with read access changes nothing |
//! | account key | what its management scopes say (`keyplane:keys:write`), in its account |
//! | owner, admin | everything in their account, but plan and status |
//! | member | sees account, projects, users and usage; makes and changes keys; their own personal tokens |

use super::id::{AdminKeyId, KeyId, UserId};
use super::rights::{Access, Resource, Right, Rights};
use super::user::Role;
use keyplane_contract::id::Id;

/// Who acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Actor {
    /// The holder of an admin key: the operator.
    AdminKey {
        /// Its id.
        id: AdminKeyId,
        /// Whether it may change things.
        access: Access,
    },
    /// The holder of an account's key.
    Key {
        /// Its id.
        id: KeyId,
        /// Number of its account.
        account: u32,
        /// What its management scopes allow.
        rights: Rights,
    },
    /// A person, by a personal access token or a JWT.
    User {
        /// Their id.
        id: UserId,
        /// Their number.
        no: u32,
        /// Number of their account.
        account: u32,
        /// What they are in it.
        role: Role,
        /// The personal access token; `None` for a JWT.
        token: Option<KeyId>,
    },
    /// Keyplane itself, on time or from the command line.
    System,
}

/// Whose objects exist for an actor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Everybody's.
    Everything,
    /// Those of the account with this number.
    Account(u32),
    /// A user's own.
    Own {
        /// Number of the user's account.
        account: u32,
        /// The user's number.
        user: u32,
    },
}

impl Reach {
    /// Whether objects of this account exist for the actor. Of a person's own things ask [`Self::covers_user`].
    pub fn covers(self, account: u32) -> bool {
        match self {
            Self::Everything => true,
            Self::Account(own) | Self::Own { account: own, .. } => own == account,
        }
    }

    /// Whether what belongs to this user of this account exists for the actor.
    pub fn covers_user(self, account: u32, user: u32) -> bool {
        match self {
            Self::Everything => true,
            Self::Account(own) => own == account,
            Self::Own { account: own, user: themselves } => (own, themselves) == (account, user),
        }
    }

    /// The one account that lists show; `None` for all.
    pub const fn account(self) -> Option<u32> {
        match self {
            Self::Everything => None,
            Self::Account(account) | Self::Own { account, .. } => Some(account),
        }
    }

    /// The one user whose own things lists show; `None` for all of the account.
    pub const fn user(self) -> Option<u32> {
        match self {
            Self::Own { user, .. } => Some(user),
            Self::Everything | Self::Account(_) => None,
        }
    }
}

impl Actor {
    /// How far the actor reaches with this right; `None` when it does not have it.
    pub fn may(&self, right: Right) -> Option<Reach> {
        match *self {
            Self::System => Some(Reach::Everything),
            Self::AdminKey { access, .. } => access.includes(right.access).then_some(Reach::Everything),
            Self::Key { account, rights, .. } => rights.include(right).then_some(Reach::Account(account)),
            Self::User { no: user, account, role, .. } => {
                role_may(role, right).then_some(match (right.resource, role) {
                    (Resource::PersonalTokens, Role::Member) => Reach::Own { account, user },
                    _ => Reach::Account(account),
                })
            }
        }
    }

    /// The management rights that the actor can hand on to a key: those that it has itself.
    pub fn grantable(&self) -> Rights {
        match *self {
            Self::System
            | Self::AdminKey { access: Access::Write, .. }
            | Self::User { role: Role::Owner | Role::Admin, .. } => Rights::ALL,
            Self::Key { rights, .. } => rights,
            Self::AdminKey { access: Access::Read, .. } | Self::User { role: Role::Member, .. } => Rights::default(),
        }
    }

    /// Whether the actor decides about users of this role: only owners make, change and remove owners.
    pub const fn rules_over(&self, role: Role) -> bool {
        match self {
            Self::User { role: own, .. } => own.rules_over(role),
            Self::Key { .. } => !matches!(role, Role::Owner),
            Self::System | Self::AdminKey { .. } => true,
        }
    }

    /// Whether the actor is on the operator's side: plans and status are not for tenants to change.
    pub const fn is_operator(&self) -> bool {
        matches!(self, Self::System | Self::AdminKey { .. })
    }

    /// Every kind's name in the audit log.
    pub const KINDS: [&str; 4] = ["admin_key", "key", "user", "system"];

    /// The kind's name in the audit log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::AdminKey { .. } => "admin_key",
            Self::Key { .. } => "key",
            Self::User { .. } => "user",
            Self::System => "system",
        }
    }

    /// Number of the account that the actor is of; `None` on the operator's side.
    pub const fn account(&self) -> Option<u32> {
        match self {
            Self::Key { account, .. } | Self::User { account, .. } => Some(*account),
            Self::AdminKey { .. } | Self::System => None,
        }
    }

    /// Which one of the kind.
    pub const fn id(&self) -> Option<Id> {
        match self {
            Self::AdminKey { id, .. } => Some(id.0),
            Self::Key { id, .. } => Some(id.0),
            Self::User { id, .. } => Some(id.0),
            Self::System => None,
        }
    }
}

/// What a role may do in its account.
fn role_may(role: Role, right: Right) -> bool {
    match (right.resource, right.access) {
        // The operator's own.
        (Resource::AdminKeys | Resource::ProxyTokens | Resource::Proxies | Resource::Metrics, _) => false,
        (Resource::Keys | Resource::PersonalTokens, _)
        | (Resource::Accounts | Resource::Projects | Resource::Users | Resource::Usage, Access::Read) => true,
        (Resource::Accounts | Resource::Projects | Resource::Users | Resource::Usage, Access::Write)
        | (Resource::Audit, _) => !matches!(role, Role::Member),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::scope::Scopes;

    fn key(scopes: &[&str]) -> Actor {
        let rights = Rights::of(&Scopes::parse(scopes).unwrap());
        Actor::Key { id: KeyId(Id([1; 16])), account: 7, rights }
    }

    fn user(role: Role) -> Actor {
        Actor::User { id: UserId(Id([2; 16])), no: 3, account: 7, role, token: None }
    }

    #[test]
    fn a_key_without_management_scopes_may_do_nothing() {
        for right in Right::all() {
            assert_eq!(key(&["read", "write", "admin"]).may(right), None, "{right:?}");
        }
    }

    #[test]
    fn a_scope_opens_its_resource_in_the_own_account_and_nothing_else() {
        let writer = key(&["keyplane:keys:write"]);
        for right in Right::all() {
            let expected = (right.resource == Resource::Keys).then_some(Reach::Account(7));
            assert_eq!(writer.may(right), expected, "{right:?}");
        }
        assert_eq!(key(&["keyplane:keys:read"]).may(Right::write(Resource::Keys)), None);
    }

    #[test]
    fn nobody_but_the_operator_reaches_the_operators_own_things() {
        let tenants = [user(Role::Owner), user(Role::Admin), user(Role::Member)];
        for resource in [Resource::AdminKeys, Resource::ProxyTokens, Resource::Proxies, Resource::Metrics] {
            for actor in &tenants {
                assert_eq!(actor.may(Right::read(resource)), None);
                assert_eq!(actor.may(Right::write(resource)), None);
            }
        }
    }

    #[test]
    fn a_read_key_of_the_operator_sees_everything_and_changes_nothing() {
        let actor = Actor::AdminKey { id: AdminKeyId(Id([3; 16])), access: Access::Read };
        for right in Right::all() {
            let expected = (right.access == Access::Read).then_some(Reach::Everything);
            assert_eq!(actor.may(right), expected, "{right:?}");
        }
        assert_eq!(actor.grantable(), Rights::default());
    }

    #[test]
    fn a_members_tokens_are_their_own_and_an_owners_those_of_the_account() {
        let tokens = Right::write(Resource::PersonalTokens);
        assert_eq!(user(Role::Member).may(tokens), Some(Reach::Own { account: 7, user: 3 }));
        assert_eq!(user(Role::Owner).may(tokens), Some(Reach::Account(7)));
        assert!(!Reach::Own { account: 7, user: 3 }.covers_user(7, 4));
        assert!(!Reach::Account(7).covers(8));
    }
}
