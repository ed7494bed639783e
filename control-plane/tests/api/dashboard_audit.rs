//! The audit log in the dashboard.

use crate::dashboard::{Browser, person};
use crate::support::{ControlPlane, text};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn what_was_done_is_told_in_sentences_and_found_by_what_who_and_when() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let (elsewhere, foreign) = plane.project().await;
    plane.key(&foreign, "live", "Foreign").await;
    let (token, _) = person(&plane, &account, "olga", "owner").await;
    let users = plane.get(&format!("/v1/users?account_id={account}")).await.json();
    let id = text(&users["data"][0], "id");
    let key = text(&plane.key(&project, "live", "Production").await, "id");
    plane.clock.advance(Duration::from_hours(48));
    let body = json!({ "project_id": project, "environment": "live", "name": "Hers" });
    plane.call_from("192.0.2.9", &token, "POST", "/v1/keys", body).await;
    plane.call_from("192.0.2.9", &token, "PATCH", &format!("/v1/keys/{key}"), json!({ "name": "Server" })).await;
    let olga = Browser::signed_in(&plane, &token).await;
    let audit = format!("/accounts/{account}/audit");
    let rows = |page: &str| page.matches("data-label=\"What\"").count();
    let page = olga.get(&audit).await.page(200);
    assert!(page.contains("<strong>olga</strong> created key") && page.contains("192.0.2.9"), "{page}");
    assert!(
        page.contains("Production → Server") && page.contains("<strong>The operator</strong> created key"),
        "{page}"
    );
    assert!(!page.contains("Foreign") && !page.contains("Everywhere"), "{page}");
    let all = rows(&page);
    let narrowed = async |query: &str| olga.get(&format!("{audit}?{query}")).await.page(200);
    assert_eq!(rows(&narrowed("what=key.rename").await), 1);
    assert_eq!(rows(&narrowed("what=key").await), 4, "two keys, one token, one rename");
    assert_eq!(rows(&narrowed(&format!("who={id}")).await), 3, "two changes and her sign-in");
    assert_eq!(rows(&narrowed("who=user").await), 3);
    assert_eq!(rows(&narrowed(&format!("object={key}")).await), 2);
    assert_eq!(rows(&narrowed("from=2026-01-02").await), 3);
    assert_eq!(rows(&narrowed("from=2026-01-01&to=2026-01-02").await), all - 3);
    assert!(narrowed("what=project.update").await.contains("Nothing is like that"));
    // What means nothing is as if it were not said.
    assert_eq!(rows(&narrowed("what=x&who=y&object=z&from=q&to=r&everywhere=yes&cursor=c").await), all);
    // The operator can look everywhere.
    let operator = Browser::signed_in(&plane, plane.admin.expose()).await;
    assert!(!operator.get(&audit).await.page(200).contains("Foreign"));
    let page = operator.get(&format!("{audit}?everywhere=yes")).await.page(200);
    assert!(page.contains("Foreign") && page.contains("made the database"), "{page}");
    olga.get(&format!("/accounts/{elsewhere}/audit")).await.page(404);
    let (member, _) = person(&plane, &account, "mia", "member").await;
    let mia = Browser::signed_in(&plane, &member).await;
    mia.get(&audit).await.page(403);
    assert!(!mia.get(&format!("/accounts/{account}/keys")).await.page(200).contains(&audit));
}

#[tokio::test]
async fn a_long_log_is_read_page_by_page() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    for number in 0..60 {
        plane.key(&project, "test", &format!("key {number:02}")).await;
    }
    let browser = Browser::signed_in(&plane, plane.admin.expose()).await;
    let audit = format!("/accounts/{account}/audit");
    let first = browser.get(&format!("{audit}?what=key.create")).await.page(200);
    assert!(first.contains("key 59") && first.contains("key 10") && !first.contains("key 09"), "{first}");
    let (before, _) = first.split_once("\">Older</a>").unwrap();
    let way = before.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&");
    let second = browser.get(&way).await.page(200);
    assert!(second.contains("key 09") && second.contains("key 00") && !second.contains("key 10"), "{second}");
    assert!(!second.contains(">Older</a>") && second.contains(">Newest</a>"), "{second}");
}
