//! Usage batches: every use is counted once, whatever happens to the answers.

use std::collections::BTreeMap;

use keyplane_contract::{code::Reason, id::Id, sync::UsageBatch};
use keyplane_tests::host::Answer;

use super::{
    bench::Bench,
    control_plane::{ControlPlane, TOKEN, key_id},
};

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.issue(1);
    plane.revoke(2);
    plane
}

fn done() -> Answer {
    Answer::response(204, &[], b"")
}

fn counts(batch: &UsageBatch) -> BTreeMap<(Id, Reason), u32> {
    let mut counts = BTreeMap::new();
    for record in &batch.records {
        for (reason, count) in &record.counts {
            *counts.entry((record.key, *reason)).or_default() += count;
        }
    }
    counts
}

#[test]
fn uses_are_sent_by_key_and_outcome_with_the_last_time() {
    let mut bench = Bench::synced(&plane());
    for _ in 0..3 {
        assert!(bench.allows(1));
    }
    assert!(!bench.allows(2));
    let last = bench.host.clock_ns() / 1_000_000;
    let (callout, batch) = bench.usage();
    assert_eq!(callout.header(":method"), "POST");
    assert_eq!(callout.header("authorization"), format!("Bearer {TOKEN}"));
    let waited = bench.host.clock_ns() / 1_000_000 - last;
    assert!(waited <= 12_000, "last_used_at must be right within 15 s; the batch took {waited} ms");
    let expected = [((key_id(1), Reason::Allowed), 3), ((key_id(2), Reason::Revoked), 1)];
    assert_eq!(counts(&batch), expected.into_iter().collect());
    let within_a_second = last.saturating_sub(1000)..=last;
    assert!(batch.records.iter().all(|r| within_a_second.contains(&r.last_seen)), "{batch:?} {last}");
    assert_eq!(batch.sequence, 1);
    let poll = bench.poll();
    let worker = Id::parse(poll.header("x-keyplane-worker").as_bytes());
    assert_eq!(worker, Some(batch.worker));
}

#[test]
fn nothing_is_sent_when_nothing_was_used() {
    let mut bench = Bench::synced(&plane());
    bench.pass(std::time::Duration::from_mins(1));
    assert!(bench.waiting("/sync/v1/usage").is_none());
}

#[test]
fn an_unanswered_batch_is_sent_again_unchanged_and_nothing_is_doubled_or_lost() {
    let mut bench = Bench::synced(&plane());
    assert!(bench.allows(1));
    let (callout, first) = bench.usage();
    let body = callout.body.clone();
    // Used while the batch is on its way.
    assert!(bench.allows(1) && bench.allows(1));
    bench.answer(&callout, Answer::Failure);
    for failure in [Answer::timeout(), Answer::unavailable(), Answer::response(500, &[], b"")] {
        let (callout, again) = bench.usage();
        assert_eq!(again, first);
        assert_eq!(callout.body, body);
        bench.answer(&callout, failure);
    }
    let (callout, _) = bench.usage();
    bench.answer(&callout, done());
    let (callout, second) = bench.usage();
    assert_eq!(second.sequence, 2);
    assert_eq!(counts(&second), [((key_id(1), Reason::Allowed), 2)].into_iter().collect());
    bench.answer(&callout, done());
    bench.pass(std::time::Duration::from_mins(1));
    assert!(bench.waiting("/sync/v1/usage").is_none());
}

#[test]
fn only_one_batch_is_on_its_way_and_a_lost_one_is_sent_again() {
    let mut bench = Bench::synced(&plane());
    assert!(bench.allows(1));
    let (_, first) = bench.usage();
    for _ in 0..10 {
        assert!(bench.allows(1));
        bench.pass(std::time::Duration::from_secs(1));
    }
    let batches = |bench: &Bench| -> Vec<_> {
        let callouts = bench.vm.callouts();
        callouts.iter().filter(|call| call.header(":path").starts_with("/sync/v1/usage")).cloned().collect()
    };
    assert_eq!(batches(&bench).len(), 1);
    // The host lost the call: no answer ever comes.
    bench.pass(std::time::Duration::from_secs(8));
    let batches = batches(&bench);
    assert_eq!(batches.len(), 2);
    assert_eq!(UsageBatch::decode(&batches[1].body).unwrap(), first);
}
