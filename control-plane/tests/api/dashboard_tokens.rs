//! Personal tokens in the dashboard.

use crate::dashboard::{Browser, encode, hidden, person, post};
use crate::support::{ControlPlane, find, text};
use axum::http::StatusCode;
use serde_json::json;

#[tokio::test]
async fn a_person_makes_renames_and_revokes_their_own_token_and_sees_it_whole_once() {
    let plane = ControlPlane::start().await;
    let (account, _) = plane.project().await;
    let (token, _) = person(&plane, &account, "mia", "member").await;
    let (_, other) = person(&plane, &account, "olga", "owner").await;
    let mia = Browser::signed_in(&plane, &token).await;
    let tokens = format!("/accounts/{account}/tokens");
    let new = format!("{tokens}/new");
    let page = mia.get(&new).await.page(200);
    let (csrf, once) = (hidden(&page, "csrf"), hidden(&page, "once"));
    let fields = [
        ("csrf", csrf.as_str()),
        ("once", &once),
        ("name", "Second laptop"),
        ("end", "30"),
        ("expires_at", ""),
        ("scopes", "jobs:read"),
        ("allowed_cidrs", ""),
    ];
    let made = mia.send(post(&new), &encode(&fields)).await;
    let page = made.page(201);
    assert_eq!((made.header("cache-control"), made.header("location")), ("no-store", ""));
    let (_, rest) = page.split_once("id=\"secret\"").unwrap();
    let secret = rest.split(['>', '<']).nth(1).unwrap().to_owned();
    assert!(secret.starts_with("kp_pat_") && page.contains("only time"), "{page}");
    // Sent again, it makes no second one.
    assert!(mia.send(post(&new), &encode(&fields)).await.page(201).contains(&secret));
    let me = plane.call(&secret, "GET", "/v1/me", json!(null)).await;
    assert_eq!(me.status, StatusCode::OK, "{me:?}");
    let listed = plane.call(&token, "GET", "/v1/personal_access_tokens", json!(null)).await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let token = find(&listed, "name", "Second laptop");
    let id = text(token, "id");
    assert_eq!((&token["scopes"], &token["expires_at"]), (&json!(["jobs:read"]), &json!("2026-01-31T00:00:00.000Z")));

    let page = mia.get(&tokens).await.page(200);
    assert!(page.contains("Second laptop") && page.contains(&text(token, "key_prefix")), "{page}");
    assert!(!page.contains(&secret) && !page.contains(&other), "only their own: {page}");
    assert!(!mia.get(&format!("{tokens}?whose=all")).await.page(200).contains(&other));
    for rest in ["rename", "revoke"] {
        mia.get(&format!("{tokens}/{other}/{rest}")).await.page(404);
        let fields = [("name", "x")];
        assert_eq!(
            mia.submit(&tokens, &format!("{tokens}/{other}/{rest}"), &fields).await.status,
            StatusCode::NOT_FOUND
        );
    }
    let rename = format!("{tokens}/{id}/rename");
    let way = mia.submit(&rename, &rename, &[("name", "Old laptop")]).await.leads_to().to_owned();
    assert!(mia.get(&way).await.page(200).contains("Old laptop"));
    assert!(mia.submit(&rename, &rename, &[("name", "")]).await.page(422).contains("The name must have"));

    let revoke = format!("{tokens}/{id}/revoke");
    let page = mia.get(&revoke).await.page(200);
    assert!(page.contains("Old laptop") && page.contains("cannot be undone") && !page.contains("signed out"), "{page}");
    let page = mia.submit(&revoke, &revoke, &[("reason", "lost")]).await.page(200);
    assert!(page.contains("is revoked") && page.contains("No proxy is connected"), "{page}");
    assert_eq!(plane.call(&secret, "GET", "/v1/me", json!(null)).await.status, StatusCode::UNAUTHORIZED);
    mia.get(&format!("{tokens}/{id}/receipt?revision=1")).await.page(200);
}

#[tokio::test]
async fn revoking_the_token_that_one_is_signed_in_with_says_so_and_ends_the_session() {
    let plane = ControlPlane::start().await;
    let (account, _) = plane.project().await;
    let (token, id) = person(&plane, &account, "mia", "member").await;
    let mia = Browser::signed_in(&plane, &token).await;
    let revoke = format!("/accounts/{account}/tokens/{id}/revoke");
    mia.get(&format!("/accounts/{account}/tokens/{id}/receipt")).await.page(404);
    assert!(mia.get(&revoke).await.page(200).contains("you will be signed out at once"));
    let page = mia.submit(&revoke, &revoke, &[]).await.page(200);
    assert!(page.contains("this session is over"), "{page}");
    assert!(mia.get("/accounts").await.leads_to().starts_with("/sign-in"));
}

#[tokio::test]
async fn who_manages_the_account_sees_and_revokes_all_its_tokens_and_makes_only_their_own() {
    let plane = ControlPlane::start().await;
    let (account, _) = plane.project().await;
    let (elsewhere, _) = plane.project().await;
    let (_, foreign) = person(&plane, &elsewhere, "eve", "owner").await;
    let (token, _) = person(&plane, &account, "adam", "admin").await;
    let (_, of_mia) = person(&plane, &account, "mia", "member").await;
    let adam = Browser::signed_in(&plane, &token).await;
    let tokens = format!("/accounts/{account}/tokens");
    assert!(!adam.get(&tokens).await.page(200).contains(&of_mia), "their own come first");
    let page = adam.get(&format!("{tokens}?whose=all")).await.page(200);
    assert!(page.contains(&of_mia) && page.contains("mia@example.com") && !page.contains(&foreign), "{page}");
    assert!(!adam.get(&format!("{tokens}/new")).await.page(200).contains("user_id"));
    let revoke = format!("{tokens}/{of_mia}/revoke");
    adam.submit(&revoke, &revoke, &[]).await.page(200);
    adam.get(&format!("{tokens}/{foreign}/revoke")).await.page(404);
    // The operator sees this account's only, and makes one for somebody.
    let operator = Browser::signed_in(&plane, plane.admin.expose()).await;
    let page = operator.get(&tokens).await.page(200);
    assert!(page.contains(&of_mia) && !page.contains(&foreign), "{page}");
    operator.get(&format!("{tokens}/{foreign}/revoke")).await.page(404);
    let new = format!("{tokens}/new");
    let users = plane.get(&format!("/v1/users?account_id={account}")).await.json();
    let user = text(&users["data"][0], "id");
    let fields = [("name", "set up"), ("user_id", user.as_str()), ("end", "never")];
    assert!(operator.submit(&new, &new, &fields).await.page(201).contains("kp_pat_"));
    let eve = plane.get(&format!("/v1/users?account_id={elsewhere}")).await.json();
    let fields = [("name", "x"), ("user_id", eve["data"][0]["id"].as_str().unwrap()), ("end", "never")];
    let page = operator.submit(&new, &new, &fields).await.page(422);
    assert!(page.contains("The person must be one of"), "{page}");
    let page =
        operator.submit(&new, &new, &[("name", " "), ("user_id", &user), ("end", "date"), ("scopes", "A!")]).await;
    let page = page.page(422);
    assert!(page.contains("The name must") && page.contains("Scope 1 must") && page.contains("The end must"), "{page}");
}
