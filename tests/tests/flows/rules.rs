//! Rules in a real Envoy: what passes for a public path here is that very path to the upstream, whatever Envoy does with it in between.

use super::connection::{Answer, Connection};
use super::fixture::{Flow, eventually};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use xtask::stack::api::CreatedKey;
use xtask::stack::{Envoy, EnvoySettings, Ports};

fn plugin() -> Value {
    json!({
        "control_plane": { "cluster": "keyplane" },
        "rules": [
            { "name": "health", "paths": ["/healthz"], "methods": ["GET"], "access": "public" },
            { "name": "open", "paths": ["/open/**"], "access": "public" },
            { "name": "site", "hosts": ["site.example.com", "tunnel.example.com:443"], "access": "public" },
            { "name": "read", "paths": ["/jobs/**"], "methods": ["GET"], "scopes": { "all": ["jobs:read"] } },
            { "name": "write", "paths": ["/jobs/**"], "scopes": { "any": ["jobs:write", "admin"] } },
            { "name": "live", "paths": ["/live/**"], "environment": "live" },
        ],
    })
}

/// One more Envoy that leaves paths as they come, and lets upgrades and CONNECT through.
fn as_they_come(flow: &Flow) -> Envoy {
    let at = Ports::any().unwrap();
    let settings = EnvoySettings { proxy_port: at.proxy, admin_port: at.admin, ..flow.stack.envoy.settings().clone() };
    let upgrades = "upgrade_configs: [{ upgrade_type: websocket }, { upgrade_type: CONNECT }]";
    let tunnel = r"- match: { connect_matcher: {} }
                          route: { cluster: upstream, upgrade_configs: [{ upgrade_type: CONNECT, connect_config: {} }] }";
    let route = r#"- match: { prefix: "/" }"#;
    let changes = [
        ("normalize_path: true", "normalize_path: false".to_owned()),
        ("merge_slashes: true", format!("merge_slashes: false\n                {upgrades}")),
        (
            "path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT",
            "path_with_escaped_slashes_action: KEEP_UNCHANGED".to_owned(),
        ),
        (route, format!("{tunnel}\n                        {route}")),
    ];
    Envoy::start_with(settings, &changes, flow.stack.folder(), "as-they-come").unwrap()
}

/// A request with this request line and these header lines, on a connection of its own.
fn send(envoy: &Envoy, line: &str, headers: &[&str]) -> Option<Answer> {
    let host = if headers.iter().any(|header| header.starts_with("host:")) { "" } else { "host: flow\r\n" };
    let headers = headers.iter().flat_map(|header| [*header, "\r\n"]).collect::<String>();
    let request = format!("{line} HTTP/1.1\r\n{host}{headers}\r\n");
    Connection::open(envoy.settings().proxy_port).raw(request.as_bytes())
}

/// Status and code. The code is empty when the answer is none of the filter's.
fn outcome(envoy: &Envoy, line: &str, headers: &[&str]) -> (u16, String) {
    let answer = send(envoy, line, headers).unwrap_or_else(|| panic!("no answer to {line}"));
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    (answer.status, body["code"].as_str().unwrap_or_default().to_owned())
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn key(flow: &Flow, environment: &str, scopes: &[&str]) -> CreatedKey {
    let body = json!({ "project_id": flow.project, "environment": environment, "name": environment, "scopes": scopes });
    flow.api().create_key_with(&body).unwrap()
}

fn header(key: &CreatedKey) -> String {
    format!("x-api-key: {}", key.secret.expose_secret())
}

/// Waits until both workers of this Envoy know the key.
fn known(envoy: &Envoy, key: &str) {
    let mut row = 0;
    eventually("the key is known", || {
        row = if outcome(envoy, "GET /any", &[key]).0 == 200 { row + 1 } else { 0 };
        row >= 12
    });
}

/// The path in the least friendly reading: decoded as often as it can be, back slashes taken for slashes, parameters cut off, dots followed.
fn least_friendly(path: &str) -> String {
    let mut path = path.split(['?', '#']).next().unwrap().to_owned();
    loop {
        let mut decoded = Vec::new();
        let mut rest = path.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            let digits = after.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
            if let Some(digits) = digits {
                decoded.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
                rest = &after[2..];
            } else {
                decoded.push(*first);
                rest = after;
            }
        }
        let decoded = String::from_utf8_lossy(&decoded).into_owned();
        if decoded == path {
            break;
        }
        path = decoded;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split(['/', '\\']).map(|segment| segment.split(';').next().unwrap()) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

#[test]
fn no_spelling_of_a_path_gets_past_a_rule_whatever_envoy_does_with_it() {
    let flow = Flow::with_plugin(&plugin());
    let plain = as_they_come(&flow);
    let reader = header(&key(&flow, "live", &["jobs:read"]));
    let envoys = [&flow.stack.envoy, &plain];
    for envoy in envoys {
        known(envoy, &reader);
    }
    let spellings = [
        "/open/../jobs/1",
        "/open/%2e%2e/jobs/1",
        "/open/.%2E/jobs/1",
        "/open/..;/jobs/1",
        "/open/..;x=1/jobs/1",
        "/open/%2e%2e%3b/jobs/1",
        "/open/..%2fjobs/1",
        "/open/..%2Fjobs/1",
        "/open%2f../jobs/1",
        "/open/..%5cjobs/1",
        "/open/..\\jobs/1",
        "/open\\..\\jobs\\1",
        "/open/%252e%252e/jobs/1",
        "/open/%252e%252e%252fjobs/1",
        "/open//../jobs/1",
        "/open/.//../jobs/1",
        "/open/%2e/../jobs/1",
        "//jobs/1",
        "/./jobs/1",
        "/%2e/jobs/1",
        "/;/jobs/1",
        "/open/../open/../jobs/1",
        "/open/%c0%ae%c0%ae/jobs/1",
        "/open/%c0%af../jobs/1",
        "/open/..%00/jobs/1",
        "/open/%2e%2e%00/jobs/1",
        "/open/..%0d/jobs/1",
        "/open/.%09./jobs/1",
        "/open/%",
        "/open/%2",
        "/open/%zz/../jobs",
        "/open#/../jobs/1",
        "/open/..#/jobs/1",
        "/open/..?/../jobs/1",
        "/jobs;/../open/1",
        "/jobs/../open/x",
        "/jobs%2f..%2fopen",
        "/OPEN/x",
        "/open/x",
        "/open",
        "/open/",
        "/openx",
        "/jobs/1",
        "/JOBS/1",
        "/%6aobs/1",
        "/jobs/%31",
        "/jobs%20/1",
        "/jobs/",
        "/jobs",
    ];
    let mut passed = 0;
    for envoy in envoys {
        for spelling in spellings {
            // Without a key: what passes is open to the upstream, too, in every reading of it.
            if let Some(answer) = send(envoy, &format!("GET {spelling}"), &[])
                && answer.status == 200
            {
                let seen: Value = serde_json::from_slice(&answer.body).unwrap();
                let seen = seen["path"].as_str().unwrap().to_owned();
                let read = least_friendly(&seen);
                assert!(read == "/open" || read.starts_with("/open/"), "{spelling} arrived as {seen}");
                passed += 1;
            }
            // With a key that may read: no job is written.
            if let Some(answer) = send(envoy, &format!("DELETE {spelling}"), &[&reader])
                && answer.status == 200
            {
                let seen: Value = serde_json::from_slice(&answer.body).unwrap();
                let seen = seen["path"].as_str().unwrap().to_owned();
                let read = least_friendly(&seen);
                assert!(read != "/jobs" && !read.starts_with("/jobs/"), "{spelling} arrived as {seen}");
            }
        }
    }
    // Those that are plain, and those that Envoy made plain.
    assert!(passed >= 6, "{passed} passed");
    // As they come, those that can be read in two ways are refused by the filter.
    for spelling in [
        "/open/../jobs/1",
        "/open/%2e%2e/jobs/1",
        "/open/..;/x",
        "/open//x",
        "/open%2fx",
        "/open\\x",
        "/open;x",
        "/open/%252e",
    ] {
        assert_eq!(outcome(&plain, &format!("GET {spelling}"), &[&reader]), is(400, "path_not_accepted"), "{spelling}");
    }
    assert!(flow.stat("decisions_path") + flow.stat("decisions_public") > 0, "the reasons are not in the metrics");
}

#[test]
fn hosts_methods_and_kinds_of_request_are_told_apart_as_envoy_tells_them() {
    let flow = Flow::with_plugin(&plugin());
    let plain = as_they_come(&flow);
    let reader = header(&key(&flow, "live", &["jobs:read"]));
    let tester = header(&key(&flow, "test", &[]));
    for envoy in [&flow.stack.envoy, &plain] {
        known(envoy, &reader);
        known(envoy, &tester);
        let missing = is(401, "credential_missing");
        for (line, headers, expected) in [
            ("GET /healthz?a=b", &[][..], is(200, "")),
            ("HEAD /healthz", &[], is(200, "")),
            ("POST /healthz", &["content-length: 0"], missing.clone()),
            ("GET /Healthz", &[], missing.clone()),
            ("GET /any", &["host: site.example.com"], is(200, "")),
            ("GET /any", &["host: SITE.example.com"], is(200, "")),
            ("GET /any", &["host: site.example.com:1"], missing.clone()),
            ("GET /any", &["host: site.example.com."], missing.clone()),
            ("GET /any", &["host: site.example.com.evil.example"], missing.clone()),
            // The host of a target in absolute form counts, not the one beside it.
            ("GET http://site.example.com/any", &["host: other"], is(200, "")),
            ("GET http://other/any", &["host: site.example.com"], missing.clone()),
            ("GET http://other/open/x", &[], is(200, "")),
            // Envoy 1.40 answers every path that does not begin with a slash itself, this one too, before any filter.
            ("OPTIONS *", &[], is(404, "")),
            ("OPTIONS *", &["host: site.example.com"], is(404, "")),
            ("GET /jobs/1", &[&reader], is(200, "")),
            ("HEAD /jobs/1", &[&reader], is(200, "")),
            ("POST /jobs/1", &[&reader, "content-length: 0"], is(403, "scope_missing")),
            ("GET /jobs/1", &[&tester], is(403, "scope_missing")),
            ("GET /live/1", &[&tester], is(403, "environment_not_allowed")),
            ("GET /live/1", &[&reader], is(200, "")),
            ("GET /jobs/1", &["x-api-key: uk_live_unknown"], is(401, "credential_invalid")),
        ] {
            assert_eq!(outcome(envoy, line, headers), expected, "{line} {headers:?}");
        }
        let answer = send(envoy, "DELETE /jobs/1", &[&reader]).unwrap();
        let challenge =
            r#"www-authenticate: bearer realm="keyplane", error="insufficient_scope", scope="admin jobs:write""#;
        assert!(answer.headers.contains(challenge), "{}", answer.headers);
        let grpc = ["content-type: application/grpc", "te: trailers", "content-length: 0", &reader];
        let answer = send(envoy, "POST /jobs/1", &grpc).unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.headers.contains("grpc-status: 7"), "{}", answer.headers);
    }
    // A tunnel has no path: only a rule without paths could let it pass.
    assert_eq!(send(&plain, "CONNECT flow:443", &[]).unwrap().status, 401);
    assert_eq!(send(&plain, "CONNECT flow:443", &[&reader]).unwrap().status, 200);
    assert_eq!(send(&plain, "CONNECT tunnel.example.com:443", &[]).unwrap().status, 200);
    let upgrade = [
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==",
    ];
    assert_eq!(outcome(&plain, "GET /jobs/1", &upgrade), is(401, "credential_missing"));
    let allowed = [&upgrade[..], &[&reader]].concat();
    assert_eq!(outcome(&plain, "GET /jobs/1", &allowed).1, "", "the upstream answers");
}

#[test]
fn a_browsers_question_passes_and_what_only_looks_like_one_does_not() {
    let flow = Flow::with_plugin(&plugin());
    let envoy = &flow.stack.envoy;
    let (origin, asks) = ("origin: https://app.example.com", "access-control-request-method: POST");
    let forged =
        ["x-api-key: any", "x-keyplane-account: forged", "X_Keyplane_User: forged", "connection: x-keyplane-account"];
    let answer = send(envoy, "OPTIONS /jobs/1", &[&[origin, asks][..], &forged].concat()).unwrap();
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(
        !text.contains("forged") && !text.contains("x-api-key") && text.contains("access-control-request-method"),
        "{text}"
    );
    let missing = is(401, "credential_missing");
    for (line, headers) in [
        ("OPTIONS /jobs/1", &[][..]),
        ("OPTIONS /jobs/1", &[origin]),
        ("OPTIONS /jobs/1", &[asks]),
        ("OPTIONS /jobs/1", &[origin, asks, "content-length: 1"]),
        ("OPTIONS /jobs/1", &[origin, asks, "transfer-encoding: chunked"]),
        ("GET /jobs/1", &[origin, asks]),
        ("POST /jobs/1", &[origin, asks, "content-length: 0"]),
    ] {
        assert_eq!(outcome(envoy, line, headers), missing, "{line} {headers:?}");
    }
    // The same forged headers on a public path.
    let answer = send(envoy, "GET /open/x", &forged).unwrap();
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.body).unwrap();
    assert!(!text.contains("forged") && !text.contains("x-api-key"), "{text}");
    assert!(flow.stat("decisions_preflight") > 0 && flow.stat("decisions_public") > 0);
}
