//! Requests that no honest client sends, through the real Envoy.

use super::connection::Connection;
use super::fixture::{Flow, PATH, seen};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

/// What is sent, and the status and code that must come of it.
type Case<'a> = (&'a str, &'a [(&'a str, &'a [u8])], u16, &'a str);

#[test]
fn bad_credentials_are_refused_and_the_next_good_request_is_right() {
    let flow = Flow::start();
    let key = flow.known_key("good");
    let good = key.secret.expose_secret().as_bytes();
    let wrong_checksum = [&good[..good.len() - 1], if good.ends_with(b"0") { b"1" } else { b"0" }].concat();
    let bearer = [b"Bearer ", good].concat();
    let long = vec![b'a'; 40 * 1024];
    let cases: [Case<'_>; 11] = [
        ("none", &[], 401, "credential_missing"),
        ("empty", &[("x-api-key", b"")], 401, "credential_invalid"),
        ("unknown", &[("x-api-key", b"uk_live_unknown")], 401, "credential_invalid"),
        ("wrong checksum", &[("x-api-key", &wrong_checksum)], 401, "credential_invalid"),
        ("cut off", &[("x-api-key", &good[..20])], 401, "credential_invalid"),
        ("40 KiB", &[("x-api-key", &long)], 401, "credential_invalid"),
        ("not UTF-8", &[("x-api-key", b"\xff\xfe\xfd")], 401, "credential_invalid"),
        ("another scheme", &[("authorization", b"Basic Zm9vOmJhcg==")], 401, "credential_missing"),
        ("Bearer without a token", &[("authorization", b"Bearer")], 401, "credential_invalid"),
        ("in both headers", &[("x-api-key", good), ("authorization", &bearer)], 400, "multiple_credentials"),
        // Envoy joins the two into one value; no key has a comma.
        ("twice the same header", &[("x-api-key", good), ("x-api-key", good)], 401, "credential_invalid"),
    ];
    let port = flow.stack.envoy.settings().proxy_port;
    let mut connection = Connection::open(port);
    for (name, headers, status, code) in cases {
        let answer = connection.get(PATH, headers);
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let found = (answer.status, body["code"].as_str().unwrap_or_default());
        // A doubled header may reach the filter as two or as one; both are refused.
        if name == "twice the same header" {
            assert!(matches!(found.0, 400 | 401), "{name}: {found:?}");
        } else {
            assert_eq!(found, (status, code), "{name}");
        }
        assert!(answer.headers.contains("www-authenticate: bearer realm="), "{name}: {}", answer.headers);
        assert!(answer.headers.contains("content-type: application/problem+json"), "{name}");
        // Envoy ends the connection after a 400.
        if answer.headers.contains("connection: close") {
            connection = Connection::open(port);
        }
        assert_eq!(connection.get(PATH, &[("x-api-key", good)]).status, 200, "after {name}");
    }
    // Envoy itself refuses what is no header at all, and lives on.
    let answer = Connection::open(port).try_get(PATH, &[("x-api-key", b"a\0b")]);
    assert!(answer.is_none_or(|answer| answer.status >= 400));
    assert_eq!(flow.get(&key).status, 200);
}

#[test]
fn forged_identity_headers_never_reach_the_upstream() {
    let flow = Flow::start();
    let key = flow.known_key("good");
    let secret = key.secret.expose_secret();
    let forged = [
        ("x-keyplane-account", "forged"),
        ("X-KEYPLANE-KEY-ID", "forged"),
        ("x-keyplane-key-id", "forged-again"),
        ("x_keyplane_project", "forged"),
        ("X-Keyplane_Scopes", "admin"),
        ("x-keyplane-anything", "forged"),
        ("connection", "x-keyplane-environment"),
        ("x-other", "kept"),
        ("authorization", "Basic kept"),
        ("x-api-key", secret),
    ];
    let answer = flow.proxy().get(PATH, &forged).unwrap();
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("forged") && !answer.text().contains("admin"), "{}", answer.text());
    assert!(!answer.text().contains(secret));
    assert_eq!(seen(&answer, "x-keyplane-key-id"), [key.id.as_str()]);
    assert_eq!(seen(&answer, "x-keyplane-project"), [flow.project.as_str()]);
    assert_eq!(seen(&answer, "x-keyplane-environment"), ["live"]);
    assert_eq!(seen(&answer, "x-other"), ["kept"]);
    assert_eq!(seen(&answer, "authorization"), ["Basic kept"]);
    assert!(seen(&answer, "x-keyplane-scopes").is_empty() && seen(&answer, "x-api-key").is_empty());
}

#[test]
fn scopes_and_environment_reach_the_upstream() {
    let flow = Flow::start();
    let body = serde_json::json!({
        "project_id": flow.project, "environment": "test", "name": "scoped", "scopes": ["jobs:read", "jobs:write"],
    });
    let key = flow.api().create_key_with(&body).unwrap();
    super::fixture::eventually("the key works", || flow.get(&key).status == 200);
    let answer = flow.get(&key);
    assert_eq!(seen(&answer, "x-keyplane-scopes"), ["jobs:read jobs:write"]);
    assert_eq!(seen(&answer, "x-keyplane-environment"), ["test"]);
    assert!(key.secret.expose_secret().starts_with("uk_test_"));
}

/// Places for a hostile value: header, and what stands before the value; `:path` for the request line.
const PLACES: [(&str, &str); 11] = [
    ("x-api-key", ""),
    ("authorization", "Bearer "),
    ("cookie", "key="),
    ("cookie", ""),
    (":path", "/v1/hello?api_key="),
    (":path", "/v1/"),
    (":path", "/v1/hello?"),
    ("host", ""),
    ("connection", "upgrade, "),
    ("origin", ""),
    ("x-forwarded-for", ""),
];

/// A request with this value in this place, and with these header lines.
fn hostile((name, before): (&str, &str), value: &[u8], more: &[(&str, &[u8])], times: usize) -> Vec<u8> {
    let value = [before.as_bytes(), value].concat();
    let path = if name == ":path" { &value[..] } else { b"/v1/hello" };
    let mut bytes = [b"GET ", path, b" HTTP/1.1\r\n"].concat();
    if name != "host" {
        bytes.extend_from_slice(b"host: api.example.com\r\n");
    }
    let own = (name, &value[..]);
    let own = std::iter::repeat_n(own, if name == ":path" { 0 } else { times });
    for (name, value) in own.chain(more.iter().copied()) {
        bytes.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

#[test]
fn hostile_values_in_every_place_let_nobody_in() {
    let plugin = json!({
        "control_plane": { "cluster": "keyplane" },
        "credentials": [{ "header": "X-API-Key" }, { "bearer": "Authorization" }, { "query": "api_key" }, { "cookie": "key" }],
        "rules": [
            { "hosts": ["open.example.com"], "paths": ["/open/**"], "access": "public" },
            { "paths": ["/admin/**"], "scopes": { "all": ["admin"] } },
        ],
    });
    let mut flow = Flow::with_plugin(&plugin);
    let key = flow.known_key("good");
    let good = key.secret.expose_secret().as_bytes();
    let port = flow.stack.envoy.settings().proxy_port;
    let of = |part: &[u8], length: usize| part.iter().copied().cycle().take(length).collect::<Vec<u8>>();
    let values = [
        Vec::new(),
        b"a\0b".to_vec(),
        b"\xff\xfe\xc0\xaf".to_vec(),
        b"%00%ff%2f..%2f".to_vec(),
        of(b"a", 40 * 1024),
        of(b"a", 64 * 1024),
        of(b"\xff", 40 * 1024),
        of(b"&api_key=;key=,x-keyplane-account,", 40 * 1024),
        of(b"%61/", 40 * 1024),
    ];
    let mut passed = 0;
    for place in PLACES {
        for value in &values {
            let what = || format!("{place:?} {:?}", &value[..value.len().min(20)]);
            for times in [1, 2, 50] {
                // What is too much is answered or cut off by Envoy itself.
                let times = if value.len() > 1024 { 1 } else { times };
                let answer = Connection::open(port).raw(&hostile(place, value, &[], times));
                assert!(answer.is_none_or(|answer| answer.status >= 300), "{} passes", what());
                let forged: [(&str, &[u8]); 2] = [("x-api-key", good), ("x-keyplane-account", b"forged")];
                if let Some(answer) = Connection::open(port).raw(&hostile(place, value, &forged, times))
                    && answer.status == 200
                {
                    let body: Value = serde_json::from_slice(&answer.body).unwrap();
                    assert_eq!(body["headers"]["x-keyplane-key-id"], json!([key.id]), "{}", what());
                    assert_ne!(body["headers"]["x-keyplane-account"], json!(["forged"]), "{}", what());
                    assert_eq!(body["headers"].get("x-api-key"), None, "{}", what());
                    passed += 1;
                    assert_ne!(place.0, "x-api-key", "{} beside the key passes", what());
                }
            }
            assert_eq!(flow.get(&key).status, 200, "after {}", what());
        }
        // The key itself, twice, in one place.
        if matches!(place, ("x-api-key" | "authorization", _) | ("cookie", "key=")) {
            let answer = Connection::open(port).raw(&hostile(place, good, &[], 2)).unwrap();
            assert!(matches!(answer.status, 400 | 401), "{place:?} twice: {}", answer.status);
        }
    }
    println!("{passed} passed with the key beside them");
    assert!(passed > 20);
    assert!(!flow.stack.envoy.process().logged().contains("in-VM backtrace"), "the filter crashed");
}
