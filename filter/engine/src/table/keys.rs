//! The key table: digest -> key, for a million keys in each worker.
//!
//! Extendible hashing (Fagin, Nievergelt, Pippenger, Strong 1979). Entries lie in chunks that never move; an index of small
//! buckets leads to them, and a directory of bucket numbers leads to the buckets. A bucket that fills up is split in two, and
//! only the directory (four bytes for each bucket) ever doubles. So there is no rehash of everything at once and no large allocation: loading
//! a million keys has no step that a request would notice, and the memory is about 76 bytes a key.
//!
//! A bucket has a tag of eight bits of hash for each entry, and a slot with the entry's number and eight more bits. The tags of a group of eight slots are
//! one word and are compared together, so that a look-up touches hardly any entry but the right one. The digest is compared in full. The slot's bits are those
//! that the next splits go by: moving an entry to another bucket does not read it, which would be a cache miss for each.
//!
//! The hash mixes the digest with a seed of the worker's, so that nobody who may import keys can choose digests that share a bucket.

use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{Environment, Key, KeyState};

/// Slots of a group.
const GROUP_SLOTS: usize = 8;
/// Groups of a bucket: 128 slots. Probing begins at the group that the tag says and wraps around.
const GROUPS: usize = 16;
/// A bucket with more slots in use than this is split before the next insertion.
const BUCKET_LIMIT: u16 = 120;
/// Entries of a chunk: about 68 KiB.
const CHUNK_BITS: u32 = 10;
const CHUNK_ENTRIES: usize = 1 << CHUNK_BITS;
/// An entry's number has 24 bits: 16.7 million keys, more than a worker's memory of 1 GiB can hold.
const ENTRY_BITS: u32 = 24;
const ENTRY_MASK: u32 = (1 << ENTRY_BITS) - 1;
/// Tags that are no entry's.
const EMPTY: u8 = 0;
const DELETED: u8 = 1;
/// So many bits of hash are kept in a slot, for as many splits.
const WINDOW_BITS: u32 = 8;
const MAX_ENTRIES: u32 = ENTRY_MASK;
/// The deepest directory: 2^22 buckets would be half a billion keys.
const MAX_DEPTH: u32 = 22;

/// A key, as a request needs it: 68 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    digest: [u8; Digest::LEN],
    id: Id,
    project: u32,
    user: u32,
    policy: u32,
    expires_low: u32,
    expires_high: u16,
    marks: u8,
    state: EntryState,
}

/// Bits of [`Entry::marks`].
const MARK_TEST: u8 = 1;
const MARK_REPORT_SOURCES: u8 = 2;

/// The key's state, and whether this filter understands all of its restrictions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum EntryState {
    Known(KeyState),
    Unsupported,
}

impl Entry {
    fn from_row(key: &Key) -> Self {
        // 48 bits of milliseconds end in the year 10889; a later time is as good as that one.
        let expires_at = key.expires_at.min((1 << 48) - 1);
        let mark = |set: bool, mark: u8| if set { mark } else { 0 };
        Self {
            digest: *key.digest.as_bytes(),
            id: key.id,
            project: key.project,
            user: key.user,
            policy: key.policy,
            expires_low: u32::try_from(expires_at & u64::from(u32::MAX)).unwrap_or(u32::MAX),
            expires_high: u16::try_from(expires_at >> 32).unwrap_or(u16::MAX),
            marks: mark(key.environment == Environment::Test, MARK_TEST)
                | mark(key.flags & Key::REPORT_SOURCES != 0, MARK_REPORT_SOURCES),
            state: if key.flags & Key::CRITICAL_FLAGS == 0 {
                EntryState::Known(key.state)
            } else {
                EntryState::Unsupported
            },
        }
    }

    /// The key's id.
    #[must_use]
    pub const fn id(&self) -> Id {
        self.id
    }

    /// Number of its project; 0 for a personal access token.
    #[must_use]
    pub const fn project(&self) -> u32 {
        self.project
    }

    /// Number of its user; 0 for a project's key.
    #[must_use]
    pub const fn user(&self) -> u32 {
        self.user
    }

    /// Number of its policy; 0 for none.
    #[must_use]
    pub const fn policy(&self) -> u32 {
        self.policy
    }

    /// End of its life in milliseconds since 1970 UTC; `None` for never.
    #[must_use]
    pub fn expires_at(&self) -> Option<u64> {
        let at = (u64::from(self.expires_high) << 32) | u64::from(self.expires_low);
        (at != 0).then_some(at)
    }

    /// `live` or `test`.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        if self.marks & MARK_TEST == 0 { Environment::Live } else { Environment::Test }
    }

    /// Whether the control plane wants to know from where it is used.
    #[must_use]
    pub const fn reports_sources(&self) -> bool {
        self.marks & MARK_REPORT_SOURCES != 0
    }

    /// Its state; `None` when it has a restriction that this filter does not know.
    #[must_use]
    pub const fn state(&self) -> Option<KeyState> {
        match self.state {
            EntryState::Known(state) => Some(state),
            EntryState::Unsupported => None,
        }
    }
}

/// Eight slots, with their tags beside them: a look-up mostly touches one of them.
#[derive(Clone, Copy)]
struct Group {
    /// The slots' tags, the first slot's in the lowest byte.
    tags: u64,
    /// Entry numbers, each below eight bits of its hash ([`slot`]). What is under an empty tag means nothing.
    slots: [u32; GROUP_SLOTS],
}

impl Group {
    fn set_tag(&mut self, at: usize, tag: u8) {
        self.tags = (self.tags & !(0xff << (8 * at))) | (u64::from(tag) << (8 * at));
    }
}

/// A small open-addressing table of slots.
struct Bucket {
    groups: [Group; GROUPS],
    /// Slots that are not [`EMPTY`], the deleted ones included.
    used: u16,
    /// Slots that hold an entry.
    live: u16,
    /// How many leading bits of the hash all its entries share.
    depth: u8,
}

impl Bucket {
    fn boxed(depth: u8) -> Box<Self> {
        let empty = Group { tags: repeated(EMPTY), slots: [0; GROUP_SLOTS] };
        Box::new(Self { groups: [empty; GROUPS], used: 0, live: 0, depth })
    }

    /// The groups in probing order.
    fn probe(tag: u8) -> impl Iterator<Item = usize> {
        (0..GROUPS).map(move |step| (usize::from(tag) + step) % GROUPS)
    }

    /// Group and place of the slots that may hold an entry with this tag, with what they hold.
    fn candidates(&self, tag: u8) -> impl Iterator<Item = (usize, usize, u32)> {
        let mut ended = false;
        let groups = Self::probe(tag).map_while(move |number| {
            let group = self.groups.get(number).filter(|_| !ended)?;
            // An entry is put into the first group with a free slot: it is in none after one that has an empty slot.
            ended = zero_bytes(group.tags) != 0;
            Some((number, group))
        });
        groups.flat_map(move |(number, group)| {
            let found = bytes(zero_bytes(group.tags ^ repeated(tag)));
            found.filter_map(move |at| Some((number, at, *group.slots.get(at)?)))
        })
    }

    /// The tag and the slot of each entry.
    fn entries(&self) -> impl Iterator<Item = (u8, u32)> {
        let all = self.groups.iter().flat_map(|group| group.tags.to_le_bytes().into_iter().zip(group.slots));
        all.filter(|(tag, _)| *tag > DELETED)
    }

    /// Puts an entry into the first free slot.
    fn insert(&mut self, tag: u8, slot: u32) {
        for number in Self::probe(tag) {
            let Some(group) = self.groups.get_mut(number) else { continue };
            // Both kinds of free slots differ in the lowest bit alone.
            let Some(at) = bytes(zero_bytes(group.tags & !repeated(EMPTY | DELETED))).next() else { continue };
            if let Some(place) = group.slots.get_mut(at) {
                *place = slot;
                self.used += u16::from((group.tags >> (8 * at)) & 0xff == u64::from(EMPTY));
                self.live += 1;
                group.set_tag(at, tag);
                return;
            }
        }
    }

    /// Frees the slot of an entry that is removed.
    fn clear(&mut self, group: usize, at: usize) {
        if let Some(group) = self.groups.get_mut(group) {
            group.set_tag(at, DELETED);
            self.live -= 1;
        }
    }
}

/// Keys by digest. See the module's text for its shape.
pub struct KeyTable {
    seed: u64,
    /// Bucket numbers by the leading [`KeyTable::depth`] bits of the hash.
    directory: Vec<u32>,
    depth: u32,
    // Boxed, so that the vector that grows holds pointers and not buckets.
    #[allow(clippy::vec_box)]
    buckets: Vec<Box<Bucket>>,
    chunks: Vec<Vec<Entry>>,
    /// Numbers of entries that were removed, to be given out again.
    free: Vec<u32>,
    len: usize,
}

impl std::fmt::Debug for KeyTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyTable").field("len", &self.len).field("buckets", &self.buckets.len()).finish_non_exhaustive()
    }
}

impl KeyTable {
    /// An empty table. `seed` comes from the host's random source, one for each worker.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            // Odd, so that multiplying by it loses nothing.
            seed: seed | 1,
            directory: vec![0],
            depth: 0,
            buckets: vec![Bucket::boxed(0)],
            chunks: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }

    /// How many keys it has, whatever their state.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no key.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that the table takes, all in.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.chunks.len() * CHUNK_ENTRIES * size_of::<Entry>()
            + self.buckets.len() * (size_of::<Bucket>() + size_of::<Box<Bucket>>())
            + (self.directory.capacity() + self.free.capacity()) * size_of::<u32>()
    }

    /// The key with this digest.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<&Entry> {
        let hash = self.hash(digest.as_bytes());
        let (_, _, number) = self.find(hash, digest.as_bytes())?;
        self.entry(number)
    }

    /// Adds a key or replaces the one with its digest. `false`: there is no room for more keys.
    pub fn upsert(&mut self, key: &Key) -> bool {
        let entry = Entry::from_row(key);
        let hash = self.hash(&entry.digest);
        if let Some((_, _, number)) = self.find(hash, &entry.digest) {
            if let Some(place) = self.entry_mut(number) {
                *place = entry;
            }
            return true;
        }
        let Some(bucket) = self.bucket_with_room(hash) else { return false };
        let Some(number) = self.store(entry) else { return false };
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.insert(tag(hash), slot(hash, bucket.depth, number));
        }
        self.len += 1;
        true
    }

    /// Removes the key with this digest; whether there was one.
    pub fn remove(&mut self, digest: &Digest) -> bool {
        let hash = self.hash(digest.as_bytes());
        let Some((bucket, (group, at), number)) = self.find(hash, digest.as_bytes()) else { return false };
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.clear(group, at);
        }
        self.free.push(number);
        self.len -= 1;
        true
    }

    /// How many pieces of memory it is made of.
    #[cfg(test)]
    pub(super) fn pieces(&self) -> usize {
        self.buckets.len() + self.chunks.len()
    }

    /// Gives back up to `most` of the pieces that it is made of; whether nothing is left. What it held is not found any more.
    pub fn dismantle(&mut self, most: usize) -> bool {
        self.directory.clear();
        let buckets = self.buckets.len().min(most);
        self.buckets.truncate(self.buckets.len() - buckets);
        self.chunks.truncate(self.chunks.len().saturating_sub(most - buckets));
        self.buckets.is_empty() && self.chunks.is_empty()
    }

    /// The leading bits choose the bucket, the last eight are the tag.
    fn hash(&self, digest: &[u8; Digest::LEN]) -> u64 {
        let word = digest.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let mixed = (word ^ (word >> 32)).wrapping_mul(self.seed);
        mixed ^ (mixed >> 29)
    }

    fn bucket_of(&self, hash: u64) -> Option<usize> {
        // A shift by 64 is no shift in Rust, so depth 0 is asked first.
        let at = if self.depth == 0 { 0 } else { hash >> (64 - self.depth) };
        self.directory.get(usize::try_from(at).ok()?).and_then(|bucket| usize::try_from(*bucket).ok())
    }

    /// Bucket, place in it and number of the entry with this digest.
    fn find(&self, hash: u64, digest: &[u8; Digest::LEN]) -> Option<(usize, (usize, usize), u32)> {
        let at_bucket = self.bucket_of(hash)?;
        let bucket = self.buckets.get(at_bucket)?;
        let bits = slot(hash, bucket.depth, 0);
        bucket.candidates(tag(hash)).find_map(|(group, at, found)| {
            let number = found & ENTRY_MASK;
            let is_it =
                found & !ENTRY_MASK == bits && self.entry(number).is_some_and(|entry| same(&entry.digest, digest));
            is_it.then_some((at_bucket, (group, at), number))
        })
    }

    fn entry(&self, number: u32) -> Option<&Entry> {
        let (chunk, at) = place(number);
        self.chunks.get(chunk)?.get(at)
    }

    fn entry_mut(&mut self, number: u32) -> Option<&mut Entry> {
        let (chunk, at) = place(number);
        self.chunks.get_mut(chunk)?.get_mut(at)
    }

    /// Lays the entry down and returns its number; `None` when all numbers are given out.
    fn store(&mut self, entry: Entry) -> Option<u32> {
        if let Some(number) = self.free.pop() {
            *self.entry_mut(number)? = entry;
            return Some(number);
        }
        let number = u32::try_from(self.len).ok().filter(|number| *number < MAX_ENTRIES)?;
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK_ENTRIES) {
            self.chunks.push(Vec::with_capacity(CHUNK_ENTRIES));
        }
        self.chunks.last_mut()?.push(entry);
        Some(number)
    }

    /// The bucket for `hash`, swept or split until it has room; `None` when it cannot be split any more.
    fn bucket_with_room(&mut self, hash: u64) -> Option<usize> {
        loop {
            let at = self.bucket_of(hash)?;
            let bucket = self.buckets.get(at)?;
            if bucket.used < BUCKET_LIMIT {
                return Some(at);
            }
            // Mostly slots of removed keys: without them there is room, and the index does not grow with keys that come and go.
            if bucket.live <= BUCKET_LIMIT / 2 {
                self.sweep(at)?;
            } else {
                self.split(at, hash)?;
            }
        }
    }

    /// Frees the slots of removed keys.
    fn sweep(&mut self, at: usize) -> Option<()> {
        let place = self.buckets.get_mut(at)?;
        let mut swept = Bucket::boxed(place.depth);
        place.entries().for_each(|(tag, slot)| swept.insert(tag, slot));
        *place = swept;
        Some(())
    }

    /// Distributes the entries of a bucket over two, by the next bit of their hash. Slots of removed keys vanish on the way.
    fn split(&mut self, at: usize, hash: u64) -> Option<()> {
        let depth = u32::from(self.buckets.get(at)?.depth);
        if depth >= MAX_DEPTH {
            return None;
        }
        if depth == self.depth {
            self.directory = self.directory.iter().flat_map(|bucket| [*bucket, *bucket]).collect();
            self.depth += 1;
        }
        let child_depth = u8::try_from(depth + 1).ok()?;
        let (mut lower, mut upper) = (Bucket::boxed(child_depth), Bucket::boxed(child_depth));
        // After the last bit that the slots hold the next ones are read from the entries: twice on the way to five million keys.
        let is_last = (depth + 1).is_multiple_of(WINDOW_BITS);
        for (tag, old) in self.buckets.get(at)?.entries() {
            let is_upper = old >> (u32::BITS - 1 - depth % WINDOW_BITS) & 1 == 1;
            let number = old & ENTRY_MASK;
            let new = if is_last { slot(self.hash(&self.entry(number)?.digest), child_depth, number) } else { old };
            if is_upper { upper.insert(tag, new) } else { lower.insert(tag, new) }
        }
        let sibling = self.buckets.len();
        *self.buckets.get_mut(at)? = lower;
        self.buckets.push(upper);
        // The directory entries that share the bucket's leading bits: the upper half now leads to the sibling.
        let span = 1_usize << (self.depth - depth);
        let prefix = if depth == 0 { 0 } else { usize::try_from(hash >> (64 - depth)).ok()? };
        let start = prefix * span + span / 2;
        let sibling = u32::try_from(sibling).ok()?;
        self.directory.get_mut(start..start + span / 2)?.fill(sibling);
        Some(())
    }
}

/// The last eight bits of the hash, as a value that means an entry.
fn tag(hash: u64) -> u8 {
    let [last, ..] = hash.to_le_bytes();
    last.max(DELETED + 1)
}

/// A slot's value: the eight bits of the hash that splits of a bucket of this depth go by, over the entry's number.
fn slot(hash: u64, depth: u8, number: u32) -> u32 {
    let [.., window] = (hash << (u32::from(depth) / WINDOW_BITS * WINDOW_BITS)).to_le_bytes();
    (u32::from(window) << ENTRY_BITS) | number
}

/// A word that has this byte eight times.
const fn repeated(byte: u8) -> u64 {
    u64::from_le_bytes([byte; GROUP_SLOTS])
}

/// The highest bit of each byte that is zero. A byte of 1 above one that is zero may be marked too.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(repeated(0x01)) & !word & repeated(0x80)
}

/// The numbers of the bytes that are marked, the lowest first.
fn bytes(mut marked: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = usize::try_from(marked.trailing_zeros() / 8).ok()?;
        marked &= marked.wrapping_sub(1);
        (at < GROUP_SLOTS).then_some(at)
    })
}

/// Whether two digests are the same, word by word: a comparison of bytes is a loop over single ones in wasm.
fn same(one: &[u8; Digest::LEN], other: &[u8; Digest::LEN]) -> bool {
    let (one, other) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    one.iter().zip(other).all(|(one, other)| u64::from_le_bytes(*one) == u64::from_le_bytes(*other))
}

/// Chunk and place in it of an entry's number.
fn place(number: u32) -> (usize, usize) {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    (number >> CHUNK_BITS, number & (CHUNK_ENTRIES - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn key(number: u64, state: KeyState) -> Key {
        let id = Id([u8::try_from(number % 251).unwrap(); 16]);
        let digest = Digest::of(&number.to_le_bytes());
        let key = Key::of_project(u32::try_from(number).unwrap(), number + 1, id, digest);
        Key { expires_at: number << 20, state, ..key }
    }

    #[test]
    fn an_entry_has_68_bytes() {
        assert_eq!(size_of::<Entry>(), 68);
    }

    #[test]
    fn a_hundred_thousand_keys_are_all_found_and_take_less_than_80_bytes_each() {
        let mut table = KeyTable::new(0x9e37_79b9_7f4a_7c15);
        for number in 0..100_000_u64 {
            assert!(table.upsert(&key(number, KeyState::Active)));
        }
        assert_eq!(table.len(), 100_000);
        for number in 0..100_000_u64 {
            let entry = table.get(&Digest::of(&number.to_le_bytes())).unwrap();
            assert_eq!(u64::from(entry.project()), number);
            assert_eq!(entry.expires_at(), (number != 0).then_some(number << 20));
        }
        assert!(table.get(&Digest::of(b"none")).is_none());
        assert!(table.bytes() / table.len() < 80, "{} bytes a key", table.bytes() / table.len());
    }

    #[test]
    fn keys_that_come_and_go_do_not_use_up_room() {
        let mut table = KeyTable::new(7);
        for number in 0..50_000 {
            assert!(table.upsert(&key(number, KeyState::Active)));
            if number >= 100 {
                assert!(table.remove(&key(number - 100, KeyState::Active).digest));
            }
        }
        assert_eq!(table.len(), 100);
        assert_eq!(table.chunks.len(), 1);
        assert!(table.buckets.len() <= 4, "{} buckets for 100 keys", table.buckets.len());
        for number in 49_900..50_000 {
            assert!(table.get(&key(number, KeyState::Active).digest).is_some());
        }
    }

    #[test]
    fn an_unknown_critical_flag_leaves_the_key_without_a_state() {
        let mut table = KeyTable::new(1);
        let critical = Key { flags: 0x0100, ..key(1, KeyState::Active) };
        let informing = Key { flags: 0x0001, ..key(2, KeyState::Active) };
        assert!(table.upsert(&critical) && table.upsert(&informing));
        assert_eq!(table.get(&critical.digest).unwrap().state(), None);
        assert_eq!(table.get(&informing.digest).unwrap().state(), Some(KeyState::Active));
    }

    #[test]
    fn environment_and_flag_share_a_byte_and_stay_apart() {
        let mut table = KeyTable::new(1);
        for (number, environment, flags) in
            [(1, Environment::Live, 0), (2, Environment::Test, 0), (3, Environment::Live, 1), (4, Environment::Test, 1)]
        {
            let key = Key { environment, flags, ..key(number, KeyState::Active) };
            assert!(table.upsert(&key));
            let entry = table.get(&key.digest).unwrap();
            assert_eq!((entry.environment(), entry.reports_sources()), (environment, flags == 1));
        }
    }

    proptest! {
        #[test]
        fn the_table_agrees_with_a_map(seed: u64, steps in proptest::collection::vec((0_u64..600, 0_u8..4), 1..3_000)) {
            let mut table = KeyTable::new(seed);
            let mut map = HashMap::new();
            for (number, step) in steps {
                let state = KeyState::from_number(step).unwrap_or(KeyState::Active);
                if step == 0 {
                    let digest = key(number, state).digest;
                    prop_assert_eq!(table.remove(&digest), map.remove(&number).is_some());
                } else {
                    prop_assert!(table.upsert(&key(number, state)));
                    map.insert(number, state);
                }
            }
            prop_assert_eq!(table.len(), map.len());
            for number in 0..600 {
                let found = table.get(&key(number, KeyState::Active).digest).and_then(Entry::state);
                prop_assert_eq!(found, map.get(&number).copied());
            }
        }
    }
}
