//! Everything a worker has synced: the keys, and the rows that keys refer to.
//!
//! A [`Table`] is one consistent state at one revision of one epoch. It is filled by pages and never by anything else.

mod keys;
mod owners;
mod retired;

pub use keys::{Entry, KeyTable};
pub use owners::{Account, Owned, Owners, Policy};
pub use retired::Retired;

use keyplane_contract::id::Id;
use keyplane_contract::sync::Record;

/// The synced state.
#[derive(Debug)]
pub struct Table {
    /// Which revision history it belongs to.
    pub epoch: Id,
    /// The last revision applied.
    pub revision: u64,
    /// Keys by digest.
    pub keys: KeyTable,
    /// Accounts, projects, users and policies by number.
    pub owners: Owners,
}

impl Table {
    /// An empty table at revision 0. `seed` spreads the digests; see [`KeyTable::new`].
    #[must_use]
    pub fn new(epoch: Id, seed: u64) -> Self {
        Self { epoch, revision: 0, keys: KeyTable::new(seed), owners: Owners::default() }
    }

    /// Applies one row. `false`: the key table has no room left.
    #[must_use = "a row without room leaves the table incomplete"]
    pub fn apply(&mut self, record: &Record<'_>) -> bool {
        match record {
            Record::Key(key) => return self.keys.upsert(key),
            Record::Gone(gone) => {
                self.keys.remove(&gone.digest);
            }
            Record::Account(account) => self.owners.put_account(account),
            Record::Project(project) => self.owners.put_project(project),
            Record::User(user) => self.owners.put_user(user),
            Record::Policy(policy) => self.owners.put_policy(policy),
        }
        true
    }

    /// Gives back up to `most` of its pieces of each kind; whether nothing is left.
    fn dismantle(&mut self, most: usize) -> bool {
        // Both, also when the first has something left.
        let (keys, owners) = (self.keys.dismantle(most), self.owners.dismantle(most));
        keys && owners
    }
}
