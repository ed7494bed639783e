//! Requests that arrive before the first table is complete: they wait, within bounds, and none passes unchecked.

use std::time::Duration;

use keyplane_contract::code::Refusal;
use keyplane_tests::host::Verdict;

use super::{
    bench::Bench,
    control_plane::{ControlPlane, key_id, page_answer},
};

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.issue(1);
    plane
}

#[test]
fn a_request_before_the_first_table_waits_and_is_decided_by_it() {
    let mut bench = Bench::new();
    let good = bench.send_key(1);
    let bad = bench.send_key(2);
    let none: [(&str, &str); 0] = [];
    let missing = bench.send(&none);
    assert_eq!(bench.verdict(good), Verdict::Held);
    assert_eq!(bench.verdict(bad), Verdict::Held);
    // No table is needed to see that there is no credential.
    bench.assert_refused(missing, 401, "credential_missing");
    bench.catch_up(&plane());
    assert_eq!(bench.verdict(good), Verdict::Allowed);
    bench.assert_refused(bad, 401, "credential_invalid");
    let seen = &bench.state(good).request_headers;
    assert_eq!(seen.get_all("x-keyplane-key-id"), [key_id(1).to_string().as_bytes()]);
    assert!(seen.get("x-api-key").is_none());
}

#[test]
fn a_half_loaded_table_lets_nobody_through() {
    let mut plane = plane();
    plane.issue(2);
    plane.page_size = 3;
    let mut bench = Bench::new();
    let early = bench.send_key(1);
    bench.answer_poll(page_answer(&plane.page(0)));
    let later = bench.send_key(1);
    assert_eq!(bench.verdict(early), Verdict::Held);
    assert_eq!(bench.verdict(later), Verdict::Held);
    bench.catch_up(&plane);
    assert_eq!(bench.verdict(early), Verdict::Allowed);
    assert_eq!(bench.verdict(later), Verdict::Allowed);
}

#[test]
fn a_held_request_is_answered_503_at_the_bound() {
    let config = r#"{"control_plane": {"cluster": "keyplane"}, "hold": {"milliseconds": 2000}}"#;
    let mut bench = Bench::with_config(config);
    let stream = bench.send_key(1);
    bench.pass(Duration::from_millis(1900));
    assert_eq!(bench.verdict(stream), Verdict::Held);
    bench.pass(Duration::from_secs(1));
    let answer = bench.assert_refused(stream, 503, Refusal::TableNotReady.code());
    assert_eq!(answer.headers.get_all("retry-after"), [b"1"]);
    bench.vm.delete_stream(stream).unwrap();
    bench.catch_up(&plane());
    assert!(bench.allows(1));
}

#[test]
fn no_more_requests_wait_than_the_operator_allows() {
    let config = r#"{"control_plane": {"cluster": "keyplane"}, "hold": {"requests": 2}}"#;
    let mut bench = Bench::with_config(config);
    let held = [bench.send_key(1), bench.send_key(1)];
    let third = bench.send_key(1);
    bench.assert_refused(third, 503, "table_not_ready");
    // A place that becomes free can be taken.
    bench.vm.delete_stream(held[0]).unwrap();
    let fourth = bench.send_key(1);
    assert_eq!(bench.verdict(fourth), Verdict::Held);
    bench.catch_up(&plane());
    assert_eq!(bench.verdict(held[1]), Verdict::Allowed);
    assert_eq!(bench.verdict(fourth), Verdict::Allowed);
}

#[test]
fn nobody_waits_when_the_operator_allows_none() {
    for hold in [r#"{"milliseconds": 0}"#, r#"{"requests": 0}"#] {
        let config = format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, "hold": {hold}}}"#);
        let mut bench = Bench::with_config(&config);
        let stream = bench.send_key(1);
        bench.assert_refused(stream, 503, "table_not_ready");
    }
}

#[test]
fn a_client_that_left_while_held_is_not_touched() {
    let mut bench = Bench::new();
    let first = bench.send_key(1);
    let gone = bench.send_key(1);
    let last = bench.send_key(1);
    bench.vm.delete_stream(gone).unwrap();
    bench.catch_up(&plane());
    assert_eq!(bench.verdict(first), Verdict::Allowed);
    assert_eq!(bench.verdict(last), Verdict::Allowed);
    assert_eq!(bench.verdict(gone), Verdict::Held);
    let seen = &bench.state(gone).request_headers;
    assert!(seen.get("x-keyplane-key-id").is_none());
    // Nor at the bound.
    let mut bench = Bench::new();
    let gone = bench.send_key(1);
    bench.vm.delete_stream(gone).unwrap();
    bench.pass(Duration::from_secs(10));
    assert_eq!(bench.verdict(gone), Verdict::Held);
}

#[test]
fn a_forged_identity_does_not_survive_the_wait() {
    let mut bench = Bench::new();
    let key = super::control_plane::secret(1);
    let stream = bench.send(&[("x-keyplane-account", "forged"), ("x_keyplane_user", "forged"), ("x-api-key", &key)]);
    bench.catch_up(&plane());
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    let seen = &bench.state(stream).request_headers;
    assert!(seen.entries().iter().all(|(_, value)| value != b"forged"), "{seen:?}");
}
