//! Users and their personal access tokens: people in their roles, and keys that act as them.

use crate::support::{ControlPlane, text};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

/// An account with an owner, an admin and two members, each with a personal access token.
struct Team {
    plane: ControlPlane,
    account: String,
    project: String,
}

/// A user and the secret of their token.
struct Person {
    id: String,
    token: String,
    token_id: String,
}

impl Team {
    async fn new() -> Self {
        let plane = ControlPlane::start().await;
        let (account, project) = plane.project().await;
        Self { plane, account, project }
    }

    async fn person(&self, name: &str, role: &str) -> Person {
        let email = format!("{name}@example.com");
        let body = json!({ "account_id": self.account, "email": email, "name": name, "role": role });
        let user = self.plane.post("/v1/users", body).await;
        assert_eq!(user.status, StatusCode::CREATED, "{user:?}");
        let id = text(&user.json(), "id");
        let body = json!({ "user_id": id, "name": "laptop" });
        let token = self.plane.post("/v1/personal_access_tokens", body).await;
        assert_eq!(token.status, StatusCode::CREATED, "{token:?}");
        let token = token.json();
        Person { id, token: text(&token, "key"), token_id: text(&token, "id") }
    }
}

#[tokio::test]
async fn a_personal_access_token_acts_as_its_user() {
    let team = Team::new().await;
    let ada = team.person("ada", "member").await;
    assert!(ada.token.starts_with("kp_pat_"), "{}", &ada.token[..7]);
    let me = team.plane.call(&ada.token, "GET", "/v1/me", Value::Null).await.json();
    assert_eq!(me["kind"], "user");
    assert_eq!((&me["id"], &me["email"], &me["name"]), (&json!(ada.id), &json!("ada@example.com"), &json!("ada")));
    team.plane.clock.advance(Duration::from_millis(1));
    // She manages her own tokens with it, as with any credential of hers.
    let made = team.plane.call(&ada.token, "POST", "/v1/personal_access_tokens", json!({ "name": "ci" })).await;
    let made = made.json();
    assert_eq!(made["user_id"], json!(ada.id));
    let path = format!("/v1/personal_access_tokens/{}", text(&made, "id"));
    let renamed = team.plane.call(&ada.token, "PATCH", &path, json!({ "name": "new-name" })).await.json();
    assert_eq!(renamed["name"], "new-name");
    let list = team.plane.call(&ada.token, "GET", "/v1/personal_access_tokens", Value::Null).await.json();
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|token| text(token, "name")).collect();
    assert_eq!(names, ["new-name", "laptop"]);
    assert!(list["data"].as_array().unwrap().iter().all(|token| token.get("key").is_none()));
    let revoked = team.plane.call(&ada.token, "DELETE", &path, Value::Null).await.json();
    assert_eq!(revoked["status"], "revoked");
    team.plane.call(&text(&made, "key"), "GET", "/v1/me", Value::Null).await.problem(401, "credential_invalid");
}

#[tokio::test]
async fn a_use_at_the_management_api_is_a_last_use_too() {
    let team = Team::new().await;
    let ada = team.person("ada", "member").await;
    let path = format!("/v1/personal_access_tokens/{}", ada.token_id);
    assert_eq!(team.plane.get(&path).await.json()["last_used_at"], Value::Null);
    team.plane.clock.advance(Duration::from_secs(5));
    team.plane.call(&ada.token, "GET", "/v1/me", Value::Null).await;
    team.plane.clock.advance(Duration::from_mins(1));
    keyplane::service::sweep::sweep(&team.plane.app).await.unwrap();
    assert_eq!(team.plane.get(&path).await.json()["last_used_at"], "2026-01-01T00:00:05.000Z");
}

#[tokio::test]
async fn a_token_is_nobody_elses_and_no_projects_key() {
    let team = Team::new().await;
    let (ada, ben, owner) =
        (team.person("ada", "member").await, team.person("ben", "member").await, team.person("cy", "owner").await);
    let path = format!("/v1/personal_access_tokens/{}", ada.token_id);
    for method in ["GET", "PATCH", "DELETE"] {
        let body = if method == "PATCH" { json!({ "name": "mine" }) } else { Value::Null };
        team.plane.call(&ben.token, method, &path, body).await.problem(404, "not_found");
    }
    let body = json!({ "user_id": ada.id, "name": "impostor" });
    for impostor in [&ben, &owner] {
        let answer = team.plane.call(&impostor.token, "POST", "/v1/personal_access_tokens", body.clone()).await;
        answer.problem(403, "forbidden");
    }
    let list = format!("/v1/personal_access_tokens?user_id={}", ada.id);
    team.plane.call(&ben.token, "GET", &list, Value::Null).await.field(404, "not_found", "user_id");
    // The owner sees and ends it, as when somebody leaves; the key endpoints do not know it, so nobody gets its secret anew.
    let seen = team.plane.call(&owner.token, "GET", &list, Value::Null).await.json();
    assert_eq!(text(&seen["data"][0], "id"), ada.token_id);
    for (method, tail) in [("GET", ""), ("POST", "/rotate"), ("DELETE", "")] {
        let body = if method == "POST" { json!({}) } else { Value::Null };
        let key = format!("/v1/keys/{}{tail}", ada.token_id);
        team.plane.call(&owner.token, method, &key, body).await.problem(404, "not_found");
    }
    assert_eq!(team.plane.call(&owner.token, "DELETE", &path, Value::Null).await.status, StatusCode::OK);
    let key = text(&team.plane.key(&team.project, "live", "k").await, "id");
    let key = format!("/v1/personal_access_tokens/{key}");
    team.plane.call(&owner.token, "GET", &key, Value::Null).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_project_key_is_nobody_and_has_no_tokens() {
    let team = Team::new().await;
    let scopes = ["keyplane:users:write", "keyplane:keys:write"];
    let body = json!({ "project_id": team.project, "environment": "live", "name": "k", "scopes": scopes });
    let key = text(&team.plane.post("/v1/keys", body).await.json(), "key");
    let me = team.plane.call(&key, "GET", "/v1/me", Value::Null).await.json();
    assert_eq!((&me["kind"], &me["environment"]), (&json!("key"), &json!("live")));
    let answer = team.plane.call(&key, "GET", "/v1/personal_access_tokens", Value::Null).await;
    answer.problem(403, "forbidden");
    let mut owner = json!({ "account_id": team.account, "email": "x@y", "name": "x", "role": "owner" });
    team.plane.call(&key, "POST", "/v1/users", owner.clone()).await.problem(403, "forbidden");
    owner["role"] = json!("admin");
    assert_eq!(team.plane.call(&key, "POST", "/v1/users", owner).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn each_role_does_what_is_its_own() {
    let team = Team::new().await;
    let (owner, admin, member) =
        (team.person("cy", "owner").await, team.person("di", "admin").await, team.person("ada", "member").await);
    let account = format!("/v1/accounts/{}", team.account);
    let user = |name: &str, role: &str| json!({ "account_id": team.account, "email": format!("{name}@x"), "name": name, "role": role });
    let call = async |person: &Person, method: &str, path: &str, body: Value| {
        team.plane.call(&person.token, method, path, body).await.status.as_u16()
    };
    // Members make and change keys, and see the rest.
    let key = json!({ "project_id": team.project, "environment": "test", "name": "k" });
    assert_eq!(call(&member, "POST", "/v1/keys", key.clone()).await, 201);
    assert_eq!(call(&member, "GET", "/v1/users", Value::Null).await, 200);
    assert_eq!(call(&member, "PATCH", &account, json!({ "name": "x" })).await, 403);
    assert_eq!(call(&member, "POST", "/v1/users", user("e", "member")).await, 403);
    let mut strong = key;
    strong["scopes"] = json!(["keyplane:keys:read"]);
    assert_eq!(call(&member, "POST", "/v1/keys", strong.clone()).await, 403);
    assert_eq!(call(&admin, "POST", "/v1/keys", strong).await, 201);
    // Plan and status are the operator's.
    for change in [json!({ "plan": "team" }), json!({ "status": "suspended" }), json!({ "external_id": "x" })] {
        assert_eq!(call(&owner, "PATCH", &account, change).await, 403);
    }
    assert_eq!(call(&owner, "PATCH", &account, json!({ "name": "Acme & Co" })).await, 200);
    // Only owners make, change and remove owners.
    assert_eq!(call(&admin, "POST", "/v1/users", user("f", "owner")).await, 403);
    assert_eq!(call(&owner, "POST", "/v1/users", user("f", "owner")).await, 201);
    let owners = format!("/v1/users/{}", owner.id);
    assert_eq!(call(&admin, "PATCH", &owners, json!({ "name": "x" })).await, 403);
    assert_eq!(call(&admin, "DELETE", &owners, Value::Null).await, 403);
    let own = format!("/v1/users/{}", admin.id);
    assert_eq!(call(&admin, "PATCH", &own, json!({ "role": "owner" })).await, 403);
    assert_eq!(call(&owner, "PATCH", &own, json!({ "role": "owner" })).await, 200);
    // A role counts from the next request on.
    assert_eq!(call(&admin, "PATCH", &owners, json!({ "name": "x" })).await, 200);
}

#[tokio::test]
async fn who_is_removed_is_out_at_once_and_can_come_back() {
    let team = Team::new().await;
    let ada = team.person("ada", "member").await;
    let path = format!("/v1/users/{}", ada.id);
    assert_eq!(team.plane.delete(&path).await.status, StatusCode::OK);
    team.plane.call(&ada.token, "GET", "/v1/me", Value::Null).await.problem(401, "credential_invalid");
    team.plane.get(&path).await.problem(404, "not_found");
    team.plane.delete(&path).await.problem(404, "not_found");
    let token = team.plane.get(&format!("/v1/personal_access_tokens/{}", ada.token_id)).await.json();
    assert_eq!(token["status"], "revoked");
    let again = team.person("ada", "admin").await;
    assert_ne!(again.id, ada.id);
    assert_eq!(team.plane.get("/v1/users").await.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_address_belongs_to_one_user_of_an_account() {
    let team = Team::new().await;
    team.person("ada", "member").await;
    let mut body = json!({ "account_id": team.account, "email": "ADA@example.com", "name": "other" });
    team.plane.post("/v1/users", &body).await.field(409, "already_taken", "email");
    body["email"] = json!("no address");
    team.plane.post("/v1/users", &body).await.field(422, "invalid_request", "email");
    let account = text(&team.plane.post("/v1/accounts", json!({ "name": "Other" })).await.json(), "id");
    let body = json!({ "account_id": account, "email": "ada@example.com", "name": "Ada" });
    assert_eq!(team.plane.post("/v1/users", body).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_token_has_its_users_rights_and_no_management_scopes() {
    let team = Team::new().await;
    let ada = team.person("ada", "member").await;
    let body = json!({ "name": "strong", "scopes": ["keyplane:users:write"] });
    let answer = team.plane.call(&ada.token, "POST", "/v1/personal_access_tokens", body).await;
    answer.field(422, "invalid_request", "scopes");
    let path = format!("/v1/personal_access_tokens/{}", ada.token_id);
    let body = json!({ "scopes": ["keyplane:users:write"] });
    team.plane.call(&ada.token, "PATCH", &path, body).await.field(422, "invalid_request", "scopes");
    // The operator must say whose it is.
    team.plane.post("/v1/personal_access_tokens", json!({ "name": "whose" })).await.field(
        422,
        "invalid_request",
        "user_id",
    );
}
