//! What restricts a key that is otherwise good: the networks it may be used from, and its account.

use std::time::Duration;

use keyplane_contract::{code::Reason, sync::Key};
use keyplane_tests::host::{ContextId, LocalResponse, Verdict};

use super::{
    bench::{Bench, counters},
    control_plane::{ControlPlane, key_id},
};

/// Key 1 from everywhere, key 2 from three networks.
fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.policy_with(1, "jobs:read", &["192.0.2.0/24", "2001:db8::/32", "127.0.0.1/32"]);
    plane.issue(1);
    plane.issue_with(2, |key| key.policy = 1);
    plane
}

fn assert_forbidden(bench: &Bench, stream: ContextId, code: &str) -> LocalResponse {
    let answer = bench.assert_refused(stream, 403, code);
    assert_eq!(answer.grpc_status, Some(7));
    answer
}

#[test]
fn a_key_with_networks_is_refused_from_everywhere_else() {
    let mut bench = Bench::synced(&plane());
    for inside in ["192.0.2.7:1", "[::ffff:192.0.2.7]:1", "[2001:db8:9::7]:65535", "127.0.0.1:1"] {
        let stream = bench.send_key_from(2, inside);
        assert_eq!(bench.verdict(stream), Verdict::Allowed, "{inside}");
        assert_eq!(bench.state(stream).request_headers.get_all("x-keyplane-scopes"), [b"jobs:read"]);
    }
    let outside = ["192.0.3.7:1", "[2001:db9::7]:1", "[::192.0.2.7]:1", "/run/app.sock", "envoy://internal/1", ""];
    for address in outside {
        let stream = bench.send_key_from(2, address);
        let answer = assert_forbidden(&bench, stream, "address_not_allowed");
        assert_eq!(answer.details, b"keyplane_network");
    }
    // The host knows no address at all.
    let stream = bench.send_key(2);
    assert_forbidden(&bench, stream, "address_not_allowed");
    assert!(bench.allows(1));
    assert_eq!(counters(&bench.host, "keyplane_decisions_network"), outside.len() as u64 + 1);
    let (_, batch) = bench.usage();
    let record = batch.records.iter().find(|record| record.key == key_id(2)).unwrap();
    assert_eq!(record.counts, [(Reason::Allowed, 4), (Reason::Network, 7)]);
}

#[test]
fn headers_of_the_caller_do_not_change_where_it_comes_from() {
    let mut bench = Bench::synced(&plane());
    let key = super::control_plane::secret(2);
    for header in ["x-forwarded-for", "x-envoy-external-address", "forwarded", "x-real-ip", "source.address"] {
        let stream = bench.send_from(Some("198.51.100.1:1"), &[("x-api-key", key.as_str()), (header, "192.0.2.7")]);
        assert_forbidden(&bench, stream, "address_not_allowed");
    }
}

#[test]
fn a_key_without_networks_does_not_pay_for_the_address() {
    let mut bench = Bench::synced(&plane());
    let asked = |bench: &Bench| bench.vm.hostcalls().get("proxy_get_property").copied();
    let before = asked(&bench);
    bench.send_key_from(1, "192.0.2.7:1");
    bench.send_key_from(9, "192.0.2.7:1");
    assert_eq!(asked(&bench), before);
    bench.send_key_from(2, "192.0.2.7:1");
    assert_eq!(asked(&bench), Some(before.unwrap_or(0) + 1));
}

#[test]
fn a_key_that_gets_other_networks_is_held_to_them_at_once() {
    let mut plane = plane();
    let mut bench = Bench::synced(&plane);
    let allowed = |bench: &mut Bench| {
        let stream = bench.send_key_from(2, "192.0.2.7:1");
        bench.verdict(stream) == Verdict::Allowed
    };
    assert!(allowed(&mut bench));
    plane.policy_with(2, "jobs:read", &["203.0.113.9/32"]);
    plane.issue_with(2, |key| key.policy = 2);
    bench.catch_up(&plane);
    assert!(!allowed(&mut bench));
    plane.issue_with(2, |key| key.policy = 0);
    bench.catch_up(&plane);
    assert!(allowed(&mut bench));
    // A policy that has not arrived may hold networks.
    plane.issue_with(2, |key| key.policy = 3);
    bench.catch_up(&plane);
    let stream = bench.send_key_from(2, "192.0.2.7:1");
    bench.assert_refused(stream, 503, "filter_fault");
}

#[test]
fn a_suspended_account_stops_all_its_keys_and_resumed_they_go_on() {
    let mut plane = plane();
    plane.revoke(3);
    let mut bench = Bench::synced(&plane);
    assert!(bench.allows(1));
    plane.suspend(true);
    bench.catch_up(&plane);
    for number in [1, 2] {
        let stream = bench.send_key_from(number, "192.0.2.7:1");
        let answer = assert_forbidden(&bench, stream, "account_suspended");
        assert_eq!(answer.details, b"keyplane_suspended");
    }
    // What is known of the key itself comes first: a thief must not learn whose key it was.
    let (revoked, unknown) = (bench.send_key(3), bench.send_key(9));
    bench.assert_refused(revoked, 401, "credential_invalid");
    bench.assert_refused(unknown, 401, "credential_invalid");
    let outside = bench.send_key_from(2, "198.51.100.1:1");
    assert_forbidden(&bench, outside, "address_not_allowed");
    assert_eq!(counters(&bench.host, "keyplane_decisions_suspended"), 2);
    // A worker that starts now learns it with the first table.
    let mut late = Bench::synced(&plane);
    let stream = late.send_key(1);
    assert_forbidden(&late, stream, "account_suspended");
    plane.suspend(false);
    bench.catch_up(&plane);
    assert!(bench.allows(1));
    let stream = bench.send_key_from(2, "192.0.2.7:1");
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
}

#[test]
fn requests_that_were_held_are_judged_by_their_own_address() {
    let mut plane = plane();
    plane.issue_with(4, |key| (key.policy, key.flags) = (1, Key::REPORT_SOURCES));
    let mut bench = Bench::new();
    let inside = bench.send_key_from(2, "192.0.2.7:1");
    let outside = bench.send_key_from(2, "198.51.100.1:1");
    let told = bench.send_key_from(4, "198.51.100.2:1");
    bench.pass(Duration::from_millis(50));
    assert_eq!(bench.verdict(inside), Verdict::Held);
    bench.catch_up(&plane);
    assert_eq!(bench.verdict(inside), Verdict::Allowed);
    assert_forbidden(&bench, outside, "address_not_allowed");
    assert_forbidden(&bench, told, "address_not_allowed");
    let (_, batch) = bench.usage();
    let source = "198.51.100.2".parse::<std::net::Ipv4Addr>().unwrap().to_ipv6_mapped().octets();
    assert_eq!(batch.sources[0].sources[0].address, source, "refused, and its source is told all the same");
}
