//! Proxy tokens: replaced without a gap, and revoked at once.

use crate::support::{Answer, ControlPlane, text};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use std::task::Poll;
use std::time::{Duration, Instant};

async fn make(plane: &ControlPlane, name: &str) -> Value {
    let answer = plane.post("/v1/proxy_tokens", json!({ "name": name })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

fn path(token: &Value) -> String {
    format!("/v1/proxy_tokens/{}", text(token, "id"))
}

/// The token that the database was made with.
async fn first(plane: &ControlPlane) -> Value {
    let tokens = plane.get("/v1/proxy_tokens").await.json();
    tokens["data"].as_array().unwrap().iter().find(|token| token["name"] == "first").unwrap().clone()
}

/// Polls with this token.
async fn poll(plane: &ControlPlane, token: &str, query: &str) -> Answer {
    let request = Request::builder().uri(format!("/sync/v1/changes?{query}"));
    let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    plane.send_sync(request).await
}

#[tokio::test]
async fn a_proxy_token_is_replaced_without_a_gap() {
    let plane = ControlPlane::start().await;
    let (old, first) = (plane.proxy.expose().to_owned(), first(&plane).await);
    let next = make(&plane, "2026-07").await;
    let new = text(&next, "key");
    assert!(new.starts_with("kp_proxy_"));
    for token in [&old, &new] {
        assert_eq!(poll(&plane, token, "").await.status, StatusCode::OK);
    }
    // A third would be one too many, and the refusal says which one to revoke.
    let refused = plane.post("/v1/proxy_tokens", json!({ "name": "third" })).await;
    let detail = text(&refused.problem(409, "proxy_token_limit"), "detail");
    assert!(detail.contains(&text(&first, "id")) && detail.contains(&text(&first, "key_prefix")), "{detail}");
    let revoked = plane.delete(&path(&first)).await;
    assert_eq!((revoked.status, revoked.json()["revoked_at"].is_string()), (StatusCode::OK, true));
    poll(&plane, &old, "").await.problem(401, "credential_invalid");
    assert_eq!(poll(&plane, &new, "").await.status, StatusCode::OK);
    make(&plane, "third").await;
    let names: Vec<_> = plane.get("/v1/proxy_tokens").await.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| (text(token, "name"), token["revoked_at"].is_null()))
        .collect();
    assert_eq!(names.len(), 3);
    assert!(names.contains(&("first".to_owned(), false)) && names.contains(&("2026-07".to_owned(), true)));
}

#[tokio::test]
async fn waiting_polls_of_a_revoked_token_end_at_once_and_others_wait_on() {
    let plane = ControlPlane::start().await;
    let (first, next) = (first(&plane).await, make(&plane, "next").await);
    let epoch = plane.app.store.epoch();
    let head = *plane.app.store.head().borrow();
    let query = format!("epoch={epoch}&after={head}&wait=20");
    let (old, new) = (plane.proxy.expose().to_owned(), text(&next, "key"));
    let start = Instant::now();
    let revoke = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(plane.delete(&path(&first)).await.status, StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(200)).await;
        plane.stop.send_replace(true);
    };
    let (ended, waited, ()) = tokio::join!(poll(&plane, &old, &query), poll(&plane, &new, &query), revoke);
    ended.problem(401, "credential_invalid");
    assert_eq!(waited.status, StatusCode::OK);
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn the_last_proxy_token_may_be_revoked_and_another_be_made() {
    let plane = ControlPlane::start().await;
    let first = first(&plane).await;
    assert_eq!(plane.delete(&path(&first)).await.status, StatusCode::OK);
    assert_eq!(plane.delete(&path(&first)).await.status, StatusCode::OK);
    poll(&plane, plane.proxy.expose(), "").await.problem(401, "credential_invalid");
    let next = make(&plane, "next").await;
    assert_eq!(poll(&plane, &text(&next, "key"), "").await.status, StatusCode::OK);
    let renamed = plane.patch(&path(&next), json!({ "name": "edge" })).await.json();
    assert_eq!((&renamed["name"], renamed.get("key")), (&json!("edge"), None));
    assert_eq!(plane.get(&path(&next)).await.json(), renamed);
}

#[tokio::test]
async fn a_token_in_use_is_no_admin_key_and_the_other_way_round() {
    let plane = ControlPlane::start().await;
    let token = text(&make(&plane, "next").await, "key");
    let request = Request::builder().method(Method::GET).uri("/v1/proxy_tokens").header("x-api-key", &token);
    plane.send(request.body(Body::empty()).unwrap()).await.problem(401, "credential_invalid");
    poll(&plane, plane.admin.expose(), "").await.problem(401, "credential_invalid");
}

/// Whoever asks for a revocation may go away at any moment. Either nothing happened, or the token is refused.
#[tokio::test]
async fn a_revocation_that_is_on_the_disk_holds_also_if_its_caller_went_away() {
    let plane = ControlPlane::start().await;
    let mut revoked = 0;
    for patience in 0..60 {
        let next = make(&plane, "next").await;
        let (path, secret) = (path(&next), text(&next, "key"));
        // From now on it is known to be valid.
        assert_eq!(poll(&plane, &secret, "").await.status, StatusCode::OK);
        let mut revoking = Box::pin(plane.delete(&path));
        for _ in 0..patience {
            if std::future::poll_fn(|context| Poll::Ready(revoking.as_mut().poll(context).is_ready())).await {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(revoking);
        // Whatever was to be committed is, after one more commit.
        plane.app.store.write().await.unwrap().commit().await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let valid = plane.get(&path).await.json()["revoked_at"].is_null();
        let status = if valid { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(poll(&plane, &secret, "").await.status, status, "after {patience} steps");
        revoked += u32::from(!valid);
        plane.delete(&path).await;
        assert_eq!(poll(&plane, &secret, "").await.status, StatusCode::UNAUTHORIZED);
    }
    assert!((1..60).contains(&revoked), "{revoked}");
}
