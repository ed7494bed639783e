//! Each hostcall fails, in turn, with each status, at each point of start, sync and request: nobody unknown gets in, nothing
//! traps, and the next good request is right.

use std::time::Duration;

use keyplane_tests::host::{Fault, Status, Verdict};

use super::{
    bench::{Bench, host},
    control_plane::{ACCOUNT, ControlPlane, PROJECT, key_id, secret},
};

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.policy(1, "jobs:read");
    plane.issue_with(1, |key| key.policy = 1);
    plane.revoke(2);
    plane.issue_with(4, |key| key.expires_at = 1);
    // Allowed here, and not allowed here.
    plane.policy_with(2, "jobs:read", &["192.0.2.0/24"]);
    plane.issue_with(5, |key| key.policy = 2);
    plane.policy_with(3, "jobs:read", &["198.51.100.0/24"]);
    plane.issue_with(6, |key| key.policy = 3);
    plane
}

/// Where every request comes from.
const ADDRESS: &str = "192.0.2.7:1";
/// Keys that may be let through.
const GOOD: [u64; 2] = [1, 5];

/// What the upstream must learn from a request with a good key.
fn identity(number: u64) -> Vec<(&'static str, String)> {
    vec![
        ("x-keyplane-key-id", key_id(number).to_string()),
        ("x-keyplane-account", ACCOUNT.to_string()),
        ("x-keyplane-project", PROJECT.to_string()),
        ("x-keyplane-environment", "live".to_owned()),
        ("x-keyplane-scopes", "jobs:read".to_owned()),
    ]
}

/// What a hostcall may answer: each status of the ABI, and a number that has no meaning.
fn statuses() -> impl Iterator<Item = u32> {
    Status::FAILURES.into_iter().map(|s| s as u32).chain([77, u32::MAX])
}

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

#[test]
fn a_failing_hostcall_in_a_request_lets_no_unknown_caller_in() {
    // All come from one address, and most are refused.
    let config = r#"{"control_plane": {"cluster": "keyplane"}, "guessing": {"failures": 0},
        "identity": {"filter_state": ["key_id", "reason"]}}"#;
    let mut bench = Bench::with_config(config);
    bench.catch_up(&plane());
    let mut cases = 0;
    let forged = |number: u64| {
        [
            ("x-keyplane-key-id", "forged".to_owned()),
            ("connection", "upgrade, x-keyplane-key-id".to_owned()),
            ("x-api-key", secret(number)),
        ]
    };
    for number in 1..=6 {
        let made = calls(&mut bench, |bench| {
            let stream = bench.send_from(Some(ADDRESS), &forged(number));
            bench.vm.delete_stream(stream).unwrap();
        });
        for fault in faults(made) {
            bench.vm.inject(fault.clone());
            let stream = bench.send_from(Some(ADDRESS), &forged(number));
            let verdict = bench.verdict(stream);
            if verdict == Verdict::Allowed {
                assert!(GOOD.contains(&number), "{fault:?} let refused key {number} in");
                let seen = &bench.state(stream).request_headers;
                for (name, value) in identity(number) {
                    assert_eq!(seen.get_all(name), [value.as_bytes()], "{fault:?}: {name}");
                }
                assert!(seen.get("x-api-key").is_none(), "{fault:?} let the credential through");
                assert_eq!(seen.get_all("connection"), [b"upgrade"], "{fault:?}");
                let state = &bench.state(stream).filter_state;
                let key = state.get(&b"keyplane.key_id"[..]).map(Vec::as_slice);
                assert_eq!(key, Some(key_id(number).to_string().as_bytes()), "{fault:?}");
            } else {
                // Only an answer that could not be given may leave a request waiting; it does not pass.
                let unanswered = verdict == Verdict::Held && fault.call == "proxy_send_local_response";
                // A key that is unknown waits for the control plane's word, and is refused without it.
                let verdict = if verdict == Verdict::Held && !unanswered {
                    bench.vm.clear_faults();
                    bench.pass(Duration::from_millis(1_200));
                    bench.verdict(stream)
                } else {
                    verdict
                };
                assert!(unanswered || matches!(verdict, Verdict::Refused(_)), "{fault:?}: {verdict:?}");
            }
            bench.vm.delete_stream(stream).unwrap();
            bench.vm.clear_faults();
            assert!(bench.allows(1) && !bench.allows(2), "after {fault:?}");
            cases += 1;
        }
    }
    println!("{cases} cases");
    assert!(cases > 200);
}

/// From the start to the first request of a worker whose hostcalls may fail; `None` if it did not start.
fn life(fault: Option<&Fault>, plane: &ControlPlane) -> Option<Bench> {
    let host = host();
    let mut vm = host.start_vm().unwrap();
    if let Some(fault) = fault {
        vm.inject(fault.clone());
    }
    let plugin = keyplane_tests::host::Plugin::new(super::bench::CONFIG);
    let root = vm.create_root(plugin).ok()?;
    if !vm.configure(root).unwrap() {
        return None;
    }
    let mut bench = Bench::of(host, vm, root);
    let held = bench.send_key(3);
    for _ in 0..40 {
        bench.pass(Duration::from_millis(100));
        if let Some(poll) = bench.waiting("/sync/v1/changes") {
            bench.answer(&poll, plane.answer(&poll));
        }
    }
    assert_ne!(bench.verdict(held), Verdict::Allowed, "{fault:?}");
    bench.vm.delete_stream(held).unwrap();
    Some(bench)
}

#[test]
fn a_failing_hostcall_in_start_and_sync_opens_nothing_and_is_recovered_from() {
    let plane = plane();
    let healthy = life(None, &plane).unwrap();
    let made = healthy.vm.hostcalls().into_iter().map(|(call, count)| (call, count.min(6))).collect();
    drop(healthy);
    let faults = faults(made);
    println!("{} cases", faults.len());
    assert!(faults.len() > 500);
    for fault in faults {
        let Some(mut bench) = life(Some(&fault), &plane) else { continue };
        bench.vm.clear_faults();
        bench.catch_up(&plane);
        assert!(bench.allows(1), "not recovered from {fault:?}");
        assert!(!bench.allows(2) && !bench.allows(3), "after {fault:?}");
    }
}

#[test]
fn callbacks_in_an_unexpected_order_do_not_trap() {
    let mut bench = Bench::synced(&plane());
    let root = bench.root;
    for id in [0, root, 7, 4_000_000_000] {
        bench.vm.call_raw(id, "proxy_on_http_call_response", (id, 999_u32, 3_u32, 10_u32, 0_u32)).unwrap();
        bench.vm.call_raw(id, "proxy_on_http_call_response", (id, 999_u32, 0_u32, 0_u32, 0_u32)).unwrap();
        bench.vm.call_raw(id, "proxy_on_tick", id).unwrap();
    }
    for id in [7, 4_000_000_000] {
        bench.vm.call_raw(id, "proxy_on_delete", id).unwrap();
        bench.vm.call_raw(id, "proxy_on_delete", id).unwrap();
    }
    let stream = bench.send_key(1);
    bench.vm.call_raw(stream, "proxy_on_delete", stream).unwrap();
    bench.vm.delete_stream(stream).unwrap();
    assert!(bench.allows(1) && !bench.allows(2));
}
