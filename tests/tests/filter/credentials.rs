//! What a request must carry, what the caller is told, and what the upstream gets to see.

use keyplane_contract::sync::{Environment, KeyState};

use keyplane_tests::host::{LocalResponse, Verdict};

use super::{
    bench::Bench,
    control_plane::{ACCOUNT, ControlPlane, PROJECT, key_id, secret},
};

/// Of a request without a key, for the places that are usual.
const CHALLENGES: [&[u8]; 2] = [br#"Bearer realm="keyplane""#, br#"ApiKey realm="keyplane""#];

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.policy(1, "jobs:read jobs:write");
    plane.issue(1);
    plane.issue_with(2, |key| {
        key.environment = Environment::Test;
        key.policy = 1;
    });
    plane
}

#[test]
fn a_request_without_a_credential_is_refused_and_told_how_to_send_one() {
    let mut bench = Bench::synced(&plane());
    for headers in [&[][..], &[("authorization", "Basic YTpi")], &[("x-api-keys", "uk_live_x")]] {
        let stream = bench.send(headers);
        let answer = bench.assert_refused(stream, 401, "credential_missing");
        assert_eq!(answer.headers.get_all("www-authenticate"), CHALLENGES);
    }
}

#[test]
fn a_known_key_passes_in_either_header_and_the_upstream_learns_who_calls() {
    let mut bench = Bench::synced(&plane());
    let key = secret(2);
    for (name, value) in [
        ("X-API-Key", key.clone()),
        ("Authorization", format!("Bearer {key}")),
        ("authorization", format!("bearer {key}")),
    ] {
        let stream = bench.send(&[(name, value), ("x-other", "stays".to_owned())]);
        assert_eq!(bench.verdict(stream), Verdict::Allowed);
        let seen = &bench.state(stream).request_headers;
        for (header, expected) in [
            ("x-keyplane-key-id", key_id(2).to_string()),
            ("x-keyplane-account", ACCOUNT.to_string()),
            ("x-keyplane-project", PROJECT.to_string()),
            ("x-keyplane-environment", "test".to_owned()),
            ("x-keyplane-scopes", "jobs:read jobs:write".to_owned()),
            ("x-other", "stays".to_owned()),
        ] {
            assert_eq!(seen.get_all(header), [expected.as_bytes()], "{header}");
        }
        for credential in ["x-api-key", "authorization"] {
            assert!(seen.get(credential).is_none(), "{credential} reached the upstream");
        }
    }
    let stream = bench.send_key(1);
    let seen = &bench.state(stream).request_headers;
    assert_eq!(seen.get_all("x-keyplane-environment"), [b"live"]);
    assert!(seen.get("x-keyplane-scopes").is_none());
}

#[test]
fn an_operator_may_forward_the_credential() {
    let config = r#"{"control_plane": {"cluster": "keyplane"}, "forward_credential": true}"#;
    let mut bench = Bench::with_config(config);
    bench.catch_up(&plane());
    let stream = bench.send_key(1);
    assert_eq!(bench.state(stream).request_headers.get_all("x-api-key"), [secret(1).as_bytes()]);
}

#[test]
fn forged_identity_headers_are_removed_in_every_spelling() {
    let mut bench = Bench::synced(&plane());
    let key = secret(1);
    let forged = [
        ("x-keyplane-key-id", "forged"),
        ("X-Keyplane-Key-Id", "forged"),
        ("x_keyplane_key_id", "forged"),
        ("X_Keyplane-Account", "forged"),
        ("x-keyplane-user", "forged"),
        ("x-keyplane-scopes", "forged"),
        ("x-keyplane_scopes", "forged"),
        ("x-keyplane-anything-else", "forged"),
        ("x-api-key", key.as_str()),
    ];
    let stream = bench.send(&forged);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    let seen = &bench.state(stream).request_headers;
    let left: Vec<_> = seen.entries().iter().filter(|(_, value)| value == b"forged").collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(seen.get_all("x-keyplane-key-id"), [key_id(1).to_string().as_bytes()]);
}

#[test]
fn unknown_revoked_disabled_and_expired_keys_get_the_same_answer() {
    let mut plane = plane();
    plane.revoke(3);
    plane.issue_with(4, |key| key.state = KeyState::Disabled);
    plane.issue_with(5, |key| key.expires_at = 1);
    plane.issue_with(6, |key| key.flags = 0x8000);
    let mut bench = Bench::synced(&plane);
    let unknown = bench.send_key(999);
    let expected = bench.assert_refused(unknown, 401, "credential_invalid");
    let mut details = vec![expected.details.clone()];
    for number in 3..=6 {
        let stream = bench.send_key(number);
        let answer = bench.assert_refused(stream, 401, "credential_invalid");
        // The details go to the access log only: there, operators tell the reasons apart.
        details.push(answer.details.clone());
        assert_eq!(LocalResponse { details: expected.details.clone(), ..answer }, expected, "key {number}");
    }
    details.sort();
    details.dedup();
    assert_eq!(details.len(), 5);
    let challenge = expected.headers.get_all("www-authenticate");
    assert_eq!(challenge, [&br#"Bearer realm="keyplane", error="invalid_token""#[..], CHALLENGES[1]]);
}

#[test]
fn a_key_whose_project_has_not_arrived_is_refused() {
    let mut plane = plane();
    plane.issue_with(7, |key| key.project = 99);
    let mut bench = Bench::synced(&plane);
    let stream = bench.send_key(7);
    bench.assert_refused(stream, 503, "filter_fault");
}

#[test]
fn malformed_credentials_are_refused_and_the_next_good_request_is_right() {
    let mut bench = Bench::synced(&plane());
    let good = secret(1);
    let long = "a".repeat(64 * 1024);
    let bad: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b" ".to_vec(),
        long.into_bytes(),
        b"\xff\xfe\xfd".to_vec(),
        b"uk_live_\0".to_vec(),
        format!("{good}\0").into_bytes(),
        format!("{good} ").into_bytes(),
        format!("{good},{good}").into_bytes(),
        good.as_bytes()[..good.len() - 1].to_vec(),
        good.to_uppercase().into_bytes(),
    ];
    for value in bad {
        let bearer = [&b"Bearer "[..], &value].concat();
        for (name, value) in [("x-api-key", value), ("authorization", bearer)] {
            // White space around a bearer token is not part of it (RFC 9110, 11.4).
            if name == "authorization" && value.trim_ascii_end() != value && value.len() > 10 {
                continue;
            }
            let stream = bench.send(&[(name, &value)]);
            bench.assert_refused(stream, 401, "credential_invalid");
            assert!(bench.allows(1), "after {value:?}");
        }
    }
}

#[test]
fn more_than_one_credential_is_refused_even_if_each_is_valid() {
    let mut bench = Bench::synced(&plane());
    let (one, two) = (secret(1), secret(2));
    let bearer = format!("Bearer {one}");
    for headers in [
        [("x-api-key", one.as_str()), ("x-api-key", one.as_str())],
        [("x-api-key", one.as_str()), ("x-api-key", two.as_str())],
        [("x-api-key", one.as_str()), ("X-Api-Key", "")],
        [("x-api-key", two.as_str()), ("authorization", bearer.as_str())],
    ] {
        let stream = bench.send(&headers);
        bench.assert_refused(stream, 400, "multiple_credentials");
        assert!(bench.allows(1));
    }
    // Envoy joins two Authorization headers into one value before a filter sees them: no key has a comma.
    let stream = bench.send(&[("authorization", &bearer), ("authorization", &bearer)]);
    bench.assert_refused(stream, 401, "credential_invalid");
}

#[test]
fn a_request_with_no_headers_or_thousands_is_decided() {
    let mut bench = Bench::synced(&plane());
    let none: [(&str, &str); 0] = [];
    let empty = bench.vm.request(bench.root, &none).unwrap();
    bench.assert_refused(empty, 401, "credential_missing");
    let mut many: Vec<(String, String)> = (0..5000).map(|n| (format!("x-{n}"), "v".repeat(20))).collect();
    many.push(("x-api-key".to_owned(), secret(1)));
    let stream = bench.send(&many);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
}
