//! What the upstream, access logs and later filters learn of who calls, and that nobody else can say it.

use keyplane_contract::sync::{Key, Metadata};
use keyplane_tests::host::{ContextId, Fault, Status, Verdict};

use super::{
    bench::Bench,
    control_plane::{ACCOUNT, ControlPlane, PROJECT, key_id, secret},
};

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.metadata = Metadata::encode([("plan", "prö")]).unwrap();
    plane.policy(1, "jobs:read jobs:write");
    plane.issue_with(1, |key| key.policy = 1);
    plane.issue_with(2, |key: &mut Key| key.expires_at = 1);
    plane
}

fn synced(identity: &str) -> Bench {
    let config = format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, "identity": {identity}}}"#);
    let mut bench = Bench::with_config(&config);
    bench.catch_up(&plane());
    bench
}

/// The headers that the upstream sees, beside the usual ones.
fn seen(bench: &Bench, stream: ContextId) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let entries = bench.state(stream).request_headers.entries().iter();
    let mut seen: Vec<_> = entries.map(|(name, value)| (text(name), text(value))).collect();
    seen.retain(|(name, _)| !name.starts_with(':'));
    seen.sort();
    seen
}

fn state(bench: &Bench, stream: ContextId) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    bench.state(stream).filter_state.iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn pairs<const N: usize>(expected: [(&str, String); N]) -> Vec<(String, String)> {
    expected.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// One in every spelling, some of them twice.
fn forged(names: &[&str]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for name in names {
        for spelling in [
            (*name).to_owned(),
            name.to_uppercase(),
            name.replace('-', "_"),
            name.replace('-', "."),
            name.replacen('-', "_", 1),
            (*name).to_owned(),
        ] {
            all.push((spelling, "forged".to_owned()));
        }
    }
    all
}

#[test]
fn kongs_names_are_set_and_cannot_be_forged() {
    let mut bench = synced(r#"{"preset": "kong"}"#);
    let mut headers = forged(&[
        "x-consumer-id",
        "x-consumer-username",
        "x-consumer-custom-id",
        "x-credential-identifier",
        "x-anonymous-consumer",
        "x-consumer-groups",
        "x-authenticated-groups",
        "x-keyplane-account",
    ]);
    headers.push(("x-api-key".to_owned(), secret(1)));
    headers.push(("x-other".to_owned(), "stays".to_owned()));
    let stream = bench.send(&headers);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    let expected = pairs([
        ("x-consumer-custom-id", "org_1".to_owned()),
        ("x-consumer-id", ACCOUNT.to_string()),
        ("x-consumer-username", "Acme".to_owned()),
        ("x-credential-identifier", key_id(1).to_string()),
        ("x-other", "stays".to_owned()),
    ]);
    assert_eq!(seen(&bench, stream), expected);
}

#[test]
fn chosen_names_are_set_and_cannot_be_forged() {
    let mut bench = synced(
        r#"{"headers": {"account": "X-Tenant-ID", "project": "project", "scopes": null, "reason": "x-how"}, "metadata": {"plan": "x-plan"}}"#,
    );
    let mut headers = forged(&["x-tenant-id", "project", "x-how", "x-plan", "x-keyplane-scopes", "x-keyplane-account"]);
    headers.push(("x-api-key".to_owned(), secret(1)));
    let stream = bench.send(&headers);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    let expected = pairs([
        ("project", PROJECT.to_string()),
        ("x-how", "allowed".to_owned()),
        ("x-keyplane-environment", "live".to_owned()),
        ("x-keyplane-key-id", key_id(1).to_string()),
        ("x-plan", "pr%C3%B6".to_owned()),
        ("x-tenant-id", ACCOUNT.to_string()),
    ]);
    assert_eq!(seen(&bench, stream), expected);
    // From a refused request they are gone as well, whatever another filter may make of it.
    headers.retain(|(name, _)| name != "x-api-key");
    let stream = bench.send(&headers);
    bench.assert_refused(stream, 401, "credential_missing");
    assert_eq!(seen(&bench, stream), []);
}

#[test]
fn a_connection_header_cannot_make_the_upstream_drop_an_identity() {
    let mut bench = synced(r#"{"headers": {"account": "x-tenant"}}"#);
    let key = secret(1);
    for (sent, expected) in [
        (&["Upgrade"][..], &["Upgrade"][..]),
        (&["Upgrade,  close"], &["Upgrade,  close"]),
        (&["Upgrade, X-Keyplane-Key-Id, x_tenant, x-other"], &["Upgrade, x-other"]),
        (&["x-tenant", "Upgrade"], &["Upgrade"]),
        (&["x-tenant,x-keyplane-scopes"], &[]),
    ] {
        let mut headers = vec![("upgrade", "websocket"), ("x-api-key", key.as_str())];
        headers.extend(sent.iter().map(|value| ("connection", *value)));
        let stream = bench.send(&headers);
        assert_eq!(bench.verdict(stream), Verdict::Allowed);
        let request = &bench.state(stream).request_headers;
        let found: Vec<_> =
            request.get_all("connection").iter().map(|v| String::from_utf8(v.to_vec()).unwrap()).collect();
        assert_eq!(found, expected, "{sent:?}");
        assert_eq!(request.get_all("x-tenant"), [ACCOUNT.to_string().as_bytes()]);
    }
}

#[test]
fn filter_state_tells_allowed_and_refused_requests_apart() {
    let mut bench = synced(r#"{"filter_state": ["reason", "key_id", "account", "scopes"]}"#);
    let allowed = bench.send_key(1);
    let expected = pairs([
        ("keyplane.account", ACCOUNT.to_string()),
        ("keyplane.key_id", key_id(1).to_string()),
        ("keyplane.reason", "allowed".to_owned()),
        ("keyplane.scopes", "jobs:read jobs:write".to_owned()),
    ]);
    assert_eq!(state(&bench, allowed), expected);
    let expired = bench.send_key(2);
    bench.assert_refused(expired, 401, "credential_invalid");
    let expected = pairs([("keyplane.key_id", key_id(2).to_string()), ("keyplane.reason", "expired".to_owned())]);
    assert_eq!(state(&bench, expired), expected);
    let missing = bench.send(&[("x-keyplane-key-id", "forged")]);
    assert_eq!(state(&bench, missing), pairs([("keyplane.reason", "missing".to_owned())]));
    // Without it in the configuration there is none, and no call for it.
    let mut silent = synced("{}");
    silent.vm.reset_hostcalls();
    let stream = silent.send_key(1);
    assert_eq!(state(&silent, stream), []);
    assert_eq!(silent.vm.hostcalls().get("proxy_set_property"), None);
}

#[test]
fn a_request_whose_filter_state_cannot_be_set_does_not_pass() {
    let mut bench = synced(r#"{"filter_state": ["environment", "reason"]}"#);
    for nth in 0..2 {
        bench.vm.inject(Fault::nth("proxy_set_property", nth, Status::BadArgument as u32));
        let stream = bench.send_key(1);
        bench.assert_refused(stream, 503, "filter_fault");
        assert!(state(&bench, stream).contains(&("keyplane.reason".to_owned(), "fault".to_owned())));
        assert!(bench.allows(1));
    }
    // One that is refused anyway keeps its own reason.
    bench.vm.inject(Fault::nth("proxy_set_property", 0, Status::BadArgument as u32));
    let stream = bench.send_key(2);
    bench.assert_refused(stream, 401, "credential_invalid");
}

#[test]
fn the_usual_names_take_as_few_calls_as_ever() {
    let mut bench = synced("{}");
    bench.vm.reset_hostcalls();
    let stream = bench.send_key(1);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    let mut calls = bench.vm.hostcalls();
    calls.remove("proxy_increment_metric");
    let expected =
        [("proxy_add_header_map_value", 5), ("proxy_get_header_map_pairs", 1), ("proxy_remove_header_map_value", 1)];
    assert_eq!(calls.into_iter().collect::<Vec<_>>(), expected);
}
