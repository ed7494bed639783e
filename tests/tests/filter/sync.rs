//! Keeping the table: only whole, proven, newer states ever decide a request.

use std::time::Duration;

use keyplane_contract::id::Id;
use keyplane_tests::host::{Answer, Verdict};

use super::{
    bench::{Bench, host},
    control_plane::{ControlPlane, page_answer},
};

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.issue(1);
    plane.issue(2);
    plane
}

#[test]
fn the_first_poll_comes_within_a_second_and_asks_for_everything() {
    let mut bench = Bench::new();
    bench.pass(Duration::from_secs(1));
    let poll = bench.waiting("/sync/v1/changes").expect("no poll in the first second");
    assert_eq!(poll.cluster, "keyplane");
    assert_eq!(poll.header(":authority"), "keyplane");
    assert_eq!(bench.acknowledged().after, 0);
    assert!(poll.timeout_ms.is_some());
    assert_eq!(bench.vm.callouts().len(), 1);
}

#[test]
fn a_poll_with_nothing_to_load_waits_at_the_control_plane() {
    let mut bench = Bench::synced(&plane());
    let poll = bench.poll();
    assert_eq!(bench.acknowledged().wait, 25);
    // Room for an answer that comes at the end of the wait.
    assert!(poll.timeout_ms.is_some_and(|ms| ms > 25_000), "{:?}", poll.timeout_ms);
}

#[test]
fn workers_poll_apart_and_under_names_of_their_own() {
    let host = host();
    let mut one = Bench::on(host.clone(), super::bench::CONFIG);
    let mut two = Bench::on(host, super::bench::CONFIG);
    let (one, two) = (one.poll(), two.poll());
    assert_eq!(one.header("x-keyplane-proxy"), "proxy-1");
    assert_eq!(two.header("x-keyplane-proxy"), "proxy-1");
    assert!(Id::parse(one.header("x-keyplane-worker").as_bytes()).is_some());
    assert_ne!(one.header("x-keyplane-worker"), two.header("x-keyplane-worker"));
}

#[test]
fn a_change_decides_the_next_request_and_is_acknowledged() {
    let mut plane = plane();
    let mut bench = Bench::synced(&plane);
    assert!(bench.allows(1));
    plane.revoke(1);
    plane.issue(3);
    let poll = bench.poll();
    bench.answer(&poll, plane.answer(&poll));
    assert!(!bench.allows(1));
    assert!(bench.allows(2));
    assert!(bench.allows(3));
    // At once, with no time passed: the next poll is the acknowledgement.
    assert!(bench.waiting("/sync/v1/changes").is_some());
    assert_eq!(bench.acknowledged().after, plane.head);
}

#[test]
fn a_tombstone_removes_a_key() {
    let mut plane = plane();
    let mut bench = Bench::synced(&plane);
    plane.remove(1);
    bench.catch_up(&plane);
    assert!(!bench.allows(1));
    assert!(bench.allows(2));
    plane.issue(1);
    bench.catch_up(&plane);
    assert!(bench.allows(1));
}

#[test]
fn a_key_expires_by_the_proxys_clock() {
    let mut plane = plane();
    let mut bench = Bench::new();
    let soon = bench.host.clock_ns() / 1_000_000 + 60_000;
    plane.issue_with(3, |key| key.expires_at = soon);
    bench.catch_up(&plane);
    assert!(bench.allows(3));
    bench.host.set_clock_ns((soon - 1) * 1_000_000);
    assert!(bench.allows(3));
    bench.host.set_clock_ns(soon * 1_000_000);
    assert!(!bench.allows(3));
    assert!(bench.allows(1));
}

/// Answers that are no page for a filter at `after`, made from the page that would be right.
fn bad_answers(plane: &ControlPlane, after: u64) -> Vec<(&'static str, Answer)> {
    let good = plane.page(after);
    let flipped = |at: usize| {
        let mut page = good.clone();
        page[at] ^= 0x10;
        page_answer(&page)
    };
    let mut answers = vec![
        ("empty", page_answer(b"")),
        ("one byte", page_answer(b"K")),
        ("cut off", page_answer(&good[..good.len() - 1])),
        ("cut in half", page_answer(&good[..good.len() / 2])),
        ("trailing byte", page_answer(&[&good[..], b"x"].concat())),
        ("magic", flipped(0)),
        ("version", flipped(4)),
        ("flags", flipped(5)),
        ("epoch", flipped(8)),
        ("revision", flipped(32)),
        ("last byte", flipped(good.len() - 1)),
        ("not a page", page_answer(b"<html>hello</html>")),
        ("not found", Answer::response(404, &[], &good)),
        ("server error", Answer::response(500, &[], b"")),
        ("refused token", Answer::response(401, &[], b"")),
        ("no status", Answer::Response { headers: vec![], body: good.clone() }),
        ("wrong status", Answer::response(302, &[("location", "http://example.com")], &good)),
        ("reset", Answer::Failure),
        ("timeout", Answer::timeout()),
        ("unavailable", Answer::unavailable()),
    ];
    if good.len() > 70 {
        answers.push(("record", flipped(66)));
    }
    answers
}

#[test]
fn a_bad_answer_leaves_the_old_table_serving_and_the_next_good_one_is_taken() {
    let mut plane = plane();
    let mut bench = Bench::synced(&plane);
    let mut faults = 0;
    for (name, answer) in bad_answers(&plane, plane.head) {
        bench.answer_poll(answer);
        assert!(bench.allows(1), "{name}");
        assert!(!bench.allows(9), "{name}");
        assert_eq!(bench.acknowledged().after, plane.head, "{name}");
        let counted = super::bench::counters(&bench.host, "sync");
        assert!(counted > faults, "{name} was not counted: {:?}", bench.host.metrics());
        faults = counted;
    }
    plane.revoke(1);
    for (name, answer) in bad_answers(&plane, plane.head - 1) {
        bench.answer_poll(answer);
        assert!(bench.allows(1), "{name}");
    }
    bench.catch_up(&plane);
    assert!(!bench.allows(1));
}

#[test]
fn bad_first_answers_open_nothing() {
    let plane = plane();
    let mut bench = Bench::with_config(r#"{"control_plane": {"cluster": "keyplane"}, "hold": {"milliseconds": 0}}"#);
    for (name, answer) in bad_answers(&plane, 0) {
        bench.answer_poll(answer);
        let stream = bench.send_key(1);
        assert!(matches!(bench.verdict(stream), Verdict::Refused(_)), "{name}");
        bench.assert_refused(stream, 503, "table_not_ready");
    }
    bench.catch_up(&plane);
    assert!(bench.allows(1));
}

#[test]
fn a_replayed_page_does_not_bring_a_revoked_key_back() {
    let mut plane = plane();
    let old = plane.page(0);
    let mut bench = Bench::synced(&plane);
    let step = plane.page(plane.head);
    plane.revoke(1);
    bench.catch_up(&plane);
    for replayed in [&old, &step] {
        bench.answer_poll(page_answer(replayed));
        assert!(!bench.allows(1));
    }
    bench.catch_up(&plane);
    assert!(bench.allows(2) && !bench.allows(1));
}

#[test]
fn a_page_that_leaves_a_gap_is_not_applied() {
    let mut plane = plane();
    let mut bench = Bench::synced(&plane);
    plane.revoke(1);
    let skipped = plane.head;
    plane.issue(3);
    // The skipped row is a revocation, so the number of keys gives nothing away.
    bench.answer_poll(page_answer(&plane.page(skipped)));
    assert!(!bench.allows(3) && bench.allows(1));
    bench.catch_up(&plane);
    assert!(bench.allows(3) && !bench.allows(1));
}

#[test]
fn a_new_epoch_is_loaded_beside_the_old_table_and_swapped_when_proven() {
    let old = plane();
    let mut bench = Bench::synced(&old);
    let mut new = ControlPlane::new(2);
    for number in [2, 3, 4, 5] {
        new.issue(number);
    }
    new.page_size = 2;
    let mut polls = 0;
    loop {
        let poll = bench.poll();
        let asked = super::control_plane::Poll::of(&poll);
        if (asked.epoch, asked.after) == (Some(new.epoch), new.head) {
            break;
        }
        assert!(bench.allows(1) && !bench.allows(3), "a half-loaded table decides");
        bench.answer(&poll, new.answer(&poll));
        polls += 1;
        assert!(polls < 20);
    }
    assert!(polls >= 3);
    assert!(!bench.allows(1));
    assert!(bench.allows(2) && bench.allows(3));
}

#[test]
fn a_step_of_another_history_is_not_applied_to_this_one() {
    let mut bench = Bench::synced(&plane());
    let mut new = ControlPlane::new(2);
    new.issue(2);
    new.issue(1);
    let fork = new.head;
    new.revoke(1);
    bench.answer_poll(page_answer(&new.page(fork)));
    assert!(bench.allows(1));
    bench.catch_up(&new);
    assert!(bench.allows(2) && !bench.allows(1));
}

#[test]
fn a_table_that_lacks_rows_is_not_taken() {
    let mut plane = plane();
    plane.live_offset = 1;
    let mut bench = Bench::new();
    let held = bench.send_key(1);
    bench.answer_poll(page_answer(&plane.page(0)));
    assert_eq!(bench.verdict(held), Verdict::Held);
    assert_eq!(bench.acknowledged().after, 0);
    plane.live_offset = 0;
    bench.catch_up(&plane);
    assert_eq!(bench.verdict(held), Verdict::Allowed);
}

#[test]
fn a_table_that_turns_out_to_lack_rows_is_loaded_anew() {
    let mut plane = plane();
    let mut bench = Bench::synced(&plane);
    plane.live_offset = 1;
    plane.revoke(2);
    bench.answer_poll(page_answer(&plane.page(plane.head - 1)));
    plane.live_offset = 0;
    assert_eq!(bench.acknowledged().after, 0);
    bench.catch_up(&plane);
    assert!(bench.allows(1) && !bench.allows(2));
}

#[test]
fn a_table_that_shrinks_suddenly_is_refused_unless_vouched_for() {
    let mut old = ControlPlane::new(1);
    for number in 0..200 {
        old.issue(number);
    }
    let mut bench = Bench::synced(&old);
    let mut new = ControlPlane::new(2);
    new.issue(3);
    bench.answer_poll(page_answer(&new.page(0)));
    assert!(bench.allows(150), "an almost empty table was taken");
    new.shrink_allowed = true;
    bench.catch_up(&new);
    assert!(!bench.allows(150) && bench.allows(3));
}

#[test]
fn a_silent_control_plane_leaves_the_table_serving_and_polls_back_off() {
    let plane = plane();
    let mut bench = Bench::synced(&plane);
    let mut polls = 0;
    for _ in 0..600 {
        if let Some(poll) = bench.waiting("/sync/v1/changes") {
            bench.answer(&poll, Answer::unavailable());
            polls += 1;
        }
        bench.pass(Duration::from_millis(100));
    }
    // A minute: retries at half a second, doubling to ten seconds.
    assert!((5..=20).contains(&polls), "{polls} polls in a minute");
    assert!(bench.allows(1));
    bench.catch_up(&plane);
}

#[test]
fn ten_thousand_keys_come_in_pages_and_all_are_found() {
    let mut plane = ControlPlane::new(1);
    for number in 0..10_000 {
        plane.issue(number);
    }
    plane.page_size = 1500;
    let mut bench = Bench::synced(&plane);
    for number in [0, 1, 1499, 1500, 5000, 9999] {
        assert!(bench.allows(number), "{number}");
    }
    assert!(!bench.allows(10_000));
}
