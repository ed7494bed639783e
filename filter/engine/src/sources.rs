//! Where keys are used from: only those keys of which the control plane wants to know, because they are being replaced.
//!
//! Bounded: [`MAX_SOURCES`] addresses a key and [`MAX_KEYS`] keys between two batches. Further addresses of a key are counted together as
//! [`SourceUsage::OTHER`]; uses of further keys are lost here, which is counted, but not in [`crate::usage`].

use keyplane_contract::id::Id;
use keyplane_contract::sync::SourceUsage;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

/// Addresses that are told one by one for each key and batch.
pub const MAX_SOURCES: usize = 8;
/// Keys whose sources one worker tells in one batch.
pub const MAX_KEYS: usize = 1_024;

/// Uses by key and source since the last batch.
#[derive(Debug, Default)]
pub struct Sources {
    keys: BTreeMap<Id, Vec<SourceUsage>>,
    lost: u64,
}

impl Sources {
    /// Counts a request with `key` from `address`; `None` for one that the proxy does not know. `now` in milliseconds since 1970 UTC.
    pub fn count(&mut self, key: Id, address: Option<Ipv6Addr>, now: u64) {
        let address = address.map_or(SourceUsage::OTHER, |address| address.octets());
        if self.keys.len() >= MAX_KEYS && !self.keys.contains_key(&key) {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        let sources = self.keys.entry(key).or_default();
        let known = sources.iter().any(|source| source.address == address);
        let told = sources.iter().filter(|source| source.address != SourceUsage::OTHER).count();
        let address = if known || told < MAX_SOURCES { address } else { SourceUsage::OTHER };
        if let Some(source) = sources.iter_mut().find(|source| source.address == address) {
            source.count = source.count.saturating_add(1);
            source.last_seen = source.last_seen.max(now);
        } else {
            sources.push(SourceUsage { address, count: 1, last_seen: now });
        }
    }

    /// How many uses were lost because too many keys are being replaced at once.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Hands over key by key; `take` says whether it took one. What it did not take stays.
    pub fn drain(&mut self, mut take: impl FnMut(Id, &[SourceUsage]) -> bool) {
        self.keys.retain(|key, sources| !take(*key, sources));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn all(sources: &mut Sources) -> Vec<(Id, Vec<SourceUsage>)> {
        let mut all = Vec::new();
        sources.drain(|key, sources| {
            all.push((key, sources.to_vec()));
            true
        });
        all
    }

    #[test]
    fn uses_are_counted_by_key_and_address() {
        let (one, two) = (Id([1; 16]), Id([2; 16]));
        let mut sources = Sources::default();
        sources.count(one, Some(address("2001:db8::1")), 10);
        sources.count(one, Some(address("2001:db8::2")), 11);
        sources.count(one, Some(address("2001:db8::1")), 12);
        sources.count(two, Some(address("2001:db8::1")), 13);
        let of = |text, count, last_seen| SourceUsage { address: address(text).octets(), count, last_seen };
        let expected =
            [(one, vec![of("2001:db8::1", 2, 12), of("2001:db8::2", 1, 11)]), (two, vec![of("2001:db8::1", 1, 13)])];
        assert_eq!(all(&mut sources), expected);
        assert_eq!(all(&mut sources), []);
    }

    proptest! {
        #[test]
        fn however_many_sources_there_are_the_room_is_bounded_and_every_use_counts(
            uses in proptest::collection::vec((0_u8..40, 0_u8..3), 0..300),
        ) {
            let mut sources = Sources::default();
            for (last, key) in &uses {
                let mut address = [0; 16];
                address[15] = *last;
                sources.count(Id([*key; 16]), Some(address.into()), 1);
            }
            let all = all(&mut sources);
            prop_assert!(all.iter().all(|(_, sources)| sources.len() <= MAX_SOURCES + 1));
            let counted: u32 = all.iter().flat_map(|(_, sources)| sources).map(|source| source.count).sum();
            prop_assert_eq!(counted as usize, uses.len());
        }
    }

    #[test]
    fn uses_of_too_many_keys_are_lost_and_the_loss_is_counted() {
        let mut sources = Sources::default();
        for number in 0..MAX_KEYS as u128 + 3 {
            sources.count(Id(number.to_be_bytes()), None, 1);
        }
        assert_eq!(sources.lost(), 3);
        assert_eq!(all(&mut sources).len(), MAX_KEYS);
    }
}
