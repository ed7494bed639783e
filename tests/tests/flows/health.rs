//! The path that the filter answers itself, for readiness probes: it needs no key and no rule, and follows the table.

use super::fixture::{Loose, eventually};
use serde_json::json;

#[test]
fn a_proxy_is_ready_when_it_has_its_keys_and_not_before() {
    let mut loose = Loose::start();
    loose.control_plane.stop().unwrap();
    let plugin = json!({
        "control_plane": { "cluster": "keyplane", "retry_milliseconds": 50 },
        "hold": { "milliseconds": 60_000 },
        "health": { "path": "/keyplane/health" },
        "rules": [{ "paths": ["/public/**"], "access": "public" }],
    });
    let envoy = loose.envoy(&plugin).unwrap();
    let ask = |method: &str, path: &str| envoy.client().send(method, path, &[], b"").unwrap();
    // At once, although every other request would be held for a minute.
    let early = ask("GET", "/keyplane/health");
    assert_eq!((early.status, early.json()["code"].as_str()), (503, Some("table_not_ready")));
    assert_eq!(early.header("retry-after"), Some("1"));
    loose.control_plane.start().unwrap();
    let mut row = 0;
    eventually("both workers are ready", || {
        row = if ask("GET", "/keyplane/health").status == 200 { row + 1 } else { 0 };
        row >= 12
    });
    let ready = ask("GET", "/keyplane/health?probe=1");
    assert_eq!((ready.status, ready.text().as_str()), (200, r#"{"status":"ok"}"#));
    assert_eq!(ready.header("content-type"), Some("application/json"));
    // The echo upstream says the headers it got; the filter's own answer has none of it.
    assert_eq!(ask("GET", "/public/keyplane/health").json()["headers"]["x-keyplane-account"], json!(null));
    assert!(ask("GET", "/public/keyplane/health").json()["headers"].is_object());
    assert_eq!(ask("HEAD", "/keyplane/health").status, 200);
    // Nothing else is let by.
    for (method, path) in [("POST", "/keyplane/health"), ("GET", "/keyplane/health/x"), ("GET", "/keyplane/healthz")] {
        assert_eq!(ask(method, path).status, 401, "{method} {path}");
    }
    let decisions = envoy.stats("keyplane_decisions_health").unwrap();
    assert!(decisions.values().sum::<u64>() >= 14, "{decisions:?}");
}
