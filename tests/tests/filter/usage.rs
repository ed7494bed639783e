//! Usage batches: every use is counted once, whatever happens to the answers.

use std::{collections::BTreeMap, net::IpAddr};

use keyplane_contract::{
    code::Reason,
    id::Id,
    sync::{Key, KeyState, SourceUsage, UsageBatch},
};
use keyplane_tests::host::{Answer, Verdict};

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

fn from(bench: &mut Bench, number: u64, address: &str) -> Verdict {
    let stream = bench.send_key_from(number, address);
    bench.verdict(stream)
}

fn mapped(text: &str) -> [u8; 16] {
    match text.parse::<IpAddr>().unwrap() {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[test]
fn a_key_that_is_being_replaced_tells_where_it_is_used_from_and_no_other_does() {
    let mut plane = plane();
    plane.issue_with(3, |key| key.flags = Key::REPORT_SOURCES);
    plane.issue_with(4, |key| (key.flags, key.state) = (Key::REPORT_SOURCES, KeyState::Revoked));
    let mut bench = Bench::synced(&plane);
    let asked = |bench: &Bench| bench.vm.hostcalls().get("proxy_get_property").copied();
    let before = asked(&bench);
    assert_eq!(from(&mut bench, 1, "192.0.2.1:1"), Verdict::Allowed);
    assert_eq!(asked(&bench), before, "a usual key must not pay for it");
    for address in ["192.0.2.7:1", "192.0.2.7:2", "[2001:db8::7]:1", "/run/app.sock"] {
        assert_eq!(from(&mut bench, 3, address), Verdict::Allowed);
    }
    assert!(matches!(from(&mut bench, 4, "192.0.2.9:1"), Verdict::Refused(_)), "and is told although it is refused");
    let now = bench.host.clock_ns() / 1_000_000;
    let (_, batch) = bench.usage();
    let mut found = BTreeMap::new();
    for record in &batch.sources {
        for source in &record.sources {
            assert!((now.saturating_sub(1000)..=now).contains(&source.last_seen));
            found.insert((record.key, source.address), source.count);
        }
    }
    let expected = [
        ((key_id(3), mapped("192.0.2.7")), 2),
        ((key_id(3), mapped("2001:db8::7")), 1),
        ((key_id(3), SourceUsage::OTHER), 1),
        ((key_id(4), mapped("192.0.2.9")), 1),
    ];
    assert_eq!(found, expected.into_iter().collect());
}

#[test]
fn a_key_from_everywhere_takes_bounded_room_and_every_use_is_counted() {
    let mut plane = plane();
    plane.issue_with(3, |key| key.flags = Key::REPORT_SOURCES);
    let mut bench = Bench::synced(&plane);
    for last in 1..=50 {
        assert_eq!(from(&mut bench, 3, &format!("192.0.2.{last}:1")), Verdict::Allowed);
    }
    let (_, batch) = bench.usage();
    let sources = &batch.sources[0].sources;
    assert_eq!(sources.len(), 9, "8 addresses and all others");
    let other = sources.iter().find(|source| source.address == SourceUsage::OTHER).unwrap();
    assert_eq!((other.count, sources.iter().map(|source| source.count).sum::<u32>()), (42, 50));
}

#[test]
fn a_request_that_was_held_tells_its_own_source() {
    let mut plane = ControlPlane::new(1);
    plane.issue_with(3, |key| key.flags = Key::REPORT_SOURCES);
    let mut bench = Bench::new();
    for last in 1..=2 {
        assert_eq!(from(&mut bench, 3, &format!("192.0.2.{last}:1")), Verdict::Held);
    }
    bench.catch_up(&plane);
    let (_, batch) = bench.usage();
    let mut found: Vec<_> = batch.sources[0].sources.iter().map(|source| (source.address, source.count)).collect();
    found.sort_unstable();
    assert_eq!(found, [(mapped("192.0.2.1"), 1), (mapped("192.0.2.2"), 1)]);
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
