//! Admin keys: several, named, revocable, to read or to write.

use crate::support::{Answer, ControlPlane, text};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use keyplane_contract::key::KeyParts;
use serde_json::{Value, json};
use std::time::Duration;

/// Makes an admin key; gives the whole answer.
async fn make(plane: &ControlPlane, name: &str, access: &str) -> Value {
    let answer = plane.post("/v1/admin_keys", json!({ "name": name, "access": access })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

async fn send(plane: &ControlPlane, key: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {key}"));
    let request = match body {
        Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    };
    plane.send(request.unwrap()).await
}

#[tokio::test]
async fn a_new_admin_key_is_shown_once_and_works_at_once() {
    let plane = ControlPlane::start().await;
    plane.clock.advance(Duration::from_secs(1));
    let answer = plane.post("/v1/admin_keys", json!({ "name": " Ada ", "access": "write" })).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let created = answer.json();
    let (id, key) = (text(&created, "id"), text(&created, "key"));
    assert_eq!(answer.header("location"), format!("/v1/admin_keys/{id}"));
    let parts = KeyParts::parse(&key).ok().unwrap();
    assert_eq!(parts.prefix, "kp_admin");
    let shown = json!({
        "id": id, "name": "Ada", "key_prefix": parts.mask(), "access": "write", "created_at": "2026-01-01T00:00:01.000Z",
        "revoked_at": null,
    });
    let read = plane.get(&format!("/v1/admin_keys/{id}")).await;
    assert_eq!((read.json(), read.header("etag")), (shown.clone(), answer.header("etag")));
    let listed = plane.get("/v1/admin_keys").await.json();
    assert_eq!(listed["data"][0], shown);
    assert_eq!((&listed["data"][1]["name"], &listed["next_cursor"]), (&json!("first"), &json!(null)));
    let me = send(&plane, &key, Method::GET, "/v1/me", None).await.json();
    assert_eq!(me, json!({ "kind": "admin_key", "id": id, "name": "Ada", "access": "write" }));
    let made = send(&plane, &key, Method::POST, "/v1/accounts", Some(json!({ "name": "Acme" }))).await;
    assert_eq!(made.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_revoked_admin_key_stops_at_once_and_for_good() {
    let plane = ControlPlane::start().await;
    let created = make(&plane, "Ada", "write").await;
    let (path, key) = (format!("/v1/admin_keys/{}", text(&created, "id")), text(&created, "key"));
    assert_eq!(send(&plane, &key, Method::GET, "/v1/keys", None).await.status, StatusCode::OK);
    let revoked = plane.delete(&path).await;
    assert_eq!((revoked.status, &revoked.json()["revoked_at"]), (StatusCode::OK, &json!("2026-01-01T00:00:00.000Z")));
    for (method, path) in [(Method::GET, "/v1/keys"), (Method::GET, "/v1/me"), (Method::DELETE, path.as_str())] {
        send(&plane, &key, method, path, None).await.problem(401, "credential_invalid");
    }
    assert_eq!(plane.delete(&path).await.json(), revoked.json(), "once more changes nothing");
    assert_eq!(plane.patch(&path, json!({ "name": "Ada, gone" })).await.json()["name"], "Ada, gone");
}

#[tokio::test]
async fn the_last_admin_key_that_may_write_stays() {
    let plane = ControlPlane::start().await;
    make(&plane, "watcher", "read").await;
    let first = text(&plane.get("/v1/me").await.json(), "id");
    let path = format!("/v1/admin_keys/{first}");
    plane.delete(&path).await.problem(409, "last_admin_key");
    assert_eq!(plane.get("/v1/keys").await.status, StatusCode::OK);
    // One of two that go at the same time stays.
    let other = make(&plane, "other", "write").await;
    let (other_path, other_key) = (format!("/v1/admin_keys/{}", text(&other, "id")), text(&other, "key"));
    let (one, two) = tokio::join!(plane.delete(&path), send(&plane, &other_key, Method::DELETE, &other_path, None));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    // The second finds that it is the last, or that the first has revoked it.
    assert!(statuses[0] == 200 && [401, 409].contains(&statuses[1]), "{statuses:?}");
}

#[tokio::test]
async fn an_admin_key_to_read_sees_everything_and_changes_nothing() {
    let plane = ControlPlane::start().await;
    plane.project().await;
    let key = text(&make(&plane, "watcher", "read").await, "key");
    for path in
        ["/v1/accounts", "/v1/keys", "/v1/admin_keys", "/v1/proxy_tokens", "/v1/audit", "/v1/proxies", "/metrics"]
    {
        assert_eq!(send(&plane, &key, Method::GET, path, None).await.status, StatusCode::OK, "{path}");
    }
    for path in ["/v1/admin_keys", "/v1/proxy_tokens", "/v1/accounts"] {
        let body = json!({ "name": "n" });
        let body = if path == "/v1/admin_keys" { json!({ "name": "n", "access": "write" }) } else { body };
        send(&plane, &key, Method::POST, path, Some(body)).await.problem(403, "forbidden");
    }
    let own = text(&send(&plane, &key, Method::GET, "/v1/me", None).await.json(), "id");
    send(&plane, &key, Method::DELETE, &format!("/v1/admin_keys/{own}"), None).await.problem(403, "forbidden");
}

#[tokio::test]
async fn of_two_who_rename_an_admin_key_the_second_is_told() {
    let plane = ControlPlane::start().await;
    let path = format!("/v1/admin_keys/{}", text(&make(&plane, "Ada", "read").await, "id"));
    let seen = plane.get(&path).await.header("etag").to_owned();
    let rename = async |tag: &str, name: &str| {
        let request = Request::builder().method(Method::PATCH).uri(&path).header("x-api-key", plane.admin.expose());
        let request = request.header("content-type", "application/json").header("if-match", tag);
        plane.send(request.body(Body::from(json!({ "name": name }).to_string())).unwrap()).await
    };
    assert_eq!(rename(&seen, "Ada L.").await.json()["name"], "Ada L.");
    rename(&seen, "Ada K.").await.problem(412, "precondition_failed");
    for (body, field) in
        [(json!({}), "name"), (json!({ "name": "" }), "name"), (json!({ "name": "x", "access": "write" }), "access")]
    {
        plane.patch(&path, body).await.field(422, "invalid_request", field);
    }
    let wrong = json!({ "name": "n", "access": "admin" });
    plane.post("/v1/admin_keys", wrong).await.field(422, "invalid_request", "access");
    assert_eq!(plane.get(&path).await.json()["name"], "Ada L.");
}
