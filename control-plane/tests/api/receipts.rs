//! Receipts: who has a change, and who lags.

use crate::support::{Answer, ControlPlane, text};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use keyplane_contract::sync::Page;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;

/// A poll of a worker; gives the revision that it has after the answer.
async fn poll(plane: &ControlPlane, worker: u32, proxy: &str, after: u64, wait: u64) -> u64 {
    let epoch = plane.app.store.epoch();
    let path = format!("/sync/v1/changes?epoch={epoch}&after={after}&wait={wait}");
    let request = plane
        .sync_request(Method::GET, &path)
        .header("x-keyplane-worker", format!("{worker:032x}"))
        .header("x-keyplane-proxy", proxy);
    let answer = plane.send_sync(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    Page::decode(&answer.bytes).unwrap().header.until
}

/// Polls as a filter does, without end.
async fn follow(plane: &ControlPlane, worker: u32, proxy: &str) -> Infallible {
    let mut after = *plane.app.store.head().borrow();
    loop {
        after = poll(plane, worker, proxy, after, 55).await;
    }
}

/// What `work` gives, while workers poll.
async fn beside<T>(pollers: impl Future<Output = Infallible>, work: impl Future<Output = T>) -> T {
    let work = async { tokio::time::timeout(Duration::from_secs(30), work).await.expect("nothing came") };
    tokio::select! {
        biased;
        never = pollers => match never {},
        done = work => done,
    }
}

async fn revoked(plane: &ControlPlane, id: &str, wait: &str) -> Value {
    receipt(&plane.delete(&format!("/v1/keys/{id}?wait={wait}")).await)
}

fn receipt(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let mut receipt = answer.json()["receipt"].clone();
    assert!(receipt["elapsed_ms"].is_u64(), "{answer:?}");
    receipt.as_object_mut().unwrap().remove("elapsed_ms");
    receipt
}

/// A control plane with so many keys; gives their ids.
async fn world(keys: usize) -> (ControlPlane, Vec<String>) {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let mut ids = Vec::new();
    for _ in 0..keys {
        ids.push(text(&plane.key(&project, "live", "k").await, "id"));
    }
    (plane, ids)
}

#[tokio::test]
async fn the_answer_comes_when_every_worker_has_acknowledged() {
    let (plane, ids) = world(3).await;
    let head = *plane.app.store.head().borrow();
    let pollers = async {
        let (never, ..) = tokio::join!(follow(&plane, 1, "a"), follow(&plane, 2, "a"), follow(&plane, 3, "b"));
        never
    };
    beside(pollers, async {
        for (revision, id) in (head + 1..).zip(&ids) {
            let applied = json!({ "revision": revision, "proxies": 2, "applied": 2, "lagging": [] });
            assert_eq!(revoked(&plane, id, "20s").await, applied);
            assert_eq!(revoked(&plane, id, "20s").await, applied, "revoked before: the receipt of that change");
        }
    })
    .await;
    let answer = plane.delete(&format!("/v1/keys/{}", ids[0])).await.json();
    assert_eq!((answer.get("receipt"), &answer["status"]), (None, &json!("revoked")));
}

#[tokio::test]
async fn who_lags_when_the_time_is_up_is_named_until_it_is_gone() {
    let (plane, ids) = world(1).await;
    let head = *plane.app.store.head().borrow();
    poll(&plane, 1, "edge", head - 1, 1).await;
    poll(&plane, 2, "loading", head - 1, 0).await;
    let seen = plane.get("/v1/proxies").await.json()["data"][0]["last_seen_at"].clone();
    let worker = |id: u32, revision| {
        let id = format!("00000000-0000-0000-0000-{id:012x}");
        json!({ "id": id, "revision": revision, "last_seen_at": seen })
    };
    let lagging = json!([
        { "name": "edge", "workers": [worker(1, json!(head - 1))] },
        { "name": "loading", "workers": [worker(2, json!(null))] },
    ]);
    let expected = json!({ "revision": head + 1, "proxies": 2, "applied": 0, "lagging": lagging });
    assert_eq!(revoked(&plane, &ids[0], "50ms").await, expected);
    assert_eq!(revoked(&plane, &ids[0], "0s").await, expected);

    let listed = plane.get("/v1/proxies").await.json();
    plane.clock.advance(Duration::from_secs(3));
    let later = plane.get("/v1/proxies").await.json();
    for (list, age) in [(&listed, 0), (&later, 3_000)] {
        let proxy = &list["data"][0];
        assert_eq!((&proxy["lagging"], &proxy["age_ms"]), (&json!(true), &json!(age)), "{list}");
        assert_eq!(proxy["workers"][0]["lagging"], true);
    }
    let metrics = String::from_utf8(plane.get("/metrics").await.bytes).unwrap();
    assert!(metrics.contains("\nkeyplane_proxies 2\n") && metrics.contains("\nkeyplane_proxies_lagging 2\n"));

    plane.clock.advance(Duration::from_mins(2));
    let gone = json!({ "revision": head + 1, "proxies": 0, "applied": 0, "lagging": [] });
    assert_eq!(revoked(&plane, &ids[0], "20s").await, gone);
}

#[tokio::test]
async fn each_kind_of_change_has_its_receipt() {
    let (plane, ids) = world(1).await;
    let path = format!("/v1/keys/{}", ids[0]);
    let created = *plane.app.store.head().borrow();
    let mut last = created;
    let changes = [
        (json!({ "name": "renamed" }), false),
        (json!({ "enabled": false }), true),
        (json!({ "enabled": true }), true),
        (json!({ "scopes": ["read"] }), true),
        (json!({ "allowed_cidrs": ["192.0.2.0/24"] }), true),
        (json!({ "expires_at": "2030-01-01T00:00:00Z" }), true),
        (json!({ "name": "again" }), false),
    ];
    for (change, synced) in changes {
        let found = receipt(&plane.patch(&format!("{path}?wait=5s"), &change).await)["revision"].as_u64().unwrap();
        assert_eq!(found, *plane.app.store.head().borrow(), "{change}");
        assert_eq!(found > last, synced, "{change}");
        last = found;
    }
    for bad in ["5", "56s", "", "5s&wait=6s"] {
        let answer = plane.patch(&format!("{path}?wait={bad}"), json!({ "name": "n" })).await;
        assert_eq!(answer.problem(400, "invalid_query")["errors"][0]["field"], "wait", "{bad}");
        let answer = plane.delete(&format!("{path}?wait={bad}")).await;
        assert_eq!(answer.problem(400, "invalid_query")["errors"][0]["field"], "wait", "{bad}");
    }
    assert_eq!(plane.get(&path).await.json()["status"], "active", "a bad wait changes nothing");
}

#[tokio::test]
async fn a_tenant_gets_the_numbers_and_no_names() {
    let (plane, _) = world(0).await;
    let (_, project) = plane.project().await;
    let key = |scopes: Value| json!({ "project_id": project, "environment": "live", "name": "n", "scopes": scopes });
    let caller = text(&plane.post("/v1/keys", key(json!(["keyplane:keys:write"]))).await.json(), "key");
    let id = text(&plane.post("/v1/keys", key(json!([]))).await.json(), "id");
    poll(&plane, 1, "secret-edge", 1, 1).await;
    let answer = plane.call(&caller, "DELETE", &format!("/v1/keys/{id}?wait=20ms"), Value::Null).await;
    let found = receipt(&answer);
    assert_eq!((&found["proxies"], &found["applied"], &found["lagging"]), (&json!(1), &json!(0), &json!(null)));
}

#[tokio::test]
async fn a_wait_holds_up_no_writer_and_ends_when_the_process_stops() {
    let (plane, ids) = world(2).await;
    poll(&plane, 1, "edge", 1, 1).await;
    let path = format!("/v1/keys/{}?wait=55s", ids[0]);
    let work = async {
        let (answer, ()) = tokio::join!(plane.delete(&path), async {
            let renamed = plane.patch(&format!("/v1/keys/{}", ids[1]), json!({ "name": "meanwhile" })).await;
            assert_eq!(renamed.status, StatusCode::OK);
            plane.stop.send_replace(true);
        });
        receipt(&answer)
    };
    let found = beside(std::future::pending(), work).await;
    assert_eq!((&found["proxies"], &found["applied"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn a_rotation_has_its_receipt_also_when_its_answer_is_given_again() {
    let (plane, ids) = world(1).await;
    let head = *plane.app.store.head().borrow();
    let path = format!("/v1/keys/{}/rotate?wait=20s", ids[0]);
    let rotate = async || {
        let request = axum::http::Request::post(&path)
            .header("authorization", format!("Bearer {}", plane.admin.expose()))
            .header("content-type", "application/json")
            .header("idempotency-key", "once");
        plane.send(request.body(Body::from(r#"{"grace_seconds":0}"#)).unwrap()).await
    };
    let first = beside(follow(&plane, 1, "edge"), rotate()).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let made = first.json();
    let revision = *plane.app.store.head().borrow();
    assert!(revision > head);
    let told = |answer: &Value, proxies: u64, applied: u64| {
        let receipt = &answer["receipt"];
        assert_eq!((&receipt["revision"], &receipt["proxies"]), (&json!(revision), &json!(proxies)), "{answer}");
        assert_eq!(receipt["applied"], applied, "{answer}");
    };
    told(&made, 1, 1);
    assert_eq!(made["replaces"]["status"], "revoked");
    assert_eq!(made["replaces"].get("receipt"), None);

    // A second proxy, which knows the new key as well: the kept answer tells how it stands now.
    let again = beside(async { tokio::join!(follow(&plane, 1, "edge"), follow(&plane, 2, "other")).0 }, async {
        while plane.get("/v1/proxies").await.json()["data"].as_array().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rotate().await
    });
    let again = again.await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (StatusCode::CREATED, "true"));
    told(&again.json(), 2, 2);
    assert_eq!((&again.json()["id"], &again.json()["key"]), (&made["id"], &made["key"]));

    let id = text(&made, "id");
    plane.post(&format!("/v1/keys/{id}/rotate?wait=56s"), "{}").await.field(400, "invalid_query", "wait");
    let plain = plane.post(&format!("/v1/keys/{id}/rotate"), "{}").await;
    assert_eq!((plain.status, plain.json().get("receipt")), (StatusCode::CREATED, None));
}

#[tokio::test]
async fn suspending_an_account_and_removing_a_user_have_their_receipts() {
    let plane = ControlPlane::start().await;
    let (account, _) = plane.project().await;
    let person = json!({ "account_id": account, "email": "a@example.com", "name": "n" });
    let user = text(&plane.post("/v1/users", person).await.json(), "id");
    let token = json!({ "user_id": user, "name": "n" });
    assert_eq!(plane.post("/v1/personal_access_tokens", token).await.status, StatusCode::CREATED);
    let head = *plane.app.store.head().borrow();
    beside(follow(&plane, 1, "edge"), async {
        let path = format!("/v1/accounts/{account}?wait=20s");
        let applied = |revision| json!({ "revision": revision, "proxies": 1, "applied": 1, "lagging": [] });
        let suspended = plane.patch(&path, json!({ "status": "suspended" })).await;
        assert_eq!((receipt(&suspended), &suspended.json()["status"]), (applied(head + 1), &json!("suspended")));
        let again = plane.patch(&path, json!({ "status": "suspended" })).await;
        assert_eq!(receipt(&again), applied(head + 1), "nothing changed");
        let removed = plane.delete(&format!("/v1/users/{user}?wait=20s")).await;
        assert_eq!(receipt(&removed), applied(head + 2), "their token is revoked");
    })
    .await;
    let bad = plane.patch(&format!("/v1/accounts/{account}?wait=5"), json!({ "status": "active" })).await;
    bad.field(400, "invalid_query", "wait");
    let answer = plane.get(&format!("/v1/accounts/{account}")).await.json();
    assert_eq!((&answer["status"], answer.get("receipt")), (&json!("suspended"), None));
}
