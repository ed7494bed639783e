//! Rules in the built filter: paths, public requests, preflights, scopes and environments.

use keyplane_contract::{code::Reason, sync::Environment};
use keyplane_tests::host::{ContextId, Verdict};

use super::{
    bench::{Bench, counters},
    control_plane::{ControlPlane, key_id, secret},
};

const RULES: &str = r#"{
    "control_plane": {"cluster": "keyplane"},
    "unknown_keys": {"requests": 0},
    "identity": {"filter_state": ["rule", "reason"]},
    "rules": [
        {"name": "health", "paths": ["/healthz"], "methods": ["GET"], "access": "public"},
        {"name": "docs", "hosts": ["docs.example.com", "*.docs.example.com:*"], "access": "public"},
        {"name": "hook", "paths": ["/hook"], "access": "public", "forward_credential": true},
        {"name": "read", "paths": ["/jobs/**"], "methods": ["GET"], "scopes": {"all": ["jobs:read"]}},
        {"name": "write", "paths": ["/jobs/**"], "scopes": {"any": ["jobs:write", "admin"]}},
        {"name": "live", "paths": ["/live/*/x"], "environment": "live"}
    ]
}"#;

/// Key 1 may read jobs, key 2 may all, key 3 has no scope; all are live but for 4.
fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.policy(1, "jobs:read");
    plane.policy(2, "admin jobs:read");
    plane.issue_with(1, |key| key.policy = 1);
    plane.issue_with(2, |key| key.policy = 2);
    plane.issue(3);
    plane.issue_with(4, |key| key.environment = Environment::Test);
    plane
}

fn synced(config: &str) -> Bench {
    let mut bench = Bench::with_config(config);
    bench.catch_up(&plane());
    bench
}

/// `GET host/path` and so on, with the key of this number if any, and without a body.
fn send(bench: &mut Bench, method: &str, url: &str, key: Option<u64>) -> ContextId {
    let key = key.map(secret);
    let headers: Vec<(&str, &str)> = key.iter().map(|key| ("x-api-key", key.as_str())).collect();
    send_with(bench, method, url, &headers, true)
}

fn send_with(bench: &mut Bench, method: &str, url: &str, headers: &[(&str, &str)], is_whole: bool) -> ContextId {
    let (host, path) = url.split_at(url.find(['/', '*']).unwrap_or(url.len()));
    let mut all = vec![(":method", method), (":authority", host), (":scheme", "https")];
    all.extend((!path.is_empty()).then_some((":path", path)));
    all.extend(headers);
    let stream = bench.vm.stream(bench.root, &all).unwrap();
    bench.vm.request_headers(stream, is_whole).unwrap();
    stream
}

#[test]
fn the_first_rule_that_is_for_a_request_decides_in_the_built_filter() {
    let mut bench = synced(RULES);
    for (method, url, key, expected) in [
        ("GET", "a/healthz", None, None),
        ("HEAD", "a/healthz?full=1", None, None),
        ("POST", "a/healthz", None, Some((401, "credential_missing"))),
        ("GET", "docs.example.com/any", None, None),
        ("GET", "DOCS.example.com/any", None, None),
        ("GET", "docs.example.com:1/any", None, Some((401, "credential_missing"))),
        ("GET", "v2.docs.example.com:8443/any", None, None),
        ("OPTIONS", "docs.example.com*", None, None),
        ("OPTIONS", "a*", None, Some((401, "credential_missing"))),
        ("CONNECT", "docs.example.com", None, None),
        ("CONNECT", "db.example.com:5432", None, Some((401, "credential_missing"))),
        ("CONNECT", "db.example.com:5432", Some(3), None),
        ("GET", "a/jobs/1", Some(1), None),
        ("POST", "a/jobs/1", Some(1), Some((403, "scope_missing"))),
        ("POST", "a/jobs/1", Some(2), None),
        ("GET", "a/jobs/1", Some(3), Some((403, "scope_missing"))),
        ("GET", "a/live/1/x", Some(4), Some((403, "environment_not_allowed"))),
        ("GET", "a/live/1/x", Some(3), None),
        ("GET", "a/live/1/2/x", Some(4), None),
        ("GET", "a/other", Some(3), None),
        ("GET", "a/other", None, Some((401, "credential_missing"))),
        ("GET", "a/other", Some(9), Some((401, "credential_invalid"))),
    ] {
        let stream = send(&mut bench, method, url, key);
        match expected {
            None => assert_eq!(bench.verdict(stream), Verdict::Allowed, "{method} {url}"),
            Some((status, code)) => {
                let answer = bench.assert_refused(stream, status, code);
                assert_eq!(answer.grpc_status, Some(if status == 403 { 7 } else { 16 }));
            }
        }
    }
    assert_eq!(counters(&bench.host, "keyplane_decisions_public"), 7);
    assert_eq!(counters(&bench.host, "keyplane_decisions_scope"), 2);
    assert_eq!(counters(&bench.host, "keyplane_decisions_environment"), 1);
    let (_, batch) = bench.usage();
    let record = batch.records.iter().find(|record| record.key == key_id(1)).unwrap();
    assert_eq!(record.counts, [(Reason::Allowed, 1), (Reason::Scope, 1)]);
}

#[test]
fn who_lacks_a_scope_is_told_which_and_the_log_which_rule() {
    let mut bench = synced(RULES);
    let stream = send(&mut bench, "DELETE", "a/jobs/1", Some(1));
    let Verdict::Refused(answer) = bench.verdict(stream) else { panic!("passed") };
    let challenge = br#"Bearer realm="keyplane", error="insufficient_scope", scope="admin jobs:write""#;
    assert_eq!(answer.headers.get_all("www-authenticate"), [challenge]);
    assert_eq!(answer.details, b"keyplane_scope");
    assert_eq!(bench.state(stream).filter_state[&b"keyplane.rule"[..]], b"write");
}

#[test]
fn a_path_that_can_be_read_in_two_ways_is_refused_before_any_rule() {
    let mut bench = synced(RULES);
    for path in [
        "/healthz/../jobs/1",
        "/x/%2e%2e/healthz",
        "/healthz/.",
        "/healthz;x",
        "/;x/healthz",
        "/..;/healthz",
        "//healthz",
        "/jobs//1",
        "/jobs%2f1",
        "/jobs%5C1",
        "/jobs\\1",
        "/healthz%00",
        "/healthz%0a",
        "/healthz%",
        "/healthz%2",
        "/%2568ealthz",
        "/healthz#x",
        "/%c0%afhealthz",
        "/healthz\u{7f}",
    ] {
        for key in [None, Some(2)] {
            let stream = send(&mut bench, "GET", &format!("docs.example.com{path}"), key);
            let answer = bench.assert_refused(stream, 400, "path_not_accepted");
            assert_eq!((answer.grpc_status, answer.details.as_slice()), (Some(3), &b"keyplane_path"[..]), "{path}");
        }
    }
    // Neither path nor what makes one superfluous.
    for (method, url) in [("GET", "docs.example.com"), ("GET", "docs.example.com*"), ("POST", "docs.example.com*")] {
        let stream = send(&mut bench, method, url, None);
        bench.assert_refused(stream, 400, "path_not_accepted");
    }
    // Without rules no path is looked at.
    let mut bench = synced(super::bench::CONFIG);
    let stream = send(&mut bench, "GET", "a/jobs/../x//y", Some(1));
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
}

#[test]
fn a_public_request_passes_without_a_table_and_as_nobody() {
    let mut bench = Bench::with_config(RULES);
    let forged = [
        ("x-keyplane-account", "forged"),
        ("X_Keyplane_Key_Id", "forged"),
        ("x-api-key", "one"),
        ("authorization", "Bearer two"),
        ("connection", "x-keyplane-scopes"),
        ("x-other", "kept"),
    ];
    let stream = send_with(&mut bench, "GET", "a/healthz", &forged, true);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    let headers = &bench.state(stream).request_headers;
    for gone in ["x-keyplane-account", "x_keyplane_key_id", "x-api-key", "authorization", "connection"] {
        assert_eq!(headers.get(gone), None, "{gone}");
    }
    assert_eq!(headers.get_all("x-other"), [b"kept"]);
    let hook = send_with(&mut bench, "POST", "a/hook", &forged, false);
    assert_eq!(bench.verdict(hook), Verdict::Allowed);
    assert_eq!(bench.state(hook).request_headers.get_all("authorization"), [b"Bearer two"]);
    assert_eq!(bench.state(hook).request_headers.get("x-keyplane-account"), None);
    // What needs a key waits for the table.
    let held = send(&mut bench, "GET", "a/jobs/1", Some(1));
    assert_eq!(bench.verdict(held), Verdict::Held);
    bench.catch_up(&plane());
    assert_eq!(bench.verdict(held), Verdict::Allowed);
}

#[test]
fn a_true_preflight_passes_and_nothing_that_only_looks_like_one() {
    let mut bench = Bench::with_config(RULES);
    let (origin, asks) = (("origin", "https://app"), ("access-control-request-method", "POST"));
    let more = [origin, asks, ("x-keyplane-user", "forged"), ("x-api-key", "any")];
    let stream = send_with(&mut bench, "OPTIONS", "a/jobs/1", &more, true);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    let headers = &bench.state(stream).request_headers;
    assert_eq!((headers.get("x-keyplane-user"), headers.get("x-api-key")), (None, None));
    assert_eq!(counters(&bench.host, "keyplane_decisions_preflight"), 1);
    for (method, headers, is_whole) in [
        ("OPTIONS", &[origin, asks][..], false),
        ("OPTIONS", &[origin], true),
        ("OPTIONS", &[asks], true),
        ("OPTIONS", &[], true),
        ("GET", &[origin, asks], true),
        ("POST", &[origin, asks], false),
    ] {
        let stream = send_with(&mut bench, method, "a/jobs/1", headers, is_whole);
        bench.assert_refused(stream, 401, "credential_missing");
    }
    let stream = send_with(&mut bench, "OPTIONS", "a/jobs/../1", &[origin, asks], true);
    bench.assert_refused(stream, 400, "path_not_accepted");
    let mut bench = Bench::with_config(r#"{"control_plane": {"cluster": "keyplane"}, "cors_preflight": "protect"}"#);
    let stream = send_with(&mut bench, "OPTIONS", "a/jobs/1", &[origin, asks], true);
    bench.assert_refused(stream, 401, "credential_missing");
}

#[test]
fn ten_thousand_rules_are_taken_and_all_of_them_found() {
    let rules: Vec<String> = (0..10_000)
        .map(|number| {
            format!(r#"{{"paths": ["/s{}/r{}/*/x{number}/**"], "access": "public"}}"#, number / 100, number % 100)
        })
        .collect();
    let config = format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, "rules": [{}]}}"#, rules.join(","));
    let mut bench = Bench::with_config(&config);
    for number in (0..10_000).step_by(997) {
        let path = format!("a/s{}/r{}/any/x{number}/y", number / 100, number % 100);
        let stream = send(&mut bench, "GET", &path, None);
        assert_eq!(bench.verdict(stream), Verdict::Allowed, "{path}");
        let stream = send(&mut bench, "GET", &path.replace("/any", ""), None);
        bench.assert_refused(stream, 401, "credential_missing");
    }
}
