//! Why a request was decided as it was, told to whoever has the operator's debug token, and to nobody else.

use keyplane_tests::host::{Action, ContextId, Fault, Host, Plugin, Verdict};

use super::{
    bench::{Bench, CONFIG, host},
    control_plane::{ControlPlane, secret},
};

const TOKEN: &str = "kp_debug_testtest";
const TOLD: [&str; 4] = ["x-keyplane-rule", "x-keyplane-reason", "x-keyplane-revision", "x-keyplane-age"];

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.issue(1);
    plane.revoke(2);
    plane
}

fn with_token() -> Host {
    let host = host();
    host.set_env("KEYPLANE_DEBUG_TOKEN", TOKEN);
    host
}

fn synced(host: Host) -> Bench {
    let mut bench = Bench::on(host, CONFIG);
    bench.catch_up(&plane());
    bench
}

fn asks(bench: &mut Bench, number: u64, token: &str) -> ContextId {
    bench.send(&[("x-api-key", secret(number).as_str()), ("x-keyplane-debug", token)])
}

/// The answer passes; what it tells then. The upstream says something of its own under one of the names.
fn told(bench: &mut Bench, stream: ContextId) -> Vec<String> {
    let headers = [(":status", "200"), ("x-keyplane-reason", "the upstream's"), ("x-other", "1")];
    assert_eq!(bench.vm.response_headers(stream, &headers, false).unwrap(), Action::Continue);
    let seen = bench.state(stream).response_headers.clone().unwrap();
    assert_eq!(seen.get("x-other"), Some(&b"1"[..]));
    let values = TOLD.iter().flat_map(|name| seen.get_all(name));
    values.map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

#[test]
fn an_allowed_request_learns_why_from_its_answer() {
    let mut bench = synced(with_token());
    let stream = asks(&mut bench, 1, TOKEN);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    assert!(bench.state(stream).request_headers.get("x-keyplane-debug").is_none());
    let told = told(&mut bench, stream);
    let (age, known) = told.split_last().unwrap();
    assert_eq!(known, ["default", "allowed", &plane().head.to_string()]);
    assert!(age.parse::<u64>().is_ok());
}

#[test]
fn a_refused_request_learns_the_reason_that_others_may_not_tell_apart() {
    let mut bench = synced(with_token());
    for (number, reason) in [(2, "revoked"), (3, "unknown")] {
        let stream = asks(&mut bench, number, TOKEN);
        let answer = bench.assert_refused(stream, 401, "credential_invalid");
        assert_eq!(answer.headers.get_all("x-keyplane-reason"), [reason.as_bytes()]);
        assert_eq!(answer.headers.get_all("x-keyplane-revision"), [plane().head.to_string().as_bytes()]);
    }
}

#[test]
fn without_the_token_nothing_is_told_and_nothing_differs() {
    let usual = |host: Host, number, token: &str| {
        let mut bench = synced(host);
        let stream = asks(&mut bench, number, token);
        let headers = bench.state(stream).request_headers.clone();
        let verdict = bench.verdict(stream);
        let told = if verdict == Verdict::Allowed { told(&mut bench, stream) } else { Vec::new() };
        (verdict, headers.entries().to_vec(), told)
    };
    for number in [1, 2] {
        let expected = usual(host(), number, TOKEN);
        assert!(expected.2.iter().all(|told| told == "the upstream's"), "{expected:?}");
        for wrong in ["", "kp_debug_testtesT", "kp_debug_testtes", "kp_debug_testtest ", &"x".repeat(65_536)] {
            assert_eq!(usual(with_token(), number, wrong), expected);
        }
    }
}

#[test]
fn a_request_that_waited_learns_why() {
    let mut bench = Bench::on(with_token(), CONFIG);
    let [good, bad] = [asks(&mut bench, 1, TOKEN), asks(&mut bench, 2, TOKEN)];
    assert_eq!(bench.verdict(good), Verdict::Held);
    assert!(bench.state(good).request_headers.get("x-keyplane-debug").is_none());
    bench.catch_up(&plane());
    assert_eq!(told(&mut bench, good).get(1).map(String::as_str), Some("allowed"));
    let answer = bench.assert_refused(bad, 401, "credential_invalid");
    assert_eq!(answer.headers.get_all("x-keyplane-reason"), [b"revoked"]);
}

#[test]
fn an_answer_that_cannot_be_explained_passes_on() {
    let mut bench = synced(with_token());
    let stream = asks(&mut bench, 1, TOKEN);
    bench.vm.inject(Fault::always("proxy_replace_header_map_value", 10));
    assert_eq!(told(&mut bench, stream), ["the upstream's"]);
}

#[test]
fn requests_that_ended_are_forgotten() {
    let mut bench = synced(with_token());
    let mut memory = 0;
    for round in 0..20_000 {
        let stream = asks(&mut bench, 1, TOKEN);
        bench.vm.delete_stream(stream).unwrap();
        if round == 100 {
            memory = bench.vm.memory_bytes();
        }
    }
    assert_eq!(bench.vm.memory_bytes(), memory);
}

#[test]
fn a_token_that_can_be_guessed_is_refused_and_not_told() {
    for token in ["short", "with a blank in it", "kp_debug_\u{e9}\u{e9}\u{e9}\u{e9}"] {
        let host = host();
        host.set_env("KEYPLANE_DEBUG_TOKEN", token);
        let mut vm = host.start_vm().unwrap();
        let root = vm.create_root(Plugin::new(CONFIG)).unwrap();
        assert!(!vm.configure(root).unwrap());
        let logs: Vec<_> = host.logs().into_iter().map(|line| line.message).collect();
        assert!(logs.iter().any(|line| line.contains("KEYPLANE_DEBUG_TOKEN")), "{logs:?}");
        assert!(logs.iter().all(|line| !line.contains(token)), "{logs:?}");
    }
}
