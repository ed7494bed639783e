//! Tables that serve no more, given back piece by piece.
//!
//! A table of a million keys is seventeen thousand pieces of memory, and as many rows more as there are accounts. To drop it at once is one long
//! step, in which a worker answers nobody. So a table that was replaced, or that no configuration needs any more, goes in small steps, as time passes and as
//! pages arrive.

use super::Table;

/// Pieces of each kind that a step gives back.
const PIECES: usize = 2_048;

/// Old tables, the oldest first. There is hardly ever more than one: loading the next takes longer than taking this one apart.
#[derive(Debug, Default)]
pub struct Retired(Vec<Table>);

impl Retired {
    /// Takes a table out of service.
    pub fn push(&mut self, table: Option<Table>) {
        self.0.extend(table);
    }

    /// Takes over what another has still to give back.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// One step of bounded work; nothing when there is no old table.
    pub fn step(&mut self) {
        self.give_back(PIECES);
    }

    fn give_back(&mut self, most: usize) {
        if let Some(oldest) = self.0.first_mut()
            && oldest.dismantle(most)
        {
            self.0.remove(0);
        }
    }

    /// Whether all has been given back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyplane_contract::digest::Digest;
    use keyplane_contract::id::Id;
    use keyplane_contract::sync::{Account, Environment, Key, KeyState, Record};

    fn table(count: u32) -> Table {
        let mut table = Table::new(Id([1; 16]), 7);
        for no in 0..count {
            let digest = Digest::of(&no.to_le_bytes());
            let (revision, id, environment, state) = (1, Id([2; 16]), Environment::Live, KeyState::Active);
            let (project, user, policy, expires_at, flags) = (1, 0, 0, 0, 0);
            let key = Key { revision, digest, id, project, user, policy, expires_at, environment, state, flags };
            assert!(table.apply(&Record::Key(key)));
            let mut id = Id([0; 16]);
            id.0[..4].copy_from_slice(&no.to_le_bytes());
            let account = Account { revision, id, no, suspended: false, name: "Acme", external_id: "" };
            assert!(table.apply(&Record::Account(account)));
        }
        table
    }

    #[test]
    fn a_step_gives_back_no_more_than_its_share_and_all_goes_in_the_end() {
        const MOST: usize = 64;
        let mut retired = Retired::default();
        retired.push(None);
        assert!(retired.is_empty());
        retired.push(Some(table(20_000)));
        retired.push(Some(table(3)));
        let left = |retired: &Retired| {
            let sum = |of: fn(&Table) -> usize| retired.0.iter().map(of).sum::<usize>();
            (sum(|table| table.keys.pieces()), sum(|table| table.owners.accounts()))
        };
        let (mut before, mut steps) = (left(&retired), 0);
        assert!(before.0 > 2 * MOST && before.1 > 2 * MOST, "{before:?}");
        while !retired.is_empty() {
            retired.give_back(MOST);
            let now = left(&retired);
            assert!(now <= before && before.0 - now.0 <= MOST && before.1 - now.1 <= MOST, "{before:?} {now:?}");
            (before, steps) = (now, steps + 1);
        }
        assert_eq!((before, steps), ((0, 0), 20_000 / MOST + 2));
    }
}
