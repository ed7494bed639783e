//! Counting uses of keys, and sending the counts in batches that are never counted twice.
//!
//! Counts gather by key until a batch is due. The batch then waits for its answer; if that does not come, the same bytes
//! with the same sequence number are sent again, while new counts gather for the next one. What is gathered is bounded:
//! beyond [`MAX_KEYS`] keys further ones are not counted, and the loss itself is.

use crate::sources::Sources;
use keyplane_contract::code::Reason;
use keyplane_contract::id::Id;
use keyplane_contract::sync::UsageWriter;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::Ipv6Addr;

/// Milliseconds between two batches. Well below the 15 s that a key's last use may be behind.
pub const FLUSH_MILLISECONDS: u64 = 5_000;
/// Keys that one worker counts between two batches.
pub const MAX_KEYS: usize = 65_536;
/// Milliseconds to wait before a batch is sent again.
const RETRY_MILLISECONDS: u64 = 2_000;
/// A batch that is not answered within this time counts as lost by the host, and is sent again. Above any call's own timeout.
const LOST_MILLISECONDS: u64 = 15_000;

/// Hashes an id by its last eight bytes: the random part of a version 7 UUID, which callers cannot choose. Two bits of it say that it is a UUID and are always the
/// same, so the bits are mixed: a map that goes by those two would use a quarter of its places.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last_chunk::<8>() {
            let mixed = u64::from_le_bytes(*last).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 = mixed ^ (mixed >> 32);
        }
    }

    // The length that a slice's hash begins with says nothing here.
    fn write_usize(&mut self, _: usize) {}
}

/// Small, because every request with a key touches one: most keys are only ever allowed.
#[derive(Debug, Default)]
struct Counts {
    last_seen: u64,
    allowed: u32,
    others: Option<Box<[u32; Reason::ALL.len()]>>,
}

impl Counts {
    fn count(&mut self, reason: Reason) {
        let count = match reason {
            Reason::Allowed => Some(&mut self.allowed),
            _ => self.others.get_or_insert_default().get_mut(usize::from(reason as u8)),
        };
        if let Some(count) = count {
            *count = count.saturating_add(1);
        }
    }

    fn of(&self, reason: Reason) -> u32 {
        match reason {
            Reason::Allowed => self.allowed,
            _ => self.others.as_ref().and_then(|others| others.get(usize::from(reason as u8)).copied()).unwrap_or(0),
        }
    }
}

#[derive(Debug)]
struct Pending {
    bytes: Vec<u8>,
    /// When to send it: first, again after a failure, or again because no answer ever came.
    due_at: u64,
}

/// The counts of one worker.
#[derive(Debug)]
pub struct Usage {
    worker: Id,
    sequence: u64,
    counts: HashMap<Id, Counts, BuildHasherDefault<IdHasher>>,
    sources: Sources,
    pending: Option<Pending>,
    flush_at: u64,
    lost: u64,
}

impl Usage {
    /// Nothing counted yet. `worker` is new for each VM, so that its sequence may begin at 1.
    #[must_use]
    pub fn new(worker: Id) -> Self {
        Self {
            worker,
            sequence: 0,
            counts: HashMap::default(),
            sources: Sources::default(),
            pending: None,
            flush_at: 0,
            lost: 0,
        }
    }

    /// Counts a decision about a known key. `now` in milliseconds since 1970 UTC; a second of lateness does no harm.
    pub fn count(&mut self, key: Id, reason: Reason, now: u64) {
        if self.counts.len() >= MAX_KEYS && !self.counts.contains_key(&key) {
            self.lost += 1;
            return;
        }
        let counts = self.counts.entry(key).or_default();
        counts.last_seen = counts.last_seen.max(now);
        counts.count(reason);
    }

    /// Counts where a key was used from, beside [`Usage::count`] and only for keys that report it. `address` is `None` when the proxy does not know it.
    pub fn count_source(&mut self, key: Id, address: Option<Ipv6Addr>, now: u64) {
        self.sources.count(key, address, now);
    }

    /// How many uses were not counted because too many keys were in use.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// How many uses were counted without their source because too many keys report theirs.
    #[must_use]
    pub const fn sources_lost(&self) -> u64 {
        self.sources.lost()
    }

    /// The batch to send now, if one is due. The caller then tells [`Usage::answered`].
    pub fn due(&mut self, now: u64) -> Option<Vec<u8>> {
        if self.pending.is_none() {
            self.pending = self.next_batch(now);
        }
        let pending = self.pending.as_mut()?;
        if now < pending.due_at {
            return None;
        }
        pending.due_at = now + LOST_MILLISECONDS;
        Some(pending.bytes.clone())
    }

    fn next_batch(&mut self, now: u64) -> Option<Pending> {
        if (self.counts.is_empty() && self.sources.is_empty()) || now < self.flush_at {
            return None;
        }
        self.flush_at = now + FLUSH_MILLISECONDS;
        self.sequence += 1;
        let mut writer = UsageWriter::new(self.worker, self.sequence);
        let mut full = false;
        self.counts.retain(|key, counts| {
            let by_reason = Reason::ALL.into_iter().map(|reason| (reason, counts.of(reason)));
            let by_reason = by_reason.filter(|(_, count)| *count > 0);
            full = full || !writer.push(*key, counts.last_seen, by_reason);
            full
        });
        // After the counts, which matter more: what has no room waits for the next batch.
        self.sources.drain(|key, sources| {
            full = full || !writer.push_sources(key, sources.iter().copied());
            !full
        });
        Some(Pending { bytes: writer.finish(), due_at: now })
    }

    /// Tells what became of the batch: `accepted` when the control plane has it for good, or refuses it for good.
    pub fn answered(&mut self, now: u64, accepted: bool) {
        if accepted {
            self.pending = None;
        } else if let Some(pending) = &mut self.pending {
            pending.due_at = now + RETRY_MILLISECONDS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyplane_contract::sync::UsageBatch;

    const KEY: Id = Id([7; 16]);

    fn decode(bytes: &[u8]) -> UsageBatch {
        UsageBatch::decode(bytes).unwrap()
    }

    #[test]
    fn an_unanswered_batch_is_sent_again_with_its_sequence_while_counting_goes_on() {
        let mut usage = Usage::new(Id([1; 16]));
        assert!(usage.due(0).is_none());
        usage.count(KEY, Reason::Allowed, 10);
        usage.count(KEY, Reason::Expired, 12);
        let first = usage.due(100).unwrap();
        assert_eq!(decode(&first).records[0].counts, [(Reason::Allowed, 1), (Reason::Expired, 1)]);
        assert_eq!(decode(&first).records[0].last_seen, 12);
        usage.count(KEY, Reason::Allowed, 200);
        assert!(usage.due(10_000).is_none(), "one batch at a time");
        usage.answered(10_000, false);
        assert!(usage.due(10_001).is_none(), "not at once");
        assert_eq!(usage.due(12_000).unwrap(), first);
        assert_eq!(usage.due(12_000 + LOST_MILLISECONDS).unwrap(), first, "the host lost the call");
        let answered = 12_100 + LOST_MILLISECONDS;
        usage.answered(answered, true);
        let second = decode(&usage.due(answered).unwrap());
        assert_eq!((second.sequence, second.records[0].last_seen), (2, 200));
        usage.answered(answered, true);
        assert!(usage.due(60_000).is_none());
    }

    #[test]
    fn sources_go_with_the_counts_of_their_batch() {
        let mut usage = Usage::new(Id([1; 16]));
        usage.count(KEY, Reason::Allowed, 10);
        usage.count_source(KEY, Some([7; 16].into()), 10);
        let batch = decode(&usage.due(100).unwrap());
        assert_eq!((batch.records.len(), batch.sources.len()), (1, 1));
        assert_eq!((batch.sources[0].key, batch.sources[0].sources[0].address), (KEY, [7; 16]));
        usage.answered(100, true);
        usage.count(KEY, Reason::Allowed, 200);
        let batch = decode(&usage.due(10_000).unwrap());
        assert_eq!((batch.records.len(), batch.sources.len()), (1, 0), "told once");
    }

    #[test]
    fn batches_keep_their_distance() {
        let mut usage = Usage::new(Id([1; 16]));
        usage.count(KEY, Reason::Allowed, 0);
        assert!(usage.due(1_000).is_some());
        usage.answered(1_001, true);
        usage.count(KEY, Reason::Allowed, 1_002);
        assert!(usage.due(1_002).is_none());
        assert!(usage.due(1_000 + FLUSH_MILLISECONDS).is_some());
    }

    #[test]
    fn what_all_ids_have_in_common_costs_no_places() {
        let mut places = [0_u32; 256];
        for random in 0..16_384_u64 {
            let mut id = [0; 16];
            id[8..].copy_from_slice(&random.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes());
            id[8] = id[8] & 0x3f | 0x80;
            let mut hasher = IdHasher::default();
            hasher.write(&id);
            places[usize::from(hasher.finish().to_le_bytes()[0])] += 1;
        }
        assert!(places.iter().all(|ids| (20..=110).contains(ids)), "{places:?}");
    }

    #[test]
    fn more_keys_than_fit_a_batch_follow_in_the_next() {
        let mut usage = Usage::new(Id([1; 16]));
        for number in 0..MAX_KEYS + 5 {
            let mut id = [0; 16];
            id[8..].copy_from_slice(&(number as u64).to_le_bytes());
            usage.count(Id(id), Reason::Allowed, 1);
        }
        assert_eq!(usage.lost(), 5);
        let (mut seen, mut now) = (0, 0);
        while let Some(bytes) = usage.due(now) {
            seen += decode(&bytes).records.len();
            usage.answered(now, true);
            now += FLUSH_MILLISECONDS;
        }
        assert_eq!(seen, MAX_KEYS);
    }
}
