//! JWTs of configured issuers at the management API: which user of which account they are.

use crate::issuer::{Issuer, Key, NOW, with};
use crate::support::{ControlPlane, START, text};
use axum::http::StatusCode;
use keyplane::jwt::{JwtSettings, Verifier};
use serde_json::{Value, json};

async fn plane(issuer: Value) -> ControlPlane {
    let settings: JwtSettings = serde_json::from_value(json!({ "issuers": [issuer] })).unwrap();
    let plane = ControlPlane::start_trusting(Verifier::new(&settings, |_| None).unwrap()).await;
    plane.clock.advance(std::time::Duration::from_millis((NOW * 1000 - START).unsigned_abs()));
    plane
}

async fn account(plane: &ControlPlane, external_id: &str) -> String {
    text(&plane.post("/v1/accounts", json!({ "name": "Acme", "external_id": external_id })).await.json(), "id")
}

/// Claims as Clerk writes them into a session token.
fn clerk(issuer: &Issuer, more: &Value) -> Value {
    let claims = json!({
        "iss": issuer.url, "sub": "user_1", "sid": "sess_1", "azp": "https://app.example", "org_id": "org_1",
        "iat": NOW, "nbf": NOW - 10, "exp": NOW + 60,
    });
    with(claims, more)
}

#[tokio::test]
async fn a_clerk_token_is_the_user_with_its_identity_in_the_account_that_it_names() {
    let key = Key::rs256("ins_1");
    let issuer = Issuer::start(&[&key]).await;
    let plane = plane(json!({
        "issuer": issuer.url, "jwks_url": issuer.keys_url(), "any_audience": true, "account_claim": "org_id",
    }))
    .await;
    let (first, second) = (account(&plane, "org_1").await, account(&plane, "org_2").await);
    let identity = json!({ "issuer": issuer.url, "subject": "user_1" });
    for (account, role) in [(&first, "admin"), (&second, "member")] {
        let body =
            json!({ "account_id": account, "email": "ada@x", "name": "Ada", "role": role, "identity": identity });
        assert_eq!(plane.post("/v1/users", &body).await.status, StatusCode::CREATED);
        // One subject is one user of an account.
        let mut twice = body;
        twice["email"] = json!("other@x");
        plane.post("/v1/users", twice).await.field(409, "already_taken", "identity");
    }
    let me = async |more: Value| plane.call(&key.sign(&clerk(&issuer, &more)), "GET", "/v1/me", Value::Null).await;
    let ada = me(json!({})).await.json();
    assert_eq!((&ada["account_id"], &ada["role"]), (&json!(first), &json!("admin")));
    assert_eq!(me(json!({ "org_id": "org_2" })).await.json()["account_id"], json!(second));
    // A token that names no account, while its subject is a user of two, says too little.
    me(json!({ "org_id": null })).await.problem(403, "user_unknown");
    me(json!({ "org_id": "org_3" })).await.problem(403, "user_unknown");
    me(json!({ "sub": "user_2" })).await.problem(403, "user_unknown");
    me(json!({ "exp": NOW - 120 })).await.problem(401, "credential_invalid");
    // The same access as with a key: she makes keys in her account, and sees nothing of others.
    let token = key.sign(&clerk(&issuer, &json!({})));
    plane.call(&token, "GET", &format!("/v1/accounts/{second}"), Value::Null).await.problem(404, "not_found");
    let prefixes = json!({ "live": "gen_live", "test": "gen_test" });
    let project = json!({ "account_id": first, "name": "P", "prefixes": prefixes });
    let project = text(&plane.call(&token, "POST", "/v1/projects", project).await.json(), "id");
    let body = json!({ "project_id": project, "environment": "live", "name": "mine" });
    assert_eq!(plane.call(&token, "POST", "/v1/keys", body).await.status, StatusCode::CREATED);
    let body = json!({ "name": "n8n-production" });
    let made = plane.call(&token, "POST", "/v1/personal_access_tokens", body).await.json();
    assert_eq!(made["user_id"], ada["id"]);
}

#[tokio::test]
async fn a_supabase_token_makes_its_user_on_the_first_visit_if_the_operator_wants_it() {
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    let settings = |create: bool| {
        json!({
            "issuer": issuer.url, "discovery": true, "audiences": ["authenticated"],
            "account_claim": "app_metadata.account_id", "name_claim": "user_metadata.full_name", "create_users": create,
        })
    };
    let claims = |more: Value| key.sign(&issuer.claims(&more));
    let strict = plane(settings(false)).await;
    account(&strict, "acc_1").await;
    strict.call(&claims(json!({})), "GET", "/v1/me", Value::Null).await.problem(403, "user_unknown");

    let plane = plane(settings(true)).await;
    let account = account(&plane, "acc_1").await;
    let token = claims(json!({}));
    let visits = (0..8).map(|_| plane.call(&token, "GET", "/v1/me", Value::Null));
    let answers = futures_util::future::join_all(visits).await;
    let me = answers[0].json();
    assert!(answers.iter().all(|answer| answer.json() == me), "{me}");
    assert_eq!(
        (&me["name"], &me["email"], &me["role"], &me["account_id"]),
        (&json!("Ada Lovelace"), &json!("ada@example.com"), &json!("member"), &json!(account))
    );
    // Someone else with her address is not taken for her.
    let other = claims(json!({ "sub": "5a1b2c3d-0000-4000-8000-00000000000f" }));
    let refused = plane.call(&other, "GET", "/v1/me", Value::Null).await;
    assert!(text(&refused.problem(403, "user_unknown"), "detail").contains("belongs to another user"));
    let nowhere = claims(json!({ "app_metadata": { "account_id": "acc_2" } }));
    plane.call(&nowhere, "GET", "/v1/me", Value::Null).await.problem(403, "user_unknown");
    assert_eq!(plane.get("/v1/users").await.json()["data"].as_array().unwrap().len(), 1);
    // A suspended account lets nobody in.
    plane.patch(&format!("/v1/accounts/{account}"), json!({ "status": "suspended" })).await;
    plane.call(&token, "GET", "/v1/me", Value::Null).await.problem(403, "account_suspended");
}

#[tokio::test]
async fn a_token_whose_issuer_cannot_be_read_is_told_to_come_again() {
    let key = Key::es256("k1");
    let issuer = Issuer::start(&[&key]).await;
    issuer.answer(crate::issuer::KEYS, crate::issuer::Answer::Status(500));
    let plane = plane(json!({ "issuer": issuer.url, "discovery": true, "audiences": ["authenticated"] })).await;
    let answer = plane.call(&key.sign(&issuer.claims(&json!({}))), "GET", "/v1/me", Value::Null).await;
    answer.problem(503, "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
}
