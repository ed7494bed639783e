//! A table that is too old decides as its operator chose, and is good again with the control plane's first word.

use super::fixture::{Flow, PATH, eventually};
use secrecy::ExposeSecret;
use serde_json::json;
use xtask::stack::{Envoy, EnvoySettings, Ports};

/// So many requests in a row, each on a new connection, meet both workers.
const ROW: usize = 12;

#[test]
fn past_its_bound_a_table_denies_or_serves_as_the_operator_chose() {
    let plugin = |then: &str| {
        json!({
            "control_plane": { "cluster": "keyplane", "wait_seconds": 1, "retry_milliseconds": 100 },
            "staleness": { "max_seconds": 7, "then": then },
            "guessing": { "failures": 0 },
        })
    };
    let mut flow = Flow::with_plugin(&plugin("deny"));
    let at = Ports::any().unwrap();
    let settings = EnvoySettings {
        plugin: plugin("serve"),
        proxy_port: at.proxy,
        admin_port: at.admin,
        ..flow.stack.envoy.settings().clone()
    };
    let serving = Envoy::start(settings, flow.stack.folder(), "serving").unwrap();
    let key = flow.known_key("good");
    let headers = [("x-api-key", key.secret.expose_secret())];
    eventually("the other Envoy knows it", || {
        (0..ROW).all(|_| serving.client().get(PATH, &headers).unwrap().status == 200)
    });
    // Polls that bring nothing keep a table fresh for longer than its bound.
    std::thread::sleep(std::time::Duration::from_secs(9));
    assert!((0..ROW).all(|_| flow.get(&key).status == 200));
    flow.stack.control_plane.kill();
    eventually("the table is too old for both workers", || (0..ROW).all(|_| flow.get(&key).status == 503));
    let answer = flow.get(&key);
    assert_eq!(answer.json()["code"], "table_too_old");
    assert_eq!(answer.header("retry-after"), Some("10"));
    assert_eq!(flow.proxy().get(PATH, &[]).unwrap().status, 401);
    eventually("the other Envoy says that its table is old", || {
        let stats = serving.stats("keyplane_stale_milliseconds").unwrap();
        stats.values().any(|time| *time > 1_000)
    });
    assert!((0..ROW).all(|_| serving.client().get(PATH, &headers).unwrap().status == 200));
    flow.stack.control_plane.start().unwrap();
    eventually("the table is fresh again", || (0..ROW).all(|_| flow.get(&key).status == 200));
    assert!(flow.stat("decisions_stale") > 0);
}
