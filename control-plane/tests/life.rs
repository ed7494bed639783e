//! Promises about the later life of a key: edited, switched off and on, rotated. On the real routes and a real database.

#[path = "api/support.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
mod support;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use keyplane::service::changes::{PollRequest, changes};
use keyplane_contract::digest::Digest;
use keyplane_contract::sync::{KeyState, Page, Record};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use support::{Answer, ControlPlane, START, text};

/// What proxies know of a key: its state, its end (0 for never) and its scopes.
async fn synced(plane: &ControlPlane) -> HashMap<Digest, (KeyState, u64, String)> {
    let request = PollRequest { epoch: None, after: 0, wait: Duration::ZERO, rows: 1000, closed_will_do: false };
    let bytes = changes(&plane.app, request).await.unwrap().page.bytes.clone();
    let page = Page::decode(&bytes).unwrap();
    let (mut policies, mut keys) = (HashMap::from([(0, String::new())]), HashMap::new());
    for record in page.records() {
        match record.unwrap() {
            Record::Policy(policy) => drop(policies.insert(policy.no, policy.scopes.to_owned())),
            Record::Key(key) => drop(keys.insert(key.digest, (key.state, key.expires_at, key.policy))),
            _ => {}
        }
    }
    keys.into_iter().map(|(digest, (state, end, policy))| (digest, (state, end, policies[&policy].clone()))).collect()
}

fn digest(created: &Value) -> Digest {
    Digest::of(text(created, "key").as_bytes())
}

fn path(created: &Value) -> String {
    format!("/v1/keys/{}", text(created, "id"))
}

async fn made() -> (ControlPlane, Value) {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let body = json!({ "project_id": project, "environment": "live", "name": "CI", "scopes": ["read"] });
    let created = plane.post("/v1/keys", body).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let created = created.json();
    (plane, created)
}

async fn patch_if(plane: &ControlPlane, path: &str, tag: &str, body: &Value) -> Answer {
    let request = Request::builder()
        .method(Method::PATCH)
        .uri(path)
        .header("authorization", format!("Bearer {}", plane.admin.expose()))
        .header("content-type", "application/json")
        .header("if-match", tag);
    plane.send(request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test]
async fn proxies_learn_of_an_edit_and_of_nothing_that_they_need_not_know() {
    let (plane, created) = made().await;
    let path = path(&created);
    let edit = json!({ "scopes": ["write", "read"], "expires_at": "2026-01-02T00:00:00Z" });
    let answer = plane.patch(&path, edit.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let object = answer.json();
    assert_eq!(
        (&object["scopes"], &object["expires_at"]),
        (&json!(["read", "write"]), &json!("2026-01-02T00:00:00.000Z"))
    );
    assert_eq!(plane.get(&path).await.json(), object);
    let end = u64::try_from(START).unwrap() + 86_400_000;
    assert_eq!(synced(&plane).await[&digest(&created)], (KeyState::Active, end, "read write".to_owned()));

    let revision = *plane.app.store.head().borrow();
    plane.patch(&path, edit).await;
    plane.patch(&path, json!({ "name": "other" })).await;
    assert_eq!(*plane.app.store.head().borrow(), revision, "the same again, and a name, are no news");

    let never = plane.patch(&path, json!({ "scopes": [], "expires_at": null })).await.json();
    assert_eq!((&never["scopes"], &never["expires_at"], &never["name"]), (&json!([]), &json!(null), &json!("other")));
    assert_eq!(synced(&plane).await[&digest(&created)], (KeyState::Active, 0, String::new()));
}

#[tokio::test]
async fn a_key_that_is_switched_off_is_refused_until_it_is_switched_on_again() {
    let (plane, created) = made().await;
    let path = path(&created);
    assert_eq!(plane.patch(&path, json!({ "enabled": false })).await.json()["status"], "disabled");
    assert_eq!(synced(&plane).await[&digest(&created)].0, KeyState::Disabled);
    assert_eq!(plane.patch(&path, json!({ "enabled": true })).await.json()["status"], "active");
    assert_eq!(synced(&plane).await[&digest(&created)].0, KeyState::Active);
}

#[tokio::test]
async fn a_revoked_key_cannot_be_brought_back() {
    let (plane, created) = made().await;
    let path = path(&created);
    let revoked = plane.delete(&path).await.json();
    for body in [
        json!({ "enabled": true }),
        json!({ "enabled": false }),
        json!({ "scopes": ["write"] }),
        json!({ "name": "other", "expires_at": "2027-01-01T00:00:00Z" }),
    ] {
        plane.patch(&path, body).await.problem(409, "key_revoked");
    }
    assert_eq!(plane.get(&path).await.json(), revoked, "nothing is half-done");
    plane.post(&format!("{path}/rotate"), json!({})).await.problem(409, "key_not_active");
    assert_eq!(plane.patch(&path, json!({ "name": "other" })).await.json()["name"], "other");
}

#[tokio::test]
async fn an_edit_that_makes_no_sense_is_refused_whole() {
    let (plane, created) = made().await;
    let path = path(&created);
    let before = plane.get(&path).await.json();
    for (body, field) in [
        (json!({}), "body"),
        (json!({ "name": null }), "name"),
        (json!({ "name": "x", "scopes": ["ok", "Not"] }), "scopes[1]"),
        (json!({ "name": "x", "scopes": null }), "scopes"),
        (json!({ "name": "x", "enabled": "yes" }), "enabled"),
        (json!({ "name": "x", "expires_at": "soon" }), "expires_at"),
        (json!({ "name": "x", "expires_at": "2026-01-01T00:00:00Z" }), "expires_at"),
        (json!({ "name": "x", "environment": "test" }), "environment"),
    ] {
        plane.patch(&path, &body).await.field(422, "invalid_request", field);
    }
    for (body, field) in [
        (json!({ "grace_seconds": 7_776_001 }), "grace_seconds"),
        (json!({ "grace_seconds": -1 }), "grace_seconds"),
        (json!({ "grace_seconds": null }), "grace_seconds"),
        (json!({ "grace": 1 }), "grace"),
    ] {
        plane.post(&format!("{path}/rotate"), &body).await.field(422, "invalid_request", field);
    }
    assert_eq!(plane.get(&path).await.json(), before);
}

#[tokio::test]
async fn of_two_who_edit_at_once_the_second_is_told() {
    let (plane, created) = made().await;
    let path = path(&created);
    let seen = plane.get(&path).await.header("etag").to_owned();
    let first = patch_if(&plane, &path, &seen, &json!({ "scopes": ["a"] })).await;
    assert_eq!(first.status, StatusCode::OK);
    assert_ne!(first.header("etag"), seen);
    patch_if(&plane, &path, &seen, &json!({ "scopes": ["b"] })).await.problem(412, "precondition_failed");
    for unreadable in [format!("W/{}", first.header("etag")), "nonsense".to_owned(), String::new()] {
        patch_if(&plane, &path, &unreadable, &json!({ "name": "b" })).await.problem(412, "precondition_failed");
    }
    assert_eq!(plane.get(&path).await.json(), first.json());
    let both = format!("{seen}, {}", first.header("etag"));
    assert_eq!(patch_if(&plane, &path, &both, &json!({ "name": "b" })).await.status, StatusCode::OK);
    assert_eq!(patch_if(&plane, &path, "*", &json!({ "name": "c" })).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_version_of_a_key_does_not_change_by_itself() {
    let (plane, created) = made().await;
    let path = path(&created);
    plane.patch(&path, json!({ "expires_at": "2026-01-01T01:00:00Z" })).await;
    let before = plane.get(&path).await.header("etag").to_owned();
    plane.clock.advance(Duration::from_hours(2));
    let after = plane.get(&path).await;
    assert_eq!((after.json()["status"].as_str(), after.header("etag")), (Some("expired"), before.as_str()));
}

#[tokio::test]
async fn a_rotated_key_and_its_successor_both_work_until_the_grace_ends() {
    let (plane, created) = made().await;
    let path = path(&created);
    plane.clock.advance(Duration::from_secs(5));
    let answer = plane.post(&format!("{path}/rotate"), json!({ "grace_seconds": 3600 })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let rotated = answer.json();
    assert_eq!(rotated["grace_ends_at"], "2026-01-01T01:00:05.000Z");
    assert_ne!((&rotated["id"], &rotated["key"]), (&created["id"], &created["key"]));
    for same in ["name", "scopes", "environment", "project_id", "account_id", "expires_at"] {
        assert_eq!(rotated[same], created[same], "{same}");
    }
    let new_path = format!("/v1/keys/{}", text(&rotated, "id"));
    assert_eq!(answer.header("location"), new_path);
    assert_eq!(plane.get(&path).await.json(), rotated["replaces"]);

    let end = u64::try_from(START).unwrap() + 3_605_000;
    let known = synced(&plane).await;
    assert_eq!(known[&digest(&created)], (KeyState::Active, end, "read".to_owned()));
    assert_eq!(known[&digest(&rotated)], (KeyState::Active, 0, "read".to_owned()));
    plane.clock.advance(Duration::from_hours(1));
    assert_eq!(plane.get(&path).await.json()["status"], "expired");
    assert_eq!(plane.get(&new_path).await.json()["status"], "active");
}

#[tokio::test]
async fn without_grace_the_old_key_is_revoked_in_the_same_moment() {
    let (plane, created) = made().await;
    let rotated = plane.post(&format!("{}/rotate", path(&created)), json!({ "grace_seconds": 0 })).await.json();
    assert_eq!((&rotated["replaces"]["status"], &rotated["status"]), (&json!("revoked"), &json!("active")));
    let known = synced(&plane).await;
    assert_eq!((known[&digest(&created)].0, known[&digest(&rotated)].0), (KeyState::Revoked, KeyState::Active));
}

#[tokio::test]
async fn a_grace_never_makes_a_key_live_longer() {
    let (plane, created) = made().await;
    let path = path(&created);
    plane.patch(&path, json!({ "expires_at": "2026-01-01T01:00:00Z" })).await;
    let rotated = plane.post(&format!("{path}/rotate"), json!({})).await.json();
    assert_eq!(rotated["grace_ends_at"], "2026-01-01T01:00:00.000Z");
    assert_eq!(rotated["replaces"]["expires_at"], "2026-01-01T01:00:00.000Z");
}
