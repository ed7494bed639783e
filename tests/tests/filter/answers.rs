//! The operator's own answers to refused requests.

use keyplane_tests::host::{LocalResponse, Verdict};

use super::{
    bench::{Bench, assert_problem},
    control_plane::ControlPlane,
};

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.issue(1);
    plane.revoke(2);
    plane
}

fn with_answers(answers: &str) -> Bench {
    let config = format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, "answers": {answers}}}"#);
    Bench::with_config(&config)
}

fn refused(bench: &mut Bench, headers: &[(&str, &str)]) -> LocalResponse {
    let stream = bench.send(headers);
    match bench.verdict(stream) {
        Verdict::Refused(answer) => answer,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn missing_and_invalid_keys_get_the_same_body_of_the_operators() {
    let mut bench = with_answers(r#"{"401": {"body": {"message":"Unauthorized"}}}"#);
    bench.catch_up(&plane());
    let revoked = super::control_plane::secret(2);
    for headers in [&[][..], &[("x-api-key", "")], &[("x-api-key", "uk_live_unknown")], &[("x-api-key", &revoked)]] {
        let answer = refused(&mut bench, headers);
        assert_eq!((answer.status, answer.body.as_slice()), (401, &br#"{"message":"Unauthorized"}"#[..]));
        assert_eq!(answer.headers.get_all("content-type"), [b"application/json"]);
        let challenge = answer.headers.get("www-authenticate").unwrap();
        assert!(challenge.starts_with(b"Bearer realm=\"keyplane\""));
        assert_eq!(answer.grpc_status, Some(16));
        // The access log still tells them apart.
        assert!(answer.details.starts_with(b"keyplane_"));
    }
    // What it does not name stays.
    let both = refused(&mut bench, &[("x-api-key", "a"), ("authorization", "Bearer b")]);
    assert_problem(&both, 400, "multiple_credentials");
    assert!(bench.allows(1));
}

#[test]
fn a_request_that_was_held_gets_the_operators_answer_too() {
    let mut bench = with_answers(r#"{"credential_invalid": {"status": 403, "body": "no"}}"#);
    let stream = bench.send_key(2);
    assert_eq!(bench.verdict(stream), Verdict::Held);
    bench.catch_up(&plane());
    let Verdict::Refused(answer) = bench.verdict(stream) else { panic!("not refused") };
    assert_eq!((answer.status, answer.body.as_slice(), answer.grpc_status), (403, &b"no"[..], Some(16)));
    assert_eq!(answer.headers.get_all("content-type"), [b"text/plain; charset=utf-8"]);
}
