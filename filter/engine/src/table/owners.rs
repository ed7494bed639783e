//! Accounts, projects, users and policies: few rows, which many keys refer to by number.

use keyplane_contract::id::Id;
use keyplane_contract::sync::{Metadata, record};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: Id,
    /// Whether its keys are switched off together.
    pub suspended: bool,
    /// Its name; empty when the control plane does not tell it.
    pub name: Box<str>,
    /// What another system calls it; empty for none.
    pub external_id: Box<str>,
}

/// What many keys share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Scopes joined by single spaces.
    pub scopes: Box<str>,
    /// Networks as on the wire, [`record::Policy::NETWORK_LEN`] bytes each; empty for all.
    pub networks: Box<[u8]>,
    metadata: Box<[u8]>,
}

impl Policy {
    /// Those pairs of the keys' metadata that the operator chose to tell proxies.
    #[must_use]
    pub const fn metadata(&self) -> Metadata<'_> {
        Metadata::from_bytes(&self.metadata)
    }
}

/// The rows by number. A B-tree because the numbers are dense and its steps are small: no rehash of everything at once.
#[derive(Debug, Default)]
pub struct Owners {
    accounts: BTreeMap<u32, Account>,
    accounts_by_id: BTreeMap<Id, u32>,
    accounts_by_external_id: BTreeMap<Box<str>, u32>,
    projects: BTreeMap<u32, Owned>,
    users: BTreeMap<u32, Owned>,
    policies: BTreeMap<u32, Policy>,
}

impl Owners {
    pub(super) fn put_account(&mut self, row: &record::Account<'_>) {
        let (name, external_id): (Box<str>, Box<str>) = (row.name.into(), row.external_id.into());
        let account = Account { id: row.id, suspended: row.suspended, name, external_id: external_id.clone() };
        let before = self.accounts.insert(row.no, account);
        // An account keeps its id. If it ever did not, the old one must not find it any more.
        if let Some(id) = before.as_ref().map(|before| before.id).filter(|id| *id != row.id) {
            self.accounts_by_id.remove(&id);
        }
        self.accounts_by_id.insert(row.id, row.no);
        // An external id may have gone to another account meanwhile, whose row came first.
        if let Some(before) = before.filter(|before| before.external_id != external_id)
            && self.accounts_by_external_id.get(&before.external_id) == Some(&row.no)
        {
            self.accounts_by_external_id.remove(&before.external_id);
        }
        if !external_id.is_empty() {
            self.accounts_by_external_id.insert(external_id, row.no);
        }
    }

    pub(super) fn put_project(&mut self, row: &record::Project) {
        self.projects.insert(row.no, Owned { id: row.id, account: row.account });
    }

    pub(super) fn put_user(&mut self, row: &record::User) {
        self.users.insert(row.no, Owned { id: row.id, account: row.account });
    }

    pub(super) fn put_policy(&mut self, row: &record::Policy<'_>) {
        let (scopes, networks, metadata) = (row.scopes.into(), row.networks.into(), row.metadata.as_bytes().into());
        self.policies.insert(row.no, Policy { scopes, networks, metadata });
    }

    /// How many accounts there are.
    #[cfg(test)]
    pub(super) fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// Drops up to `most` rows of each kind; whether nothing is left.
    pub(super) fn dismantle(&mut self, most: usize) -> bool {
        fn some<K: Ord, V>(rows: &mut BTreeMap<K, V>, most: usize) -> bool {
            (0..most).any(|_| rows.pop_first().is_none()) || rows.is_empty()
        }
        // Each of them, also when one before is not empty yet.
        [
            some(&mut self.accounts, most),
            some(&mut self.accounts_by_id, most),
            some(&mut self.accounts_by_external_id, most),
            some(&mut self.projects, most),
            some(&mut self.users, most),
            some(&mut self.policies, most),
        ]
        .into_iter()
        .all(|empty| empty)
    }

    /// The account with this number.
    #[must_use]
    pub fn account(&self, no: u32) -> Option<&Account> {
        self.accounts.get(&no)
    }

    /// The account with this id.
    #[must_use]
    pub fn account_by_id(&self, id: Id) -> Option<&Account> {
        self.account(*self.accounts_by_id.get(&id)?)
    }

    /// The account that a token names: by its id, else by its external id.
    #[must_use]
    pub fn account_named(&self, name: &str) -> Option<&Account> {
        let by_id = Id::parse(name.as_bytes()).and_then(|id| self.account_by_id(id));
        by_id.or_else(|| self.account(*self.accounts_by_external_id.get(name)?))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(no: u32, id: u8, name: &str) -> record::Account<'_> {
        record::Account { revision: 1, id: Id([id; 16]), no, suspended: false, name, external_id: "org_1" }
    }

    #[test]
    fn an_account_is_found_by_number_and_by_id_as_it_is_now() {
        let mut owners = Owners::default();
        owners.put_account(&row(1, 0xa1, "Acme"));
        owners.put_account(&row(2, 0xa2, "Other"));
        owners.put_account(&row(1, 0xa1, "Acme Inc"));
        assert_eq!(&*owners.account(1).unwrap().name, "Acme Inc");
        assert_eq!(owners.account_by_id(Id([0xa1; 16])), owners.account(1));
        assert_eq!(owners.account_by_id(Id([0xa2; 16])), owners.account(2));
        assert_eq!(owners.account_by_id(Id([0xa3; 16])), None);
        owners.put_account(&row(2, 0xa3, "Other"));
        assert_eq!(owners.account_by_id(Id([0xa2; 16])), None);
        assert_eq!(&*owners.account_by_id(Id([0xa3; 16])).unwrap().external_id, "org_1");
    }

    #[test]
    fn an_account_is_found_by_the_name_that_a_token_has_for_it() {
        let with = |no, external_id| record::Account { external_id, ..row(no, u8::try_from(no).unwrap(), "Acme") };
        let found = |owners: &Owners, name: &str| owners.account_named(name).map(|account| account.id);
        let (one, two) = (Id([1; 16]), Id([2; 16]));
        let mut owners = Owners::default();
        owners.put_account(&with(1, "org_1"));
        owners.put_account(&with(2, ""));
        assert_eq!(found(&owners, "org_1"), Some(one));
        assert_eq!(found(&owners, &two.to_string()), Some(two));
        for nobody in ["", "org_2", "ORG_1", &Id([3; 16]).to_string()] {
            assert_eq!(found(&owners, nobody), None, "{nobody}");
        }
        // It goes from one account to the other; the row of the one that gets it may come first.
        owners.put_account(&with(2, "org_1"));
        owners.put_account(&with(1, "org_9"));
        assert_eq!((found(&owners, "org_1"), found(&owners, "org_9")), (Some(two), Some(one)));
        owners.put_account(&with(2, ""));
        assert_eq!(found(&owners, "org_1"), None);
        // Nobody's external id stands for another account.
        owners.put_account(&with(2, &one.to_string()));
        assert_eq!(found(&owners, &one.to_string()), Some(one));
    }

    #[test]
    fn a_policy_tells_its_metadata() {
        let bytes = Metadata::encode([("plan", "pro"), ("tier", "3")]).unwrap();
        let metadata = Metadata::from_bytes(&bytes);
        let mut owners = Owners::default();
        owners.put_policy(&record::Policy { revision: 1, no: 1, scopes: "", networks: &[], metadata });
        assert_eq!(owners.policy(1).unwrap().metadata(), metadata);
        assert_eq!(owners.policy(1).unwrap().metadata().get("tier"), Some("3"));
    }
}
