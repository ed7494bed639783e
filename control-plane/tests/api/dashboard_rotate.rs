//! The dashboard: a key is rotated, watched, edited, switched off and on.

use crate::dashboard::Browser;
use crate::support::{ControlPlane, START, text};
use crate::usage::{WORKER, send};
use axum::http::StatusCode;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{SourceUsage, UsageWriter};
use serde_json::{Value, json};
use std::time::Duration;

/// A signed-in admin's browser would borrow the plane, so it is made where it is needed.
struct World {
    plane: ControlPlane,
    keys: String,
    key: String,
}

impl World {
    async fn new() -> Self {
        let plane = ControlPlane::start().await;
        let (account, project) = plane.project().await;
        let body = json!({ "project_id": project, "environment": "live", "name": "CI & co", "scopes": ["jobs:read"] });
        let key = text(&plane.post("/v1/keys", body).await.json(), "id");
        Self { plane, keys: format!("/accounts/{account}/keys"), key }
    }

    async fn browser(&self) -> Browser<'_> {
        Browser::signed_in(&self.plane, self.plane.admin.expose()).await
    }

    fn path(&self, rest: &str) -> String {
        format!("{}/{}{rest}", self.keys, self.key)
    }

    async fn object(&self, id: &str) -> Value {
        self.plane.get(&format!("/v1/keys/{id}")).await.json()
    }

    async fn all(&self) -> Vec<Value> {
        self.plane.get("/v1/keys").await.json()["data"].as_array().unwrap().clone()
    }
}

fn secret(page: &str) -> String {
    let (_, rest) = page.split_once("id=\"secret\"").unwrap_or_else(|| panic!("no secret: {page}"));
    rest.split(['>', '<']).nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_rotated_key_is_shown_once_and_the_old_one_ends_as_was_chosen() {
    for (fields, ends_at, status, told) in [
        (vec![("end", "24")], json!("2026-01-02T00:00:00.000Z"), "active", "ends <time"),
        (vec![("end", "1")], json!("2026-01-01T01:00:00.000Z"), "active", "ends <time"),
        (vec![("end", "168")], json!("2026-01-08T00:00:00.000Z"), "active", "ends <time"),
        (vec![("end", "own"), ("grace_hours", "36")], json!("2026-01-02T12:00:00.000Z"), "active", "ends <time"),
        (vec![("end", "idle"), ("idle_hours", "48")], json!(null), "active", "no proxy has seen it for 2 days"),
        (vec![("end", "0")], json!(null), "revoked", "is revoked."),
    ] {
        let world = World::new().await;
        let browser = world.browser().await;
        let (rotate, old) = (world.path("/rotate"), world.key.clone());
        let page = browser.submit(&rotate, &rotate, &fields).await.page(201);
        let secret = secret(&page);
        assert!(secret.starts_with("uk_live_") && page.contains(&format!("API_KEY={secret}")), "{fields:?}");
        assert!(page.contains(told) && page.contains("No proxy is connected"), "{fields:?}: {page}");
        let all = world.all().await;
        assert_eq!(all.len(), 2);
        let new = all.iter().find(|key| key["id"] != old.as_str()).unwrap();
        assert_eq!((&new["name"], &new["scopes"]), (&json!("CI & co"), &json!(["jobs:read"])));
        let old = world.object(&old).await;
        assert_eq!((&old["expires_at"], &old["status"]), (&ends_at, &json!(status)), "{fields:?}");
        assert_eq!(old["replaced_by"], new["id"]);
        // From now on there is only the mask, and each page leads to the other key.
        for (key, other, word) in [(new, &old, "Replaces"), (&old, new, "Replaced by")] {
            let page = browser.get(&format!("{}/{}", world.keys, text(key, "id"))).await.page(200);
            assert!(!page.contains(&secret) && page.contains(word), "{page}");
            assert!(page.contains(&text(other, "id")) && page.contains(&text(other, "key_prefix")), "{page}");
        }
    }
}

#[tokio::test]
async fn a_rotation_that_is_sent_twice_makes_one_key() {
    let world = World::new().await;
    let browser = world.browser().await;
    let rotate = world.path("/rotate");
    let once = crate::dashboard::hidden(&browser.get(&rotate).await.page(200), "once");
    let fields = [("end", "24"), ("once", once.as_str())];
    let first = browser.submit(&rotate, &rotate, &fields).await.page(201);
    let second = browser.submit(&rotate, &rotate, &fields).await.page(201);
    assert_eq!(secret(&first), secret(&second));
    assert_eq!(world.all().await.len(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_a_rotation_is_said_and_changes_nothing() {
    let world = World::new().await;
    let browser = world.browser().await;
    let rotate = world.path("/rotate");
    for (fields, told) in [
        (vec![("end", "own"), ("grace_hours", "0")], "The time must be whole hours, from 1 to 2160"),
        (vec![("end", "idle"), ("idle_hours", "soon")], "The time must be whole hours"),
        (vec![("end", "never")], "The end must be one of the choices"),
    ] {
        let page = browser.submit(&rotate, &rotate, &fields).await.page(422);
        assert!(page.contains(told), "{fields:?}: {page}");
    }
    assert_eq!(world.all().await.len(), 1);
    world.plane.patch(&format!("/v1/keys/{}", world.key), json!({ "enabled": false })).await;
    assert!(browser.get(&rotate).await.page(409).contains("key_not_active"));
    assert!(!browser.get(&world.path("")).await.page(200).contains("/rotate"), "what is refused has no button");
    // Who may only look is offered nothing and gets nothing.
    world.plane.patch(&format!("/v1/keys/{}", world.key), json!({ "enabled": true })).await;
    let reader = world.plane.post("/v1/admin_keys", json!({ "name": "auditor", "access": "read" })).await.json();
    let reader = Browser::signed_in(&world.plane, &text(&reader, "key")).await;
    let page = reader.get(&world.path("")).await.page(200);
    assert!(!page.contains("/rotate") && !page.contains("/edit") && !page.contains("/disable"), "{page}");
    reader.get(&rotate).await.page(403);
    reader.get(&world.path("/edit")).await.page(403);
    for path in ["/rotate", "/disable", "/enable", "/edit"] {
        reader.submit(&world.keys, &world.path(path), &[("end", "24")]).await.page(403);
    }
    assert_eq!((world.all().await.len(), &world.object(&world.key).await["status"]), (1, &json!("active")));
}

#[tokio::test]
async fn who_still_uses_the_old_key_is_on_both_pages_until_it_ends() {
    let world = World::new().await;
    let browser = world.browser().await;
    let rotate = world.path("/rotate");
    browser.submit(&rotate, &rotate, &[("end", "24")]).await.page(201);
    let old = Id::parse(world.key.as_bytes()).unwrap();
    let new = text(&world.object(&world.key).await, "replaced_by");
    let new = format!("{}/{new}", world.keys);
    assert!(browser.get(&new).await.page(200).contains("No proxy has seen it since the rotation"));
    let mut writer = UsageWriter::new(WORKER, 1);
    let address = "::ffff:192.0.2.77".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let sources = [
        SourceUsage { address, count: 1_234, last_seen: START.unsigned_abs() - 60_000 },
        SourceUsage { address: SourceUsage::OTHER, count: 2, last_seen: START.unsigned_abs() - 120_000 },
    ];
    assert!(writer.push_sources(old, sources.into_iter()));
    assert_eq!(send(&world.plane, writer.finish()).await.status, StatusCode::NO_CONTENT);
    for path in [&new, &world.path("")] {
        let page = browser.get(path).await.page(200);
        assert!(page.contains("Who still uses the old key") && page.contains("192.0.2.77"), "{page}");
        assert!(page.contains("1,234") && page.contains("Addresses that the proxies did not tell"), "{page}");
        assert!(page.contains(&world.path("/revoke")), "and the way to end it: {page}");
    }
    world.plane.clock.advance(Duration::from_hours(24));
    let browser = world.browser().await;
    assert!(!browser.get(&new).await.page(200).contains("Who still uses"));
}

#[tokio::test]
async fn a_key_is_switched_off_and_on_again_from_the_page_that_says_so() {
    let world = World::new().await;
    let browser = world.browser().await;
    let page = world.path("");
    let answer = browser.submit(&page, &world.path("/disable"), &[]).await;
    let way = answer.leads_to().to_owned();
    assert_eq!(world.object(&world.key).await["status"], "disabled");
    let told = browser.get(&way).await.page(200);
    assert!(
        told.contains("switched off") && told.contains(">Undo<") && told.contains("No proxy is connected"),
        "{told}"
    );
    assert!(told.contains(">Enable<"), "{told}");
    let answer = browser.submit(&way, &world.path("/enable"), &[]).await;
    assert!(browser.get(answer.leads_to()).await.page(200).contains("The key is switched on."));
    assert_eq!(world.object(&world.key).await["status"], "active");
    // An address that says so does not make it so.
    assert!(!browser.get(&world.path("?done=disabled")).await.page(200).contains("Undo"));
    // A form of another account's page changes nothing here.
    let (other, _) = world.plane.project().await;
    browser.submit(&page, &format!("/accounts/{other}/keys/{}/disable", world.key), &[]).await.page(404);
    world.plane.delete(&format!("/v1/keys/{}", world.key)).await;
    browser.submit(&world.keys, &world.path("/enable"), &[]).await.page(409);
}

#[tokio::test]
async fn end_scopes_and_networks_are_edited_but_not_over_somebody_elses_change() {
    let world = World::new().await;
    let browser = world.browser().await;
    let edit = world.path("/edit");
    let shown = browser.get(&edit).await.page(200);
    assert!(shown.contains(">jobs:read</textarea>") && shown.contains("As it is: never"), "{shown}");
    let version = crate::dashboard::hidden(&shown, "version");
    let fields = |end: &'static str, scopes: &'static str, networks: &'static str, version: &str| {
        vec![
            ("end".to_owned(), end.to_owned()),
            ("scopes".to_owned(), scopes.to_owned()),
            ("allowed_cidrs".to_owned(), networks.to_owned()),
            ("version".to_owned(), version.to_owned()),
        ]
    };
    let send = async |fields: Vec<(String, String)>| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.submit(&edit, &edit, &fields).await
    };
    let page = send(fields("date", "jobs:read BAD!", "192.0.2.1/24", &version)).await.page(422);
    assert!(
        page.contains("Scope 2 must begin") && page.contains("Network 1 ") && page.contains("The end must be"),
        "{page}"
    );
    assert!(page.contains(">jobs:read BAD!</textarea>"), "nothing typed is lost");
    let answer = send(fields("30", "jobs:read jobs:write", "192.0.2.0/24\n2001:db8::/32", &version)).await;
    assert!(browser.get(answer.leads_to()).await.page(200).contains("The change is saved."));
    let key = world.object(&world.key).await;
    assert_eq!(key["expires_at"], "2026-01-31T00:00:00.000Z");
    assert_eq!(key["scopes"], json!(["jobs:read", "jobs:write"]));
    assert_eq!(key["allowed_cidrs"], json!(["192.0.2.0/24", "2001:db8::/32"]));
    // Who saw the key as it was before is told, and nothing is lost on either side.
    let page = send(fields("never", "", "", &version)).await.page(412);
    assert!(page.contains("Somebody changed the key meanwhile"), "{page}");
    assert_eq!(world.object(&world.key).await["scopes"], json!(["jobs:read", "jobs:write"]));
    let version = crate::dashboard::hidden(&page, "version");
    send(fields("keep", "", "", &version)).await.leads_to();
    let key = world.object(&world.key).await;
    assert_eq!((&key["scopes"], &key["allowed_cidrs"]), (&json!([]), &json!([])));
    assert_eq!(key["expires_at"], "2026-01-31T00:00:00.000Z", "the end was left as it is");
}
