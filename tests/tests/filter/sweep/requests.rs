//! One request of each kind, on a worker that is in order: each hostcall that it makes fails with each status.

use std::time::Duration;

use super::super::{
    bench::host,
    control_plane::{ACCOUNT, key_id},
};
use super::*;

/// The hostcalls that `run` makes, as (name, how often).
fn calls(bench: &mut Bench, run: impl FnOnce(&mut Bench)) -> Vec<(&'static str, usize)> {
    bench.vm.reset_hostcalls();
    run(bench);
    bench.vm.hostcalls().into_iter().collect()
}

/// Each fault of each of these calls.
fn faults(calls: Vec<(&'static str, usize)>) -> Vec<Fault> {
    let points = calls.into_iter().flat_map(|(call, count)| (0..count).map(move |nth| (call, nth)));
    points.flat_map(|(call, nth)| statuses().map(move |status| Fault::nth(call, nth, status))).collect()
}

/// From the headers to the end of its answer.
fn run(bench: &mut Bench, sent: &Sent) -> ContextId {
    let stream = sent.send(&mut bench.vm, bench.root);
    if sent.name == "unknown" && bench.verdict(stream) == Verdict::Held {
        // It waits for the control plane's word, which does not come.
        bench.pass(Duration::from_millis(1_200));
    }
    if bench.verdict(stream) == Verdict::Allowed {
        bench
            .vm
            .response_headers(stream, &[(":status", "200"), ("x-keyplane-reason", "the upstream's")], true)
            .unwrap();
    }
    bench.vm.delete_stream(stream).unwrap();
    stream
}

/// Sends each request with each fault; gives the number of cases.
fn sweep(bench: &mut Bench, all: &[Sent], good: &Sent, bad: &Sent) -> usize {
    let mut cases = 0;
    for sent in all {
        let healthy = run(bench, sent);
        let verdict = bench.verdict(healthy);
        assert_eq!(verdict == Verdict::Allowed, sent.passes, "{}: {verdict:?}", sent.name);
        let expected = Seen::of(bench.state(healthy));
        let made = calls(bench, |bench| {
            run(bench, sent);
        });
        for fault in faults(made) {
            bench.vm.inject(fault.clone());
            let stream = run(bench, sent);
            let verdict = bench.verdict(stream);
            if verdict == Verdict::Allowed {
                assert!(sent.passes, "{}: {fault:?} let it in", sent.name);
                assert_eq!(Seen::of(bench.state(stream)), expected, "{}: {fault:?}", sent.name);
            } else {
                assert_closed(&verdict, &fault);
            }
            bench.vm.clear_faults();
            let (next, worse) = (run(bench, good), run(bench, bad));
            assert_eq!(bench.verdict(next), Verdict::Allowed, "{}: after {fault:?}", sent.name);
            assert!(matches!(bench.verdict(worse), Verdict::Refused(_)), "{}: after {fault:?}", sent.name);
            cases += 1;
        }
    }
    cases
}

#[test]
fn a_failing_hostcall_in_a_request_lets_nobody_in_and_no_half_identity_through() {
    // All come from one address, and most are refused.
    let config = r#"{"control_plane": {"cluster": "keyplane"}, "guessing": {"failures": 0},
        "identity": {"filter_state": ["key_id", "reason"]}}"#;
    let mut bench = Bench::with_config(config);
    bench.catch_up(&plane());
    let request = |name, number, passes| Sent::get(name, "/", passes).with_key(number).forged();
    let all = [
        request("good", 1, true),
        request("revoked", 2, false),
        request("unknown", 3, false),
        request("expired", 4, false),
        request("from its network", 5, true),
        request("from another network", 6, false),
        Sent::get("none", "/", false),
    ];
    let stream = all[0].send(&mut bench.vm, bench.root);
    let seen = &bench.state(stream).request_headers;
    for (name, value) in [("x-keyplane-key-id", key_id(1).to_string()), ("x-keyplane-account", ACCOUNT.to_string())] {
        assert_eq!(seen.get_all(name), [value.as_bytes()]);
    }
    assert!(seen.get("x-api-key").is_none());
    let cases = sweep(&mut bench, &all, &request("good", 1, true), &request("revoked", 2, false));
    println!("{cases} cases");
    assert!(cases > 700);
}

/// One request of each kind that [`EVERYTHING`] tells apart.
fn kinds() -> Vec<Sent> {
    const TOKEN: &[(&str, &str)] = &[("iss", "https://a"), ("sub", "user_1"), ("org", "tenant"), ("scope", "admin")];
    const POOR: &[(&str, &str)] = &[("iss", "https://a"), ("sub", "user_1"), ("org", "tenant"), ("scope", "read")];
    const FOREIGN: &[(&str, &str)] = &[("iss", "https://b"), ("sub", "user_1"), ("org", "tenant")];
    let in_query = |number| format!("/jobs?a=1&api%5fkey={}&b", secret(number));
    let preflight = |path| Sent { method: "OPTIONS", ..Sent::get("preflight", path, true) };
    let jwt = "Bearer eyJh.eyJp.c2ln";
    let mut kinds = vec![
        Sent::get("header", "/jobs", true).with_key(1),
        Sent::get("query", &in_query(1), true),
        Sent::get("cookie", "/jobs", true).with("cookie", format!("a=1; key={}; b=2", secret(1))),
        Sent::get("bearer", "/jobs", true).with("authorization", format!("bearer {}", secret(5))),
        Sent { method: "POST", ..Sent::get("forwarded", "/hook", true).with_key(1) },
        Sent::get("public", &in_query(1).replace("jobs", "open/jobs"), true).with("cookie", "key=any; b=2"),
        preflight("/jobs").with("origin", "https://o").with("access-control-request-method", "PUT"),
        Sent { claims: TOKEN, ..Sent::get("token", "/admin", true).with("authorization", jwt) },
        Sent { claims: FOREIGN, ..Sent::get("a foreign token beside a key", "/jobs", true).with_key(1) },
        // From here on nobody passes.
        Sent { claims: POOR, ..Sent::get("token without the scope", "/admin", false).with("authorization", jwt) },
        Sent { claims: TOKEN, ..Sent::get("token for keys", "/keys/1", false).with("authorization", jwt) },
        Sent { claims: TOKEN, ..Sent::get("token beside a key", "/jobs", false).with_key(1) },
        Sent { claims: FOREIGN, ..Sent::get("a foreign token", "/jobs", false) },
        Sent::get("an unverified token", "/jobs", false).with("authorization", jwt),
        Sent::get("scope", "/admin/users", false).with_key(1),
        Sent::get("environment", "/test/1", false).with_key(1),
        Sent::get("network", "/jobs", false).with_key(6),
        Sent::get("expired", &in_query(4), false),
        Sent::get("revoked", "/jobs", false).with("cookie", format!("key={}", secret(2))),
        Sent::get("path", "/open/../admin", false).with_key(1),
        Sent::get("two", &in_query(1), false).with_key(1),
        Sent::get("malformed", "/jobs", false).with("x-api-key", "no key"),
        Sent::get("unknown", "/jobs", false).with_key(3),
    ];
    for sent in &mut kinds {
        let plain = std::mem::replace(sent, Sent::get("", "", false));
        *sent = plain.forged().with("x-keyplane-debug", DEBUG_TOKEN);
    }
    kinds
}

#[test]
fn with_every_feature_a_failing_hostcall_in_a_request_lets_nobody_in_and_no_half_identity_through() {
    let mut bench = Bench::on(with_debug_token(host()), EVERYTHING);
    bench.catch_up(&plane());
    let all = kinds();
    for sent in all.iter().filter(|sent| sent.passes && sent.name != "forwarded") {
        let stream = sent.send(&mut bench.vm, bench.root);
        let told = format!("{:?}", Seen::of(bench.state(stream)));
        assert!(!told.contains("forged") && !told.contains(&secret(1)) && !told.contains("debug"), "{told}");
        bench.vm.delete_stream(stream).unwrap();
    }
    let good = Sent::get("good", "/jobs?x", true).with_key(1);
    let cases = sweep(&mut bench, &all, &good, &Sent::get("bad", "/jobs", false).with_key(2));
    println!("{cases} cases");
    assert!(cases > 5_000);
}
