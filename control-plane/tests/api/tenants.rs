//! Accounts, their plans and people, and what keys with management scopes may do: each tenant in its own house.

use crate::support::{ControlPlane, text};
use axum::http::StatusCode;
use serde_json::{Value, json};

/// Makes an account on a plan, with a project; gives their ids.
async fn tenant(plane: &ControlPlane, plan: &str) -> (String, String) {
    let account = text(&plane.post("/v1/accounts", json!({ "name": "Acme", "plan": plan })).await.json(), "id");
    let prefixes = json!({ "live": "uk_live", "test": "uk_test" });
    let body = json!({ "account_id": account, "name": "Upload", "prefixes": prefixes });
    let project = text(&plane.post("/v1/projects", body).await.json(), "id");
    (account, project)
}

fn new_key(project: &str, scopes: &[&str]) -> Value {
    json!({ "project_id": project, "environment": "live", "name": "k", "scopes": scopes })
}

/// A key with these scopes; gives its secret.
async fn holder(plane: &ControlPlane, project: &str, scopes: &[&str]) -> String {
    text(&plane.post("/v1/keys", new_key(project, scopes)).await.json(), "key")
}

#[tokio::test]
async fn a_plan_caps_the_keys_of_each_project_and_says_what_to_do() {
    let plane = ControlPlane::start().await;
    for (plan, cap) in [("free", 2), ("pro", 10), ("team", 50)] {
        let (account, project) = tenant(&plane, plan).await;
        let mut ids = Vec::new();
        for number in 0..cap {
            let environment = if number % 2 == 0 { "live" } else { "test" };
            ids.push(text(&plane.key(&project, environment, "k").await, "id"));
        }
        let problem = plane.post("/v1/keys", new_key(&project, &[])).await.problem(409, "key_limit_reached");
        let detail = text(&problem, "detail");
        assert!(detail.contains("Revoke keys that are not used, or upgrade the plan"), "{detail}");
        assert!(detail.contains(&format!("the {cap} keys")) && detail.contains(plan), "{detail}");
        // Another project has a cap of its own.
        let prefixes = json!({ "live": "a", "test": "b" });
        let body = json!({ "account_id": account, "name": "Other", "prefixes": prefixes });
        let other = text(&plane.post("/v1/projects", body).await.json(), "id");
        plane.key(&other, "live", "k").await;
        // Rotating passes at the cap; revoking makes room; so does upgrading.
        let path = format!("/v1/keys/{}/rotate", ids[0]);
        assert_eq!(plane.post(&path, json!({})).await.status, StatusCode::CREATED);
        plane.post(&path, json!({})).await.problem(409, "key_limit_reached");
        plane.post("/v1/keys", new_key(&project, &[])).await.problem(409, "key_limit_reached");
        plane.delete(&format!("/v1/keys/{}", ids[1])).await;
        plane.key(&project, "live", "k").await;
        plane.patch(&format!("/v1/accounts/{account}"), json!({ "plan": "enterprise" })).await;
        plane.key(&project, "live", "k").await;
    }
}

#[tokio::test]
async fn keys_made_at_the_same_time_do_not_pass_the_cap() {
    let plane = ControlPlane::start().await;
    let (_, project) = tenant(&plane, "pro").await;
    let makings = (0..25).map(|_| plane.post("/v1/keys", new_key(&project, &[])));
    let made = futures_util::future::join_all(makings).await;
    let made = made.iter().filter(|answer| answer.status == StatusCode::CREATED).count();
    assert_eq!(made, 10);
}

#[tokio::test]
async fn a_plan_that_is_none_is_refused_with_those_that_there_are() {
    let plane = ControlPlane::start().await;
    let answer = plane.post("/v1/accounts", json!({ "name": "Acme", "plan": "gold" })).await;
    let message = answer.field(422, "invalid_request", "plan");
    assert_eq!(message, "must be one of `enterprise`, `free`, `pro`, `team`");
}

#[tokio::test]
async fn two_who_edit_an_account_at_once_do_not_undo_each_other() {
    let plane = ControlPlane::start().await;
    let (account, _) = tenant(&plane, "free").await;
    let path = format!("/v1/accounts/{account}");
    let seen = plane.get(&path).await.header("etag").to_owned();
    let edit = async |body: Value| plane.patch_if(&path, &seen, body).await;
    assert_eq!(edit(json!({ "name": "First" })).await.status, StatusCode::OK);
    edit(json!({ "plan": "pro" })).await.problem(412, "precondition_failed");
    let account = plane.get(&path).await.json();
    assert_eq!((&account["name"], &account["plan"]), (&json!("First"), &json!("free")));
}

#[tokio::test]
async fn an_external_id_belongs_to_one_account() {
    let plane = ControlPlane::start().await;
    let body = json!({ "name": "Acme", "external_id": "org_1" });
    assert_eq!(plane.post("/v1/accounts", &body).await.status, StatusCode::CREATED);
    plane.post("/v1/accounts", &body).await.field(409, "already_taken", "external_id");
}

#[tokio::test]
async fn a_suspended_account_is_synced_so_and_its_people_and_keys_may_not_call() {
    let plane = ControlPlane::start().await;
    let (account, project) = tenant(&plane, "free").await;
    let key = holder(&plane, &project, &["keyplane:keys:read"]).await;
    assert_eq!(plane.call(&key, "GET", "/v1/keys", Value::Null).await.status, StatusCode::OK);
    let path = format!("/v1/accounts/{account}");
    let before = *plane.app.store.head().borrow();
    assert_eq!(plane.patch(&path, json!({ "status": "suspended" })).await.json()["status"], "suspended");
    assert_eq!(*plane.app.store.head().borrow(), before + 1);
    plane.call(&key, "GET", "/v1/keys", Value::Null).await.problem(403, "account_suspended");
    plane.patch(&path, json!({ "status": "active" })).await;
    assert_eq!(plane.call(&key, "GET", "/v1/keys", Value::Null).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_manages_its_own_account_as_far_as_its_scopes_say() {
    let plane = ControlPlane::start().await;
    let (account, project) = tenant(&plane, "enterprise").await;
    let (others, others_project) = tenant(&plane, "enterprise").await;
    let others_key = text(&plane.key(&others_project, "live", "theirs").await, "id");
    let writer = holder(&plane, &project, &["keyplane:keys:write"]).await;
    let mine = plane.call(&writer, "POST", "/v1/keys", new_key(&project, &["jobs:read"])).await;
    assert_eq!(mine.status, StatusCode::CREATED, "{mine:?}");
    let list = plane.call(&writer, "GET", "/v1/keys", Value::Null).await.json();
    let accounts: Vec<_> = list["data"].as_array().unwrap().iter().map(|key| text(key, "account_id")).collect();
    assert_eq!(accounts, [account.clone(), account.clone()]);
    // Another tenant's things do not exist.
    for (method, path) in [("GET", ""), ("DELETE", ""), ("POST", "/rotate"), ("GET", "/sources")] {
        let body = if method == "POST" { json!({}) } else { Value::Null };
        let path = format!("/v1/keys/{others_key}{path}");
        plane.call(&writer, method, &path, body).await.problem(404, "not_found");
    }
    plane.call(&writer, "POST", "/v1/keys", new_key(&others_project, &[])).await.field(404, "not_found", "project_id");
    let list = format!("/v1/keys?project_id={others_project}");
    plane.call(&writer, "GET", &list, Value::Null).await.field(404, "not_found", "project_id");
    // What its scopes do not open is forbidden, its own and others' alike.
    for account in [&account, &others] {
        plane.call(&writer, "GET", &format!("/v1/accounts/{account}"), Value::Null).await.problem(403, "forbidden");
    }
    plane.call(&writer, "GET", "/v1/proxies", Value::Null).await.problem(403, "forbidden");
    plane.call(&writer, "GET", "/metrics", Value::Null).await.problem(403, "forbidden");
    plane.call(&writer, "POST", "/v1/accounts", json!({ "name": "x" })).await.problem(403, "forbidden");
    let reader = holder(&plane, &project, &["keyplane:keys:read"]).await;
    plane.call(&reader, "POST", "/v1/keys", new_key(&project, &[])).await.problem(403, "forbidden");
    let plain = holder(&plane, &project, &["read", "write"]).await;
    plane.call(&plain, "GET", "/v1/keys", Value::Null).await.problem(403, "forbidden");
}

#[tokio::test]
async fn nobody_raises_themselves_by_making_rotating_or_editing_a_key() {
    let plane = ControlPlane::start().await;
    let (_, project) = tenant(&plane, "enterprise").await;
    let writer = holder(&plane, &project, &["keyplane:keys:write"]).await;
    let stronger = plane.post("/v1/keys", new_key(&project, &["keyplane:users:write"])).await.json();
    let weaker = plane.post("/v1/keys", new_key(&project, &[])).await.json();
    let scopes = ["keyplane:users:read"];
    plane.call(&writer, "POST", "/v1/keys", new_key(&project, &scopes)).await.problem(403, "forbidden");
    let path = format!("/v1/keys/{}", text(&weaker, "id"));
    plane.call(&writer, "PATCH", &path, json!({ "scopes": scopes })).await.problem(403, "forbidden");
    let path = format!("/v1/keys/{}/rotate", text(&stronger, "id"));
    plane.call(&writer, "POST", &path, json!({})).await.problem(403, "forbidden");
    // What it has itself it may hand on.
    let equal = new_key(&project, &["keyplane:keys:read"]);
    assert_eq!(plane.call(&writer, "POST", "/v1/keys", equal).await.status, StatusCode::CREATED);
    let mistyped = plane.post("/v1/keys", new_key(&project, &["jobs", "keyplane:key:read"])).await;
    mistyped.field(422, "invalid_request", "scopes[1]");
}

#[tokio::test]
async fn a_key_with_networks_is_refused_from_elsewhere() {
    let plane = ControlPlane::start().await;
    let (_, project) = tenant(&plane, "enterprise").await;
    let mut body = new_key(&project, &["keyplane:keys:read"]);
    body["allowed_cidrs"] = json!(["198.51.100.0/24", "2001:db8::/32", "198.51.100.0/24"]);
    let created = plane.post("/v1/keys", &body).await.json();
    assert_eq!(created["allowed_cidrs"], json!(["198.51.100.0/24", "2001:db8::/32"]));
    let (key, path) = (text(&created, "key"), format!("/v1/keys/{}", text(&created, "id")));
    for inside in ["198.51.100.7", "2001:db8::7", "::ffff:198.51.100.7"] {
        assert_eq!(plane.call_from(inside, &key, "GET", "/v1/keys", Value::Null).await.status, StatusCode::OK);
    }
    let outside = plane.call_from("192.0.2.1", &key, "GET", "/v1/keys", Value::Null).await;
    outside.problem(403, "address_not_allowed");
    assert_eq!(plane.patch(&path, json!({ "allowed_cidrs": [] })).await.json()["allowed_cidrs"], json!([]));
    assert_eq!(plane.call(&key, "GET", "/v1/keys", Value::Null).await.status, StatusCode::OK);
    let message = plane.patch(&path, json!({ "allowed_cidrs": ["10.0.0.1/8"] })).await;
    assert!(message.field(422, "invalid_request", "allowed_cidrs[0]").contains("the network is 10.0.0.0/8"));
}

#[tokio::test]
async fn metadata_comes_back_as_it_was_given_and_is_bounded() {
    let plane = ControlPlane::start().await;
    let (_, project) = tenant(&plane, "enterprise").await;
    let mut body = new_key(&project, &[]);
    body["metadata"] = json!({ "team": "growth", "tags": ["a", "b"], "n": 1.5, "nested": { "x": null } });
    let created = plane.post("/v1/keys", &body).await.json();
    assert_eq!(created["metadata"], body["metadata"]);
    let path = format!("/v1/keys/{}", text(&created, "id"));
    assert_eq!(plane.get(&path).await.json()["metadata"], body["metadata"]);
    assert_eq!(plane.patch(&path, json!({ "metadata": {} })).await.json()["metadata"], json!({}));
    for wrong in [json!([]), json!("text"), json!({ "x": "y".repeat(5000) }), json!({ "a": { "b": [[{}]] } })] {
        plane.patch(&path, json!({ "metadata": wrong })).await.field(422, "invalid_request", "metadata");
    }
}

#[tokio::test]
async fn a_revoked_key_keeps_its_first_reason() {
    let plane = ControlPlane::start().await;
    let (_, project) = tenant(&plane, "enterprise").await;
    let path = format!("/v1/keys/{}", text(&plane.key(&project, "live", "k").await, "id"));
    let revoked = plane.delete(&format!("{path}?reason=leaked%20in%20a%20log")).await.json();
    assert_eq!(
        (&revoked["status"], &revoked["revoke_reason"], &revoked["revoked_at"]),
        (&json!("revoked"), &json!("leaked in a log"), &json!("2026-01-01T00:00:00.000Z"))
    );
    assert_eq!(plane.delete(&format!("{path}?reason=other")).await.json(), revoked);
    plane.delete(&format!("{path}?reason=%0A")).await.field(400, "invalid_query", "reason");
    plane.patch(&path, json!({ "enabled": true })).await.problem(409, "key_revoked");
}

#[tokio::test]
async fn too_many_wrong_credentials_from_one_source_are_told_to_wait() {
    let plane = ControlPlane::start().await;
    let (_, project) = tenant(&plane, "enterprise").await;
    let key = holder(&plane, &project, &["keyplane:keys:read"]).await;
    for _ in 0..20 {
        plane.call("wrong", "GET", "/v1/keys", Value::Null).await.problem(401, "credential_invalid");
    }
    let throttled = plane.call("wrong", "GET", "/v1/keys", Value::Null).await;
    throttled.problem(429, "too_many_failures");
    assert_eq!(throttled.header("retry-after"), "6");
    // Who shares the address and has a good credential is not locked out; another source has its own count.
    assert_eq!(plane.call(&key, "GET", "/v1/keys", Value::Null).await.status, StatusCode::OK);
    let other = plane.call_from("192.0.2.9", "wrong", "GET", "/v1/keys", Value::Null).await;
    other.problem(401, "credential_invalid");
    plane.clock.advance(std::time::Duration::from_secs(6));
    plane.call("wrong", "GET", "/v1/keys", Value::Null).await.problem(401, "credential_invalid");
}
