//! The dashboard: what needs attention, and where it is mended.

use crate::dashboard::{Browser, person};
use crate::store::connect;
use crate::support::{ControlPlane, START, text};
use crate::usage::{Counts, WORKER, batch, send};
use axum::http::StatusCode;
use keyplane_contract::code::Reason;
use keyplane_contract::id::Id;
use serde_json::json;
use std::time::Duration;

const NOW: u64 = START.unsigned_abs();
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// The overview as a member of the account sees it, who sees no proxies.
async fn overview(plane: &ControlPlane, account: &str, token: &str) -> String {
    let browser = Browser::signed_in(plane, token).await;
    let path = format!("/accounts/{account}/overview");
    assert_eq!(browser.get("/").await.leads_to(), path, "it is the home of an account");
    browser.get(&path).await.page(200)
}

fn id(key: &serde_json::Value) -> Id {
    Id::parse(text(key, "id").as_bytes()).unwrap()
}

#[tokio::test]
async fn what_needs_attention_is_said_with_the_way_to_mend_it_and_nothing_else() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let (token, _) = person(&plane, &account, "ada", "member").await;
    assert!(overview(&plane, &account, &token).await.contains("No key works yet"));
    let good = plane.key(&project, "live", "Good").await;
    let well = overview(&plane, &account, &token).await;
    assert!(well.contains("All is well") && !well.contains("Needs attention"), "{well}");

    // Ends within a week; ends within a month; ends later.
    for (name, end) in [("Urgent", "2026-04-05"), ("Month", "2026-04-20"), ("Year", "2026-12-31")] {
        let body = json!({ "project_id": project, "environment": "live", "name": name, "expires_at": format!("{end}T00:00:00Z") });
        assert_eq!(plane.post("/v1/keys", body).await.status, StatusCode::CREATED);
    }
    plane.key(&project, "live", "Forgotten <i>").await;
    let off = text(&plane.key(&project, "live", "Switched off").await, "id");
    plane.patch(&format!("/v1/keys/{off}"), json!({ "enabled": false })).await;
    let rotated = text(&plane.key(&project, "live", "Rotated").await, "id");
    // To 1 April, when the others have not been used for three months.
    plane.clock.advance(Duration::from_hours(90 * 24));
    let answer = plane.post(&format!("/v1/keys/{rotated}/rotate"), json!({ "grace_seconds": 86_400 })).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let record = |at: u64, counts: Counts<'static>| (id(&good), at, counts);
    let now = NOW + 90 * DAY;
    let noise: Counts = &[(Reason::Allowed, 100), (Reason::Network, 3)];
    let records = [record(now - 3 * DAY, noise), record(now - HOUR, &[(Reason::Allowed, 1_500)])];
    send(&plane, batch(WORKER, 1, &records)).await;

    let page = overview(&plane, &account, &token).await;
    assert!(page.contains("2 keys end within 30 days, 1 of them within 7 days."), "{page}");
    assert!(page.contains("1 old key still works beside the new one."), "{page}");
    // Never used: the three with an end and the forgotten one; not the one that is off, being replaced or used.
    assert!(page.contains("4 keys have not been used for 30 days: 4 never at all, 4 not for 90 days."), "{page}");
    assert!(page.contains("Forgotten &lt;i&gt;") && !page.contains("Switched off"), "{page}");
    assert!(!page.contains("were refused in the last 24 hours"), "refusals are as few as before: {page}");
    assert!(page.contains(">1,500<") && !page.contains("Proxies connected"), "{page}");
    // Each way leads to exactly those keys.
    let browser = Browser::signed_in(&plane, &token).await;
    for (status, order, found) in [("ending", "expiry", 2), ("replaced", "expiry", 1), ("unused", "unused", 4)] {
        let way = format!("/accounts/{account}/keys?status={status}&amp;order={order}");
        assert!(page.contains(&way), "{way}: {page}");
        let list = browser.get(&way.replace("&amp;", "&")).await.page(200);
        assert!(list.contains(&format!("1 to {found} of {found}")), "{status}: {list}");
    }

    // Refusals that rise are told with numbers, and the reason of most of them.
    let many: Counts = &[(Reason::Network, 40), (Reason::Expired, 2)];
    send(&plane, batch(WORKER, 2, &[record(now - 1, many)])).await;
    let page = overview(&plane, &account, &token).await;
    assert!(page.contains("42 requests were refused in the last 24 hours."), "{page}");
    assert!(
        page.contains("there were 0 a day") && page.contains("Most of them, 40: <strong>Address not allowed"),
        "{page}"
    );
    assert!(page.contains(&format!("/accounts/{account}/usage?range=24h")), "{page}");

    // A cap that is nearly reached: what works and ends, without the one that is being replaced.
    plane.patch(&format!("/v1/accounts/{account}"), json!({ "plan": "pro" })).await;
    assert!(!overview(&plane, &account, &token).await.contains("that the plan allows"));
    plane.key(&project, "test", "One more").await;
    let page = overview(&plane, &account, &token).await;
    assert!(page.contains("Project Upload has 8 of the 10 keys that the plan allows."), "{page}");
    plane.patch(&format!("/v1/accounts/{account}"), json!({ "plan": "free" })).await;
    assert!(overview(&plane, &account, &token).await.contains("It can have no more."));
}

#[tokio::test]
async fn proxies_that_lag_or_are_not_there_are_told_to_who_may_see_proxies() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let (token, _) = person(&plane, &account, "ada", "owner").await;
    plane.key(&project, "live", "k").await;
    let path = format!("/accounts/{account}/overview");
    let operator = Browser::signed_in(&plane, plane.admin.expose()).await;
    assert!(operator.get(&path).await.page(200).contains("No proxy is connected."));
    let says = keyplane::service::workers::Says::Revision(0);
    let poll =
        keyplane::service::workers::Poll { worker: Id([1; 16]), proxy: "edge-7".into(), filter: String::new(), says };
    let clock: std::sync::Arc<dyn keyplane::domain::time::Clock> = plane.app.clock.clone();
    plane.app.workers.begin(poll, *plane.app.store.head().borrow(), &clock).answered();
    assert!(!operator.get(&path).await.page(200).contains("behind the last change"), "its answer may be on the way");
    plane.clock.advance(Duration::from_secs(11));
    let page = operator.get(&path).await.page(200);
    assert!(page.contains("1 proxy lags behind the last change.") && page.contains("edge-7"), "{page}");
    let page = overview(&plane, &account, &token).await;
    assert!(!page.contains("edge-7") && !page.contains("proxy lags") && page.contains("All is well"), "{page}");
}

#[tokio::test]
async fn an_account_with_ten_thousand_keys_is_counted_right_and_only_its_own() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let (other, _) = plane.project().await;
    plane.key(&project, "live", "first").await;
    let mut connection = connect(plane.folder.path()).await;
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
         INSERT INTO keys (id, revision, digest, mask, account, project, environment, name, state, created_at, last_used_at)
         SELECT unhex(printf('019b0000000070008000%012x', i)), 1000 + i, randomblob(32), 'uk_live_0000...zzzz', account, project, 1,
             printf('server %05d', i), 1, 0, CASE WHEN i % 2 THEN ? END
         FROM n, (SELECT account, project FROM keys LIMIT 1)",
    )
    .bind(START)
    .execute(&mut connection)
    .await
    .unwrap();
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    let page = browser.get(&format!("/accounts/{account}/overview")).await.page(200);
    assert!(page.contains(">10,000<"), "{page}");
    assert!(
        page.contains("4,999 keys have not been used for 30 days: 4,999 never at all, 4,999 not for 90 days."),
        "{page}"
    );
    assert!(page.contains("and 4,994 more") && page.len() < 20_000, "{}", page.len());
    let page = browser.get(&format!("/accounts/{other}/overview")).await.page(200);
    assert!(page.contains("No key works yet") && !page.contains("server"), "{page}");
}
