//! A key works the moment its creation was answered: a request with a key that the table does not know waits, within bounds, for one more word of the
//! control plane's.

use std::time::Duration;

use keyplane_contract::code::Reason;
use keyplane_tests::host::{Answer, Callout, Plugin, Verdict};

use super::{
    bench::{Bench, counters, host},
    control_plane::{ControlPlane, Poll, key_id, secret},
};

const CONFIG: &str = r#"{"control_plane": {"cluster": "keyplane"}}"#;

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.issue(1);
    plane
}

fn bench(plane: &ControlPlane) -> Bench {
    let mut bench = Bench::with_config(CONFIG);
    bench.catch_up(plane);
    assert_eq!(Poll::of(&bench.poll()).wait, 25);
    bench
}

/// The probe on its way, if there is one.
fn probe(bench: &Bench) -> Option<Callout> {
    let probes: Vec<_> =
        bench.vm.callouts().iter().filter(|callout| callout.header(":path").ends_with("&wait=0")).collect();
    assert!(probes.len() <= 1, "{probes:?}");
    probes.first().copied().cloned()
}

fn answer_probe(bench: &mut Bench, plane: &ControlPlane) {
    let probe = probe(bench).expect("no probe");
    bench.answer(&probe, plane.answer(&probe));
}

/// The poll that waits for news.
fn long_poll(bench: &Bench) -> Callout {
    let mut callouts = bench.vm.callouts().iter();
    callouts.find(|callout| callout.header(":path").ends_with("&wait=25")).expect("no long poll").clone()
}

#[test]
fn a_key_that_was_made_just_now_works_although_the_long_poll_hangs() {
    let mut plane = plane();
    let mut bench = bench(&plane);
    let hanging = long_poll(&bench);
    plane.issue(2);
    let late = plane.answer(&hanging);
    let stream = bench.send_key(2);
    assert_eq!(bench.verdict(stream), Verdict::Held);
    // At once, not with the next tick; and beside the poll that waits.
    let asked = probe(&bench).expect("no probe");
    assert_eq!(Poll::of(&asked), Poll { epoch: Some(plane.epoch), after: plane.head - 1, wait: 0 });
    assert_eq!(asked.header("x-keyplane-worker"), "", "a probe acknowledges nothing");
    answer_probe(&mut bench, &plane);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    let seen = &bench.state(stream).request_headers;
    assert_eq!(seen.get_all("x-keyplane-key-id"), [key_id(2).to_string().as_bytes()]);
    assert!(seen.get("x-api-key").is_none());
    // What hung comes at last. It is overtaken, which is no fault, and the worker acknowledges what it has.
    bench.answer(&hanging, late);
    let next = long_poll(&bench);
    assert_eq!(Poll::of(&next).after, plane.head);
    assert_ne!(next.header("x-keyplane-worker"), "");
    assert_eq!(counters(&bench.host, "keyplane_sync_faults"), 0);
    assert!(bench.allows(1) && bench.allows(2));
    assert_eq!(counters(&bench.host, "keyplane_probes"), 1);
    assert_eq!(counters(&bench.host, "keyplane_decisions_unknown"), 0);
    assert_eq!(counters(&bench.host, "keyplane_decisions_allowed"), 3);
}

#[test]
fn two_hundred_new_keys_in_a_row_work_at_once_whichever_call_brings_them() {
    let mut plane = plane();
    let mut bench = bench(&plane);
    for number in 2..202 {
        plane.issue(number);
        let stream = bench.send_key(number);
        assert_eq!(bench.verdict(stream), Verdict::Held);
        let (poll, probe) = (long_poll(&bench), probe(&bench).expect("no probe"));
        // Both are answered by now; their answers come in one order or the other.
        let (polled, probed) = (plane.answer(&poll), plane.answer(&probe));
        if number % 2 == 0 {
            bench.answer(&poll, polled);
            assert_eq!(bench.verdict(stream), Verdict::Allowed);
            bench.answer(&probe, probed);
        } else {
            bench.answer(&probe, probed);
            assert_eq!(bench.verdict(stream), Verdict::Allowed);
            bench.answer(&poll, polled);
        }
        bench.vm.delete_stream(stream).unwrap();
        bench.pass(Duration::from_millis(60));
    }
    assert_eq!(counters(&bench.host, "keyplane_sync_faults"), 0);
    assert_eq!(counters(&bench.host, "keyplane_decisions_allowed"), 200);
    assert_eq!(counters(&bench.host, "keyplane_decisions_unknown"), 0);
}

#[test]
fn an_invented_key_is_refused_when_the_control_plane_was_asked() {
    let plane = plane();
    let mut bench = bench(&plane);
    let stream = bench.send(&[("x-api-key", secret(9)), ("x-keyplane-account", "forged".to_owned())]);
    assert_eq!(bench.verdict(stream), Verdict::Held);
    answer_probe(&mut bench, &plane);
    bench.assert_refused(stream, 401, "credential_invalid");
    assert!(bench.state(stream).request_headers.get("x-keyplane-account").is_none());
    assert_eq!(counters(&bench.host, "keyplane_decisions_unknown"), 1);
    assert_eq!(probe(&bench), None);
}

#[test]
fn what_no_control_plane_can_have_made_does_not_wait() {
    let mut plane = plane();
    plane.revoke(3);
    let mut bench = bench(&plane);
    let mistyped = secret(9).replacen("uk_live_00", "uk_live_01", 1);
    for key in [mistyped.as_str(), "sk_imported_1234", "uk_live_", &secret(9)[1..]] {
        let stream = bench.send(&[("x-api-key", key)]);
        bench.assert_refused(stream, 401, "credential_invalid");
    }
    // Nor does one that is known to be revoked.
    let stream = bench.send_key(3);
    bench.assert_refused(stream, 401, "credential_invalid");
    assert_eq!(counters(&bench.host, "keyplane_probes"), 0);
}

#[test]
fn nobody_waits_longer_than_the_operator_allows() {
    let plane = plane();
    for (milliseconds, config) in [
        (1_000, CONFIG),
        (200, r#"{"control_plane": {"cluster": "keyplane"}, "unknown_keys": {"wait_milliseconds": 200}}"#),
    ] {
        let mut bench = Bench::with_config(config);
        bench.catch_up(&plane);
        let stream = bench.send_key(9);
        bench.pass(Duration::from_millis(milliseconds - 40));
        assert_eq!(bench.verdict(stream), Verdict::Held);
        bench.pass(Duration::from_millis(80));
        bench.assert_refused(stream, 401, "credential_invalid");
    }
}

#[test]
fn nobody_waits_when_the_operator_does_not_want_it() {
    for bounds in [r#"{"wait_milliseconds": 0}"#, r#"{"requests": 0}"#] {
        let config = format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, "unknown_keys": {bounds}}}"#);
        let plane = plane();
        let mut bench = Bench::with_config(&config);
        bench.catch_up(&plane);
        assert!(!bench.allows(9));
        assert_eq!(counters(&bench.host, "keyplane_probes"), 0);
    }
}

#[test]
fn while_the_control_plane_is_down_one_request_tries_and_the_others_are_refused_at_once() {
    let mut plane = plane();
    let mut bench = bench(&plane);
    let poll = long_poll(&bench);
    bench.answer(&poll, Answer::unavailable());
    let first = bench.send_key(9);
    assert_eq!(bench.verdict(first), Verdict::Held);
    assert!(!bench.allows(8), "the second one waits");
    let asked = probe(&bench).expect("no probe");
    bench.answer(&asked, Answer::unavailable());
    bench.assert_refused(first, 401, "credential_invalid");
    assert!(!bench.allows(8) && bench.allows(1));
    // Once it is back, the first new key finds it, and the long poll does not sleep on.
    for _ in 0..6 {
        if let Some(poll) = bench.waiting("/sync/v1/changes") {
            bench.answer(&poll, Answer::unavailable());
        }
        bench.pass(Duration::from_secs(10));
    }
    let poll = bench.poll();
    bench.answer(&poll, Answer::unavailable());
    plane.issue(2);
    let stream = bench.send_key(2);
    answer_probe(&mut bench, &plane);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    assert_eq!(Poll::of(&long_poll(&bench)).after, plane.head);
}

#[test]
fn a_flood_of_invented_keys_makes_few_probes_and_leaves_room_for_a_real_one() {
    let mut plane = plane();
    let config = r#"{"control_plane": {"cluster": "keyplane"}, "guessing": {"failures": 0}}"#;
    let mut bench = Bench::with_config(config);
    bench.catch_up(&plane);
    let mut number = 100;
    let (mut streams, mut most) = (Vec::new(), 0);
    for round in 0..500 {
        for _ in 0..10 {
            number += 1;
            let address = format!("[2001:db8:{:x}::1]:1", number % 1_000);
            streams.push(bench.send_key_from(number, &address));
        }
        let held = streams.iter().filter(|stream| bench.verdict(**stream) == Verdict::Held).count();
        most = most.max(held);
        // In the middle of it somebody makes a key and uses it, and the long poll brings it as fast as ever.
        if round % 100 == 50 {
            plane.issue(round);
            let stream = bench.send_key_from(round, "192.0.2.7:1");
            assert_eq!(bench.verdict(stream), Verdict::Held);
            let poll = long_poll(&bench);
            bench.answer(&poll, plane.answer(&poll));
            assert_eq!(bench.verdict(stream), Verdict::Allowed);
        }
        if let Some(asked) = probe(&bench) {
            bench.answer(&asked, plane.answer(&asked));
        }
        for stream in streams.extract_if(.., |stream| bench.verdict(*stream) != Verdict::Held).collect::<Vec<_>>() {
            bench.vm.delete_stream(stream).unwrap();
        }
        bench.pass(Duration::from_millis(20));
    }
    assert_eq!(most, 64);
    // Ten seconds: two probes in each, and a few more after each key that was found.
    let probes = counters(&bench.host, "keyplane_probes");
    assert!((20..=50).contains(&probes), "{probes} probes for {number} keys");
    assert_eq!(counters(&bench.host, "keyplane_decisions_allowed"), 5);
    bench.pass(Duration::from_secs(2));
    assert!(bench.allows(1));
}

#[test]
fn one_caller_with_invented_keys_does_not_take_the_place_of_others() {
    let plane = plane();
    let mut bench = bench(&plane);
    let theirs: Vec<_> = (100..120).map(|number| bench.send_key_from(number, "192.0.2.7:1")).collect();
    let mine = bench.send_key_from(200, "192.0.2.8:1");
    let held = theirs.iter().filter(|stream| bench.verdict(**stream) == Verdict::Held).count();
    assert_eq!((held, bench.verdict(mine)), (8, Verdict::Held));
    // Those that gave way are the oldest.
    bench.assert_refused(theirs[0], 401, "credential_invalid");
    assert_eq!(bench.verdict(theirs[19]), Verdict::Held);
}

#[test]
fn a_client_that_left_while_it_waited_is_not_touched() {
    let mut plane = plane();
    let mut bench = bench(&plane);
    plane.issue(2);
    let (gone, stays) = (bench.send_key(2), bench.send_key(2));
    bench.vm.delete_stream(gone).unwrap();
    answer_probe(&mut bench, &plane);
    assert_eq!((bench.verdict(gone), bench.verdict(stays)), (Verdict::Held, Verdict::Allowed));
    assert_eq!(counters(&bench.host, "keyplane_decisions_allowed"), 1);
}

#[test]
fn who_waited_for_the_first_table_is_not_refused_for_a_key_that_came_a_moment_later() {
    let mut plane = plane();
    let mut bench = Bench::with_config(CONFIG);
    let first = bench.poll();
    let page = plane.answer(&first);
    // The page has left; now a key is made and used.
    plane.issue(2);
    let stream = bench.send_key(2);
    bench.answer(&first, page);
    assert_eq!(bench.verdict(stream), Verdict::Held);
    answer_probe(&mut bench, &plane);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
}

#[test]
fn a_bad_answer_to_a_probe_opens_nothing_and_leaves_the_table_and_the_long_poll_alone() {
    let plane = plane();
    let mut bench = bench(&plane);
    let poll = long_poll(&bench);
    let good = plane.page(plane.head);
    let mut flipped = good.clone();
    flipped[30] ^= 1;
    let answers = [
        super::control_plane::page_answer(&flipped),
        super::control_plane::page_answer(&good[..good.len() - 1]),
        Answer::response(200, &[], b""),
        Answer::response(500, &[], &good),
        Answer::response(401, &[], b""),
        Answer::timeout(),
        Answer::Failure,
    ];
    let number = answers.len() as u64;
    for (at, answer) in (0..).zip(answers) {
        let stream = bench.send_key(100 + at);
        let asked = probe(&bench).expect("no probe");
        bench.answer(&asked, answer);
        bench.assert_refused(stream, 401, "credential_invalid");
        assert!(bench.allows(1));
        bench.pass(Duration::from_secs(1));
    }
    assert_eq!(long_poll(&bench), poll);
    assert_eq!(counters(&bench.host, "keyplane_sync_faults"), number);
}

#[test]
fn a_probe_ends_with_the_configuration_that_made_it_and_another_makes_the_next() {
    let mut plane = plane();
    let host = host();
    let mut bench = Bench::on(host, CONFIG);
    let second = bench.vm.create_root(Plugin::new(CONFIG).property(&["plugin_name"], "second")).unwrap();
    assert!(bench.vm.configure(second).unwrap());
    bench.catch_up(&plane);
    plane.issue(2);
    let first = bench.root;
    let stream = bench.send_key(2);
    assert_eq!(probe(&bench).map(|asked| asked.root), Some(first));
    bench.vm.delete_stream(stream).unwrap();
    bench.vm.delete_root(first).unwrap();
    bench.root = second;
    bench.pass(Duration::from_secs(1));
    let stream = bench.send_key(2);
    assert_eq!(probe(&bench).map(|asked| asked.root), Some(second));
    answer_probe(&mut bench, &plane);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
}

#[test]
fn a_wait_is_one_decision_and_one_use() {
    let mut plane = plane();
    let mut bench = bench(&plane);
    plane.issue(2);
    bench.send_key(2);
    answer_probe(&mut bench, &plane);
    let (_, batch) = bench.usage();
    let counts: Vec<_> = batch.records.iter().map(|record| (record.key, record.counts.clone())).collect();
    assert_eq!(counts, [(key_id(2), vec![(Reason::Allowed, 1)])]);
}
