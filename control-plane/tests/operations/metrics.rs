//! Metrics tell how the process does, to the operator only, and no path or secret.

use crate::fixture::{ADMIN_KEY, PROXY_TOKEN, Server, request};

#[test]
fn metrics_need_an_admin_key_and_name_patterns_not_paths() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(server.get("/metrics").status, 401);
    assert_eq!(request(&server.sync, "GET", "/metrics", Some(ADMIN_KEY), None).status, 404);
    let key = server.issue("canary-name");
    let secret = "uk_live_canary4711";
    assert_eq!(server.call("GET", &format!("/v1/keys/{key}"), None).status, 200);
    assert_eq!(server.call("GET", &format!("/v1/keys/{secret}"), None).status, 404);
    assert_eq!(server.call("GET", &format!("/{secret}?key={secret}"), None).status, 404);
    server.snapshot();

    let answer = server.call("GET", "/metrics", None);
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("text/plain; version=0.0.4"), "{}", answer.head);
    for line in [
        "keyplane_feed_keys 1",
        r#"keyplane_http_requests_total{method="GET",route="/v1/keys/{id}",status="200"} 1"#,
        r#"keyplane_http_requests_total{method="GET",route="/v1/keys/{id}",status="404"} 1"#,
        r#"keyplane_http_requests_total{method="GET",route="",status="404"} 2"#,
        r#"keyplane_http_requests_total{method="GET",route="/sync/v1/changes",status="200"} 1"#,
    ] {
        assert!(answer.body.lines().any(|found| found == line), "{line} is not in\n{}", answer.body);
    }
    let value = |name: &str| -> u64 {
        let line = answer.body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    };
    assert!(value("keyplane_revision") >= 3 && value("keyplane_database_bytes") > 4096);
    assert!(value("keyplane_workers_lagging") <= value("keyplane_workers"));
    for hidden in ["canary", &key, ADMIN_KEY, PROXY_TOKEN] {
        assert!(!answer.body.contains(hidden), "{hidden} is in the metrics");
    }
}
