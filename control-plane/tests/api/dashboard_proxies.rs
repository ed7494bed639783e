//! Proxies, and the operator's own credentials, in the dashboard.

use crate::dashboard::{Browser, person};
use crate::support::{ControlPlane, find, text};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;

/// A poll of a worker that has `after` and does not wait.
async fn poll(plane: &ControlPlane, worker: u32, proxy: &str, after: u64) {
    let epoch = plane.app.store.epoch();
    let path = format!("/sync/v1/changes?epoch={epoch}&after={after}&wait=1");
    let request = plane
        .sync_request(Method::GET, &path)
        .header("x-keyplane-worker", format!("{worker:032x}"))
        .header("x-keyplane-filter", "0.1.0")
        .header("x-keyplane-proxy", proxy);
    assert_eq!(plane.send_sync(request.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn proxies_are_listed_and_those_that_lag_are_named_in_words() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    assert!(browser.get("/proxies").await.page(200).contains("No proxy is connected"));
    plane.key(&project, "live", "k").await;
    let head = *plane.app.store.head().borrow();
    poll(&plane, 1, "edge-1", head).await;
    poll(&plane, 2, "edge-2", head).await;
    let page = browser.get("/proxies").await.page(200);
    assert!(page.contains("proxies have every change") && page.contains("edge-1") && !page.contains("Lags"), "{page}");
    plane.key(&project, "live", "l").await;
    plane.key(&project, "live", "m").await;
    let head = *plane.app.store.head().borrow();
    poll(&plane, 1, "edge-1", head).await;
    plane.clock.advance(Duration::from_secs(30));
    let page = browser.get("/proxies").await.page(200);
    assert!(page.contains("1 of 2") && page.contains("edge-2 is 2 changes behind (for 30 s)"), "{page}");
    // It is the operator's.
    let (token, _) = person(&plane, &account, "olga", "owner").await;
    let olga = Browser::signed_in(&plane, &token).await;
    for path in ["/proxies", "/proxy-tokens", "/admin-keys", "/proxy-tokens/new", "/admin-keys/new", "/accounts/new"] {
        olga.get(path).await.page(403);
    }
    let page = olga.get(&format!("/accounts/{account}/keys")).await.page(200);
    assert!(!page.contains("/proxies") && !page.contains("/admin-keys") && !page.contains("/proxy-tokens"), "{page}");
}

#[tokio::test]
async fn a_proxy_token_gives_way_to_its_successor() {
    let plane = ControlPlane::start().await;
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    let listed = plane.get("/v1/proxy_tokens").await.json();
    let old = text(&listed["data"][0], "id");
    let page = browser.submit("/proxy-tokens/new", "/proxy-tokens/new", &[("name", "Spring")]).await.page(201);
    assert!(page.contains("KEYPLANE_PROXY_TOKEN=kp_proxy_") && page.contains("only time"), "{page}");
    let page = browser.get("/proxy-tokens").await.page(200);
    assert!(page.contains("Spring") && !page.contains("Create token"), "two are valid: {page}");
    let page = browser.submit("/proxy-tokens/new", "/proxy-tokens/new", &[("name", "Third")]).await.page(409);
    assert!(page.contains("Two proxy tokens are valid already") && page.contains("value=\"Third\""), "{page}");
    let revoke = format!("/proxy-tokens/{old}/revoke");
    let page = browser.get(&revoke).await.page(200);
    assert!(page.contains("cannot be undone") && !page.contains("only valid one"), "{page}");
    assert!(browser.submit(&revoke, &revoke, &[]).await.page(200).contains("is revoked"));
    let listed = plane.get("/v1/proxy_tokens").await.json();
    let new = text(find(&listed, "name", "Spring"), "id");
    assert!(browser.get(&format!("/proxy-tokens/{new}/revoke")).await.page(200).contains("the only valid one"));
    let rename = format!("/proxy-tokens/{new}/rename");
    assert_eq!(browser.submit(&rename, &rename, &[("name", "Edge")]).await.leads_to(), "/proxy-tokens?done=changed");
    assert!(browser.submit(&rename, &rename, &[("name", "\u{202e}")]).await.page(422).contains("The name must not"));
    assert_eq!(plane.get(&format!("/v1/proxy_tokens/{new}")).await.json()["name"], "Edge");
    browser.get("/proxy-tokens/x/revoke").await.page(404);
}

#[tokio::test]
async fn admin_keys_are_made_for_each_and_the_last_one_stays() {
    let plane = ControlPlane::start().await;
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    let own = text(&plane.get("/v1/admin_keys").await.json()["data"][0], "id");
    let revoke_own = format!("/admin-keys/{own}/revoke");
    assert!(browser.get(&revoke_own).await.page(200).contains("you will be signed out"));
    let page = browser.submit(&revoke_own, &revoke_own, &[]).await.page(409);
    assert!(page.contains("only valid admin key with write access"), "{page}");
    let fields = [("name", "Auditor"), ("access", "read")];
    let page = browser.submit("/admin-keys/new", "/admin-keys/new", &fields).await.page(201);
    let (_, rest) = page.split_once("id=\"secret\"").unwrap();
    let secret = rest.split(['>', '<']).nth(1).unwrap().to_owned();
    let auditor = Browser::signed_in(&plane, &secret).await;
    let page = auditor.get("/admin-keys").await.page(200);
    assert!(page.contains("Auditor") && page.contains("You are signed in with it"), "{page}");
    assert!(!page.contains("/revoke") && !page.contains("Create admin key"), "it may only look: {page}");
    auditor.submit("/admin-keys", &revoke_own, &[]).await.page(403);
    auditor.submit("/admin-keys", "/admin-keys/new", &fields).await.page(403);
    let page = browser.submit("/admin-keys/new", "/admin-keys/new", &[("name", ""), ("access", "all")]).await.page(422);
    assert!(page.contains("The name must"), "{page}");
    let id = text(find(&plane.get("/v1/admin_keys").await.json(), "name", "Auditor"), "id");
    let revoke = format!("/admin-keys/{id}/revoke");
    assert!(browser.submit(&revoke, &revoke, &[]).await.page(200).contains("is revoked"));
    assert!(auditor.get("/admin-keys").await.leads_to().starts_with("/sign-in"));
    let rename = format!("/admin-keys/{own}/rename");
    browser.submit(&rename, &rename, &[("name", "Root")]).await.leads_to();
    assert_eq!(plane.get(&format!("/v1/admin_keys/{own}")).await.json()["name"], json!("Root"));
}
