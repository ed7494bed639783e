//! Accounts, projects, users and policies: few rows, which many keys refer to by number.

use keyplane_contract::id::Id;
use keyplane_contract::sync::record;
use std::collections::BTreeMap;

/// A project or a user: something that belongs to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// Its id.
    pub id: Id,
    /// Number of its account.
    pub account: u32,
}

/// An account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: Id,
    /// Whether its keys are switched off together.
    pub suspended: bool,
}

/// What many keys share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Scopes joined by single spaces.
    pub scopes: Box<str>,
    /// Networks as on the wire, [`record::Policy::NETWORK_LEN`] bytes each; empty for all.
    pub networks: Box<[u8]>,
}

/// The rows by number. A B-tree because the numbers are dense and its steps are small: no rehash of everything at once.
#[derive(Debug, Default)]
pub struct Owners {
    accounts: BTreeMap<u32, Account>,
    projects: BTreeMap<u32, Owned>,
    users: BTreeMap<u32, Owned>,
    policies: BTreeMap<u32, Policy>,
}

impl Owners {
    pub(super) fn put_account(&mut self, row: &record::Account) {
        self.accounts.insert(row.no, Account { id: row.id, suspended: row.suspended });
    }

    pub(super) fn put_project(&mut self, row: &record::Project) {
        self.projects.insert(row.no, Owned { id: row.id, account: row.account });
    }

    pub(super) fn put_user(&mut self, row: &record::User) {
        self.users.insert(row.no, Owned { id: row.id, account: row.account });
    }

    pub(super) fn put_policy(&mut self, row: &record::Policy<'_>) {
        let (scopes, networks) = (row.scopes.into(), row.networks.into());
        self.policies.insert(row.no, Policy { scopes, networks });
    }

    /// The account with this number.
    #[must_use]
    pub fn account(&self, no: u32) -> Option<&Account> {
        self.accounts.get(&no)
    }

    /// The project with this number.
    #[must_use]
    pub fn project(&self, no: u32) -> Option<&Owned> {
        self.projects.get(&no)
    }

    /// The user with this number.
    #[must_use]
    pub fn user(&self, no: u32) -> Option<&Owned> {
        self.users.get(&no)
    }

    /// The policy with this number.
    #[must_use]
    pub fn policy(&self, no: u32) -> Option<&Policy> {
        self.policies.get(&no)
    }
}
