//! The promises of sync, page by page.

mod probing;

use super::*;
use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{Gone, Key, KeyState, PageWriter, Record};
use proptest::prelude::*;
use std::collections::BTreeMap;

const EPOCH: Id = Id([1; 16]);
const OTHER_EPOCH: Id = Id([2; 16]);

fn digest(name: u64) -> Digest {
    Digest::of(&name.to_le_bytes())
}

fn key(revision: u64, name: u64, state: KeyState) -> Record<'static> {
    Record::Key(Key { state, ..Key::of_project(1, revision, Id([3; 16]), digest(name)) })
}

fn page(after: u64, records: &[Record<'_>], head: u64, live: u64) -> Vec<u8> {
    page_of(EPOCH, after, records, head, live, false)
}

fn page_of(epoch: Id, after: u64, records: &[Record<'_>], head: u64, live: u64, shrink: bool) -> Vec<u8> {
    let mut writer = PageWriter::new(after);
    for record in records {
        assert!(writer.push(record).unwrap());
    }
    writer.finish_last(epoch, head, live, shrink)
}

fn more(after: u64, records: &[Record<'_>], head: u64) -> Vec<u8> {
    let mut writer = PageWriter::new(after);
    for record in records {
        assert!(writer.push(record).unwrap());
    }
    writer.finish_more(EPOCH, head)
}

/// A machine whose clock moves on by itself: one step is one poll and its answer.
struct Bench {
    sync: Sync,
    now: u64,
}

impl Bench {
    fn new() -> Self {
        let settings = ControlPlane {
            cluster: "keyplane".into(),
            authority: "keyplane".into(),
            wait_seconds: 25,
            retry_milliseconds: 500,
        };
        Self { sync: Sync::new(&settings, 0, 77), now: 0 }
    }

    fn poll(&mut self) -> Poll {
        for _ in 0..10_000 {
            self.now += 10;
            if let Some(poll) = self.sync.poll_due(self.now, 5) {
                return poll;
            }
        }
        panic!("no poll is ever due");
    }

    fn step(&mut self, bytes: &[u8]) -> Progress {
        self.poll();
        self.now += 200;
        self.sync.answered(self.now, 5, PollAnswer::Page(bytes))
    }

    fn state(&self, name: u64) -> Option<KeyState> {
        self.sync.table().and_then(|table| table.keys.get(&digest(name)).and_then(crate::table::Entry::state))
    }

    fn revision(&self) -> Option<u64> {
        self.sync.table().map(|table| table.revision)
    }
}

#[test]
fn a_first_table_serves_only_when_it_is_complete() {
    let mut bench = Bench::new();
    assert_eq!(bench.poll().path, "/sync/v1/changes?after=0&wait=0");
    let progress = bench.sync.answered(bench.now, 5, PollAnswer::Page(&more(0, &[key(1, 1, KeyState::Active)], 2)));
    assert_eq!(progress, Progress::Partial);
    assert!(bench.sync.table().is_none());
    assert_eq!(bench.poll().path, format!("/sync/v1/changes?after=1&epoch={EPOCH}&wait=0&closed=1"));
    let last = page(1, &[key(2, 2, KeyState::Active)], 2, 2);
    assert_eq!(bench.sync.answered(bench.now, 5, PollAnswer::Page(&last)), Progress::Complete);
    assert_eq!(bench.revision(), Some(2));
    assert_eq!(bench.poll().path, format!("/sync/v1/changes?after=2&epoch={EPOCH}&wait=25"));
}

#[test]
fn a_table_is_loaded_from_pages_of_different_ages_and_after_a_fault_from_a_new_one() {
    let mut bench = Bench::new();
    bench.step(&more(0, &[key(1, 1, KeyState::Active)], 5));
    bench.now += 60_000;
    assert!(bench.poll().path.ends_with("&wait=0&closed=1"));
    let progress = bench.sync.answered(bench.now, 5, PollAnswer::Page(b"cut off"));
    assert_eq!(progress, Progress::Failed(SyncFault::Page));
    bench.now += 60_000;
    assert_eq!(bench.poll().path, format!("/sync/v1/changes?after=1&epoch={EPOCH}&wait=0"));
    let older = more(1, &[key(2, 2, KeyState::Active)], 4);
    assert_eq!(bench.sync.answered(bench.now, 5, PollAnswer::Page(&older)), Progress::Partial);
    // The older page knew the key as active. Its revocation comes with the last.
    let last = page(3, &[key(6, 2, KeyState::Revoked)], 6, 2);
    assert_eq!(bench.step(&last), Progress::Failed(SyncFault::Gap), "it follows another revision");
    bench.step(&more(0, &[key(1, 1, KeyState::Active)], 6));
    bench.step(&older);
    assert_eq!(bench.step(&page(2, &[key(6, 2, KeyState::Revoked)], 6, 2)), Progress::Complete);
    assert_eq!((bench.state(2), bench.revision()), (Some(KeyState::Revoked), Some(6)));
}

#[test]
fn changes_and_tombstones_are_applied_in_place() {
    let mut bench = Bench::new();
    bench.step(&page(0, &[key(1, 1, KeyState::Active), key(2, 2, KeyState::Active)], 2, 2));
    assert_eq!(bench.step(&page(2, &[key(3, 1, KeyState::Revoked)], 3, 2)), Progress::Complete);
    assert_eq!(bench.state(1), Some(KeyState::Revoked));
    let gone = Record::Gone(Gone { revision: 4, digest: digest(1) });
    assert_eq!(bench.step(&page(3, &[gone], 4, 1)), Progress::Complete);
    assert_eq!((bench.state(1), bench.state(2)), (None, Some(KeyState::Active)));
}

#[test]
fn a_page_that_is_damaged_anywhere_changes_nothing() {
    let mut bench = Bench::new();
    bench.step(&page(0, &[key(1, 1, KeyState::Active)], 1, 1));
    let good = page(1, &[key(2, 1, KeyState::Revoked), key(3, 2, KeyState::Active)], 3, 2);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        assert_eq!(bench.step(&bad), Progress::Failed(SyncFault::Page), "byte {at}");
        assert_eq!(bench.step(&good[..at]), Progress::Failed(SyncFault::Page), "cut at {at}");
    }
    assert_eq!((bench.state(1), bench.revision()), (Some(KeyState::Active), Some(1)));
    assert_eq!(bench.step(&good), Progress::Complete);
    assert_eq!(bench.state(1), Some(KeyState::Revoked));
}

#[test]
fn a_replayed_page_never_brings_a_revoked_key_back() {
    let mut bench = Bench::new();
    let first = page(0, &[key(1, 1, KeyState::Active)], 1, 1);
    bench.step(&first);
    let second = page(1, &[key(2, 1, KeyState::Disabled)], 2, 1);
    bench.step(&second);
    bench.step(&page(2, &[key(3, 1, KeyState::Revoked)], 3, 1));
    assert_eq!(bench.step(&second), Progress::Failed(SyncFault::Gap));
    assert_eq!(bench.state(1), Some(KeyState::Revoked));
    // After the gap it asks for everything, and a snapshot from the past is refused as well.
    assert_eq!(bench.poll().path, "/sync/v1/changes?after=0&wait=0");
    bench.now += 200;
    let progress = bench.sync.answered(bench.now, 5, PollAnswer::Page(&first));
    assert_eq!(progress, Progress::Failed(SyncFault::Backwards));
    assert_eq!(bench.state(1), Some(KeyState::Revoked));
}

#[test]
fn a_new_epoch_is_loaded_beside_the_old_table() {
    let mut bench = Bench::new();
    bench.step(&page(0, &[key(1, 1, KeyState::Active)], 1, 1));
    let mut writer = PageWriter::new(0);
    assert!(writer.push(&key(1, 2, KeyState::Active)).unwrap());
    assert_eq!(bench.step(&writer.finish_more(OTHER_EPOCH, 2)), Progress::Partial);
    assert_eq!((bench.state(1), bench.state(2)), (Some(KeyState::Active), None));
    let last = page_of(OTHER_EPOCH, 1, &[key(2, 3, KeyState::Active)], 2, 2, false);
    assert_eq!(bench.step(&last), Progress::Complete);
    assert_eq!((bench.state(1), bench.state(2)), (None, Some(KeyState::Active)));
    assert_eq!(bench.sync.table().unwrap().epoch, OTHER_EPOCH);
}

#[test]
fn a_table_with_a_wrong_number_of_keys_is_not_believed() {
    let mut bench = Bench::new();
    let wrong = page(0, &[key(1, 1, KeyState::Active)], 1, 2);
    assert_eq!(bench.step(&wrong), Progress::Failed(SyncFault::Count));
    assert!(bench.sync.table().is_none());
    bench.step(&page(0, &[key(1, 1, KeyState::Active)], 1, 1));
    assert_eq!(bench.step(&page(1, &[], 2, 9)), Progress::Failed(SyncFault::Count));
    assert_eq!(bench.poll().path, "/sync/v1/changes?after=0&wait=0");
    bench.now += 200;
    let all = page(0, &[key(2, 2, KeyState::Active)], 2, 1);
    assert_eq!(bench.sync.answered(bench.now, 5, PollAnswer::Page(&all)), Progress::Complete);
    assert_eq!((bench.state(1), bench.state(2)), (None, Some(KeyState::Active)));
}

#[test]
fn a_sudden_shrink_is_refused_unless_it_is_vouched_for() {
    let mut bench = Bench::new();
    let many: Vec<_> = (1..=200).map(|name| key(name, name, KeyState::Active)).collect();
    bench.step(&page(0, &many, 200, 200));
    let few = |shrink| page_of(OTHER_EPOCH, 0, &many[..99], 99, 99, shrink);
    assert_eq!(bench.step(&few(false)), Progress::Failed(SyncFault::Shrink));
    assert_eq!(bench.state(200), Some(KeyState::Active));
    assert_eq!(bench.step(&few(true)), Progress::Complete);
    assert_eq!(bench.state(200), None);
}

#[test]
fn the_pause_grows_with_each_failure_and_ends_with_a_success() {
    let mut bench = Bench::new();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        bench.poll();
        let failed_at = bench.now;
        bench.sync.answered(bench.now, 0, PollAnswer::Unreachable);
        bench.poll();
        pauses.push(bench.now - failed_at);
        bench.sync.answered(bench.now, 0, PollAnswer::Status(503));
    }
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert!(pauses[0] <= 510 && pauses[7] >= 9_000 && pauses[7] <= MAX_RETRY_MILLISECONDS + 10, "{pauses:?}");
    assert_eq!(bench.step(&page(0, &[], 0, 0)), Progress::Complete);
    bench.poll();
}

#[test]
fn an_empty_page_that_comes_at_once_does_not_make_a_hot_loop() {
    let mut bench = Bench::new();
    bench.step(&page(0, &[key(1, 1, KeyState::Active)], 1, 1));
    bench.poll();
    bench.sync.answered(bench.now, 5, PollAnswer::Page(&page(1, &[], 1, 1)));
    assert!(bench.sync.poll_due(bench.now + 1, 5).is_none());
    bench.poll();
    let held_open = bench.now + 25_000;
    bench.sync.answered(held_open, 5, PollAnswer::Page(&page(1, &[], 1, 1)));
    assert!(bench.sync.poll_due(held_open, 5).is_some());
}

#[test]
fn after_the_first_page_of_an_empty_history_it_waits_for_news_at_once() {
    let mut bench = Bench::new();
    bench.poll();
    assert_eq!(bench.sync.answered(bench.now, 5, PollAnswer::Page(&page(0, &[], 0, 0))), Progress::Complete);
    let poll = bench.sync.poll_due(bench.now, 5).unwrap();
    assert_eq!(poll.path, format!("/sync/v1/changes?after=0&epoch={EPOCH}&wait=25"));
}

#[test]
fn a_call_that_the_host_lost_is_tried_again() {
    let mut bench = Bench::new();
    bench.poll();
    assert!(bench.sync.poll_due(bench.now + 5_000, 5).is_none(), "it may still be answered");
    bench.poll();
    assert_eq!(bench.sync.answered(bench.now, 5, PollAnswer::Page(&page(0, &[], 0, 0))), Progress::Complete);
    let progress = bench.sync.answered(bench.now, 5, PollAnswer::Unreachable);
    assert_eq!(progress, Progress::Failed(SyncFault::Unexpected));
}

/// The same bytes that `contract/tests/vectors.rs` writes: what is on the wire today must be read for ever.
#[test]
fn the_golden_pages_are_applied() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../../contract/vectors/pages.json")).unwrap();
    let bytes = |name: &str| -> Vec<u8> {
        let hex = vectors[name].as_str().unwrap();
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let mut bench = Bench::new();
    assert_eq!(bench.step(&bytes("last")), Progress::Complete);
    let table = bench.sync.table().unwrap();
    let entry = table.keys.get(&Digest::of(b"uk_live_example")).unwrap();
    assert_eq!(entry.state(), Some(KeyState::Revoked));
    assert_eq!((entry.user(), entry.id()), (9, Id([0xa1; 16])));
    assert_eq!(&*table.owners.policy(3).unwrap().scopes, "jobs:read jobs:write");
    assert_eq!(bench.step(&bytes("empty")), Progress::Complete);
    assert_eq!(bench.revision(), Some(9));
}

proptest! {
    /// Random histories, cut into pages at random places, with damaged pages in between: the table ends as the history did.
    #[test]
    fn the_table_ends_as_the_history_did(
        changes in proptest::collection::vec((0_u64..30, 0_u8..4), 1..120),
        cuts in proptest::collection::vec((1_usize..20, any::<bool>()), 1..60),
    ) {
        let mut expected = BTreeMap::new();
        let mut records = Vec::new();
        for (revision, (name, state)) in (1..).zip(&changes) {
            if let Some(state) = KeyState::from_number(*state) {
                records.push(key(revision, *name, state));
                expected.insert(*name, state);
            } else {
                records.push(Record::Gone(Gone { revision, digest: digest(*name) }));
                expected.remove(name);
            }
        }
        let head = records.len() as u64;
        let mut bench = Bench::new();
        let (mut rest, mut after) = (records.as_slice(), 0);
        for (length, damaged) in cuts.into_iter().chain(std::iter::repeat((1_000, false))) {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(length.min(rest.len()));
            if damaged && after == 0 {
                prop_assert_eq!(bench.step(&more(0, now, head + 1)[1..]), Progress::Failed(SyncFault::Page));
            }
            let until = now.last().unwrap().revision();
            let bytes = if later.is_empty() { page(after, now, head, expected.len() as u64) } else { more(after, now, head) };
            let progress = bench.step(&bytes);
            prop_assert_eq!(progress, if later.is_empty() { Progress::Complete } else { Progress::Partial });
            (rest, after) = (later, until);
        }
        for name in 0..30 {
            prop_assert_eq!(bench.state(name), expected.get(&name).copied());
        }
    }
}

#[test]
fn a_table_that_is_not_needed_any_more_is_kept_for_small_steps() {
    let mut bench = Bench::new();
    assert_eq!(bench.step(&page(0, &[key(1, 1, KeyState::Active)], 1, 1)), Progress::Complete);
    // A new history that is complete at once: the old table is replaced, and not dropped in that step.
    let new = page_of(OTHER_EPOCH, 0, &[key(1, 2, KeyState::Active)], 1, 1, false);
    assert_eq!(bench.step(&new), Progress::Complete);
    assert!(!bench.sync.retired.is_empty());
    bench.sync.observe(bench.now);
    assert!(bench.sync.retired.is_empty());
    // One that has a fault goes the same way.
    let wrong = page_of(EPOCH, 0, &[key(1, 1, KeyState::Active)], 1, 7, false);
    assert_eq!(bench.step(&wrong), Progress::Failed(SyncFault::Count));
    assert!(!bench.sync.retired.is_empty() && bench.sync.table().is_some());
}
