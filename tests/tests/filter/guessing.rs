//! Invalid credentials are counted by source, and above the limit they are answered 429; valid ones pass all the while.

use std::time::Duration;

use keyplane_tests::host::{LocalResponse, Verdict};

use super::{
    bench::{Bench, counters},
    control_plane::{ControlPlane, key_id, secret},
};

const HERE: &str = "192.0.2.7:4711";
const THERE: &str = "192.0.2.8:4711";

fn bench(more: &str) -> Bench {
    let mut plane = ControlPlane::new(1);
    plane.issue(1);
    plane.revoke(2);
    let config = format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, {more}}}"#);
    let mut bench = Bench::with_config(&config);
    bench.catch_up(&plane);
    bench
}

fn few() -> Bench {
    bench(r#""guessing": {"failures": 5, "seconds": 60}"#)
}

fn refusal(bench: &mut Bench, address: &str, key: &str) -> LocalResponse {
    let stream = bench.send_from(Some(address), &[("x-api-key", key)]);
    match bench.verdict(stream) {
        Verdict::Refused(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn statuses(bench: &mut Bench, address: &str, key: &str, times: usize) -> Vec<u32> {
    (0..times).map(|_| refusal(bench, address, key).status).collect()
}

#[test]
fn above_the_limit_an_invalid_key_is_answered_429_and_a_valid_one_passes() {
    let mut bench = few();
    assert_eq!(statuses(&mut bench, HERE, "wrong", 7), [401, 401, 401, 401, 401, 429, 429]);
    let answer = refusal(&mut bench, HERE, "wrong");
    assert_eq!(answer.headers.get_all("retry-after"), [b"12"]);
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["code"], "too_many_attempts");
    // One bad client behind an address does not lock out the others there, nor does it matter elsewhere.
    let good = bench.send_key_from(1, HERE);
    assert_eq!(bench.verdict(good), Verdict::Allowed);
    assert_eq!(statuses(&mut bench, THERE, "wrong", 1), [401]);
    // Whoever sends no key at all has guessed nothing.
    let none: [(&str, &str); 0] = [];
    let missing = bench.send_from(Some(HERE), &none);
    bench.assert_refused(missing, 401, "credential_missing");
    assert_eq!(counters(&bench.host, "keyplane_decisions_throttled"), 3);
    // One more for each twelve seconds.
    bench.pass(Duration::from_secs(13));
    assert_eq!(statuses(&mut bench, HERE, "wrong", 2), [401, 429]);
    bench.pass(Duration::from_secs(61));
    assert_eq!(statuses(&mut bench, HERE, "wrong", 6), [401, 401, 401, 401, 401, 429]);
}

#[test]
fn every_kind_of_invalid_key_counts_and_looks_alike() {
    let mut bench = few();
    let (revoked, mistyped) = (secret(2), secret(9).replacen("uk_live_00", "uk_live_01", 1));
    for key in ["wrong", "", "two words", &revoked, &mistyped] {
        assert_eq!(refusal(&mut bench, HERE, key).status, 401, "{key}");
    }
    for key in ["wrong", "", "two words", &revoked, &mistyped] {
        assert_eq!(refusal(&mut bench, HERE, key).status, 429, "{key}");
    }
    // Whose key it was is known all the same.
    let (_, batch) = bench.usage();
    let counts: u32 = batch.records.iter().flat_map(|record| record.counts.iter()).map(|(_, count)| count).sum();
    assert_eq!((batch.records.len(), batch.records[0].key, counts), (1, key_id(2), 2));
}

#[test]
fn above_the_limit_nobody_waits_for_an_unknown_key() {
    let mut bench = few();
    let waits = bench.send_key_from(9, HERE);
    assert_eq!(bench.verdict(waits), Verdict::Held);
    assert_eq!(statuses(&mut bench, HERE, "wrong", 5), [401; 5]);
    assert_eq!(statuses(&mut bench, HERE, &secret(8), 1), [429]);
    let other = bench.send_key_from(7, THERE);
    assert_eq!(bench.verdict(other), Verdict::Held);
    // The one that waited before is told of the limit too.
    bench.pass(Duration::from_millis(1_100));
    bench.assert_refused(waits, 429, "too_many_attempts");
    bench.assert_refused(other, 401, "credential_invalid");
}

#[test]
fn callers_without_an_address_are_one_source() {
    let mut bench = few();
    for address in ["/run/app.sock", "envoy://internal/1", "", "/run/other.sock", "@x"] {
        assert_eq!(refusal(&mut bench, address, "wrong").status, 401, "{address}");
    }
    assert_eq!(statuses(&mut bench, "/run/third.sock", "wrong", 1), [429]);
    assert_eq!(statuses(&mut bench, "[2001:db8:1:2::1]:1", "wrong", 5), [401; 5]);
    assert_eq!(statuses(&mut bench, "[2001:db8:1:2:3::1]:1", "wrong", 1), [429]);
}

#[test]
fn the_limit_is_a_hundred_in_a_minute_and_can_be_switched_off() {
    let mut usual = bench(r#""forward_credential": false"#);
    assert_eq!(statuses(&mut usual, HERE, "wrong", 100), [401; 100]);
    assert_eq!(statuses(&mut usual, HERE, "wrong", 1), [429]);
    let mut off = bench(r#""guessing": {"failures": 0}"#);
    assert_eq!(statuses(&mut off, HERE, "wrong", 300), [401; 300]);
}
