//! Bad input is refused whole, and the answer says what was wrong and where.

use crate::support::{Answer, ControlPlane};
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

fn key(project: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut body = json!({ "project_id": project, "environment": "live", "name": "n" });
    change(&mut body);
    body
}

#[tokio::test]
async fn a_wrong_field_is_named_and_nothing_is_made() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let long = "n".repeat(101);
    let scope = json!(["ok", "Not"]);
    let many = json!(vec!["a"; 65]);
    for (field, value) in [
        ("name", json!("")),
        ("name", json!(long)),
        ("name", json!("a\u{7}b")),
        ("name", json!(7)),
        ("environment", json!("prod")),
        ("environment", json!(null)),
        ("project_id", json!("7")),
        ("expires_at", json!("tomorrow")),
        ("expires_at", json!("2026-01-01T00:00:00Z")),
        ("scopes", many),
        ("scopes", json!("read")),
        ("scopes[1]", scope),
        ("nam", json!("n")),
        ("key", json!("mine")),
    ] {
        let name = field.split('[').next().unwrap();
        let answer = plane.post("/v1/keys", key(&project, |body| body[name] = value.clone())).await;
        answer.field(422, "invalid_request", field);
    }
    for name in ["name", "environment", "project_id"] {
        let body = key(&project, |body| {
            body.as_object_mut().unwrap().remove(name);
        });
        assert_eq!(plane.post("/v1/keys", body).await.field(422, "invalid_request", name), "is missing");
    }
    let twice = format!(r#"{{"project_id":"{project}","environment":"live","name":"a","name":"b"}}"#);
    assert_eq!(plane.post("/v1/keys", twice).await.field(422, "invalid_request", "name"), "is given twice");
    assert_eq!(plane.get("/v1/keys").await.json()["data"], json!([]));
}

#[tokio::test]
async fn all_wrong_fields_are_named_at_once() {
    let plane = ControlPlane::start().await;
    let body = json!({ "project_id": "7", "environment": "x", "name": "", "scopes": ["-"], "expires_at": "never" });
    let document = plane.post("/v1/keys", body).await.problem(422, "invalid_request");
    let fields: Vec<_> = document["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
    assert_eq!(fields, ["project_id", "environment", "name", "scopes[0]", "expires_at"]);
}

#[tokio::test]
async fn wrong_prefixes_are_named() {
    let plane = ControlPlane::start().await;
    let (account, _) = plane.project().await;
    for (live, test, field) in [
        ("Uk", "uk_test", "prefixes.live"),
        ("uk", "uk_", "prefixes.test"),
        ("uk", "uk", "prefixes.test"),
        ("kp_admin", "uk", "prefixes.live"),
        ("uk", "kp_proxy", "prefixes.test"),
    ] {
        let body = json!({ "account_id": account, "name": "n", "prefixes": { "live": live, "test": test } });
        plane.post("/v1/projects", body).await.field(422, "invalid_request", field);
    }
}

#[tokio::test]
async fn what_is_no_json_body_is_refused_by_kind() {
    let plane = ControlPlane::start().await;
    let send = async |content_type: Option<&str>, body: Vec<u8>| -> Answer {
        let request = Request::post("/v1/accounts").header("x-api-key", plane.admin.expose());
        let request = content_type.into_iter().fold(request, |request, value| request.header("content-type", value));
        plane.send(request.body(Body::from(body)).unwrap()).await
    };
    let good = br#"{"name":"a"}"#.to_vec();
    send(None, good.clone()).await.problem(415, "unsupported_media_type");
    send(Some("text/plain"), good.clone()).await.problem(415, "unsupported_media_type");
    let json = Some("application/json");
    let cut = send(json, good[..9].to_vec()).await.problem(400, "malformed_json");
    assert!(cut["detail"].as_str().unwrap().contains("line 1, column 9"), "{cut}");
    send(json, Vec::new()).await.problem(400, "malformed_json");
    send(json, b"{\"name\":\"\xff\"}".to_vec()).await.problem(400, "malformed_json");
    send(json, [good.as_slice(), b"{}"].concat()).await.problem(400, "malformed_json");
    let deep = format!(r#"{{"name":{}"#, "[".repeat(1000));
    send(json, deep.into_bytes()).await.problem(422, "invalid_request");
    send(json, br#"["a"]"#.to_vec()).await.problem(422, "invalid_request");
    send(json, format!(r#"{{"name":"{}"}}"#, "a".repeat(65 * 1024)).into_bytes()).await.problem(413, "body_too_large");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let plane = ControlPlane::start().await;
    plane.get("/nothing").await.problem(404, "not_found");
    plane.get("/v1/nothing").await.problem(404, "not_found");
    let request = Request::builder().method(Method::PUT).uri("/v1/keys").body(Body::empty()).unwrap();
    let answer = plane.send(request).await;
    answer.problem(405, "method_not_allowed");
    assert!(answer.header("allow").contains("POST"), "{answer:?}");
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_security_headers() {
    let plane = ControlPlane::start().await;
    for answer in [plane.get("/v1/keys").await, plane.get("/v1/keys/x").await, plane.get("/healthz").await] {
        assert_eq!(answer.header("x-request-id").len(), 36);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    // An id of a proxy in front is kept; what is no id is not.
    let given = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (sent, kept) in [(given, true), ("uk_live_secret", false)] {
        let request = Request::get("/v1/keys").header("x-request-id", sent).body(Body::empty()).unwrap();
        assert_eq!(plane.send(request).await.header("x-request-id") == sent, kept);
    }
}
