//! Where somebody is signed in: people see their own sessions, and end one or all of them; and what the audit log tells of it.

use crate::dashboard::person;
use crate::support::{ControlPlane, text};
use crate::visitor::{Visitor, sessions};
use serde_json::{Value, json};
use std::time::Duration;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";

/// The fields of the form that ends the session of a row.
fn form(page: &str, row: &str) -> [(&'static str, String); 2] {
    let row = page.split("<tr>").find(|part| part.contains(row)).unwrap_or_else(|| panic!("no {row} in {page}"));
    ["csrf", "session"].map(|name| {
        let mark = format!("name=\"{name}\" value=\"");
        (name, row.split_once(&mark).unwrap().1.split('"').next().unwrap().to_owned())
    })
}

#[tokio::test]
async fn people_see_where_they_are_signed_in_and_end_one_session_or_all() {
    let plane = ControlPlane::start().await;
    let admin = plane.admin.expose();
    let mut desk = Visitor { agent: FIREFOX, source: "192.0.2.10", ..Visitor::new(&plane) };
    let mut phone = Visitor { agent: PHONE, source: "198.51.100.7", ..Visitor::new(&plane) };
    desk.sign_in(admin).await;
    plane.clock.advance(Duration::from_mins(10));
    phone.sign_in(admin).await;
    let other = plane.post("/v1/admin_keys", json!({ "name": "second", "access": "read" })).await.json();
    let mut stranger = Visitor { agent: "<script>alert(1)</script>", source: "203.0.113.9", ..Visitor::new(&plane) };
    stranger.sign_in(&text(&other, "key")).await;

    let page = desk.get("/sessions").await.page(200);
    for shown in ["Firefox on Linux", "192.0.2.10", "Safari on iPhone", "198.51.100.7", "Admin key", "10 minutes ago"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("203.0.113.9"), "nobody sees another holder's");
    let here = page.split("<tr>").find(|row| row.contains("This one")).unwrap();
    assert!(here.contains("192.0.2.10") && page.matches("This one").count() == 1);
    for visitor in [&desk, &phone] {
        assert!(!page.contains(visitor.jar.values().next().unwrap()), "what browsers hold is on no page");
    }
    // One that may only look ends its own all the same, and nobody else's.
    let [csrf, foreign] = form(&page, "198.51.100.7");
    let theirs = stranger.get("/sessions").await.page(200);
    assert!(!theirs.contains("<script>alert") && theirs.contains("Unknown browser"), "{theirs}");
    let own = &form(&theirs, "203.0.113.9")[0];
    stranger.post("/sessions/end", &[("csrf", &own.1), ("session", &foreign.1)]).await.leads_to();
    assert!(phone.is_in().await);
    desk.post("/sessions/end", &[("csrf", "wrong"), ("session", &foreign.1)]).await.page(403);
    assert!(phone.is_in().await);

    let answer = desk.post("/sessions/end", &[("csrf", &csrf.1), ("session", &foreign.1)]).await;
    let way = answer.leads_to().to_owned();
    assert_eq!(way, "/sessions?done=ended");
    let page = desk.get(&way).await.page(200);
    assert!(page.contains("The session is ended.") && !page.contains("198.51.100.7"), "{page}");
    assert!(!phone.is_in().await && desk.is_in().await && stranger.is_in().await);
    // All at once, here too; another holder's stay.
    phone.sign_in(admin).await;
    let csrf = form(&desk.get("/sessions").await.page(200), "This one").map(|(_, value)| value);
    let answer = desk.post("/sign-out", &[("csrf", &csrf[0]), ("everywhere", "yes")]).await;
    assert_eq!(answer.leads_to(), "/sign-in?out=yes");
    assert!(!phone.is_in().await && !desk.is_in().await && stranger.is_in().await);
    assert_eq!(sessions(&plane).await, 1);
}

#[tokio::test]
async fn the_page_of_sessions_follows_where_one_is_used_and_leaves_out_those_that_are_over() {
    let plane = ControlPlane::start().await;
    let mut desk = Visitor { agent: FIREFOX, ..Visitor::new(&plane) };
    desk.sign_in(plane.admin.expose()).await;
    let mut left = Visitor { agent: PHONE, ..Visitor::new(&plane) };
    left.sign_in(plane.admin.expose()).await;
    plane.clock.advance(Duration::from_mins(40));
    desk.source = "2001:db8::5";
    desk.get("/sessions").await.page(200);
    assert!(desk.get("/sessions").await.page(200).contains("2001:db8::5"));
    plane.clock.advance(Duration::from_mins(20));
    let page = desk.get("/sessions").await.page(200);
    assert!(page.contains("Firefox on Linux") && !page.contains("iPhone"), "one hour without a use: {page}");
    assert!(page.contains("after 1 hour without a use") && page.contains("12 hours after the sign-in"), "{page}");
}

/// What the log has of sessions, newest first.
async fn log(plane: &ControlPlane, more: &str) -> Vec<Value> {
    plane.get(&format!("/v1/audit?object_kind=session{more}")).await.json()["data"].as_array().unwrap().clone()
}

/// Actions of entries, with what was done to which of these objects.
fn told(entries: &[Value]) -> Vec<(String, &Value)> {
    entries.iter().map(|entry| (text(entry, "action"), &entry["object"]["id"])).collect()
}

#[tokio::test]
async fn the_log_has_each_sign_in_and_each_end_by_its_person_with_what_and_from_where_but_nothing_that_opens_anything()
{
    let plane = ControlPlane::start().await;
    let (account, _) = plane.project().await;
    let (token, _) = person(&plane, &account, "olga", "owner").await;
    let user = text(&plane.get(&format!("/v1/users?account_id={account}")).await.json()["data"][0], "id");
    let admin = text(&plane.get("/v1/me").await.json(), "id");
    let mut desk = Visitor { agent: FIREFOX, source: "192.0.2.10", ..Visitor::new(&plane) };
    let mut phone = Visitor { agent: PHONE, source: "198.51.100.7", ..Visitor::new(&plane) };
    let mut operator = Visitor { source: "203.0.113.9", ..Visitor::new(&plane) };
    let mut seen = vec![plane.admin.expose().to_owned(), token.clone()];
    for (visitor, credential) in [(&mut desk, &token), (&mut phone, &token), (&mut operator, &seen[0].clone())] {
        visitor.sign_in(credential).await;
        seen.extend(visitor.jar.values().cloned());
    }
    let begun = log(&plane, "&action=session.begin").await;
    assert_eq!(begun.len(), 3);
    let (of_operator, of_phone, of_desk) = (&begun[0], &begun[1], &begun[2]);
    let mask = |secret: &str| format!("{}...{}", &secret[..secret.len() - 34], &secret[secret.len() - 4..]);
    assert_eq!(of_operator["actor"], json!({ "kind": "admin_key", "id": admin }));
    assert_eq!((&of_operator["account_id"], &of_operator["source"]), (&json!(null), &json!("203.0.113.9")));
    let detail =
        json!({ "with": "admin_key", "name": "first", "key_prefix": mask(plane.admin.expose()), "browser": "" });
    assert_eq!(of_operator["detail"], detail);
    assert_eq!(of_phone["actor"], json!({ "kind": "user", "id": user }));
    assert_eq!((&of_phone["account_id"], &of_phone["source"]), (&json!(account), &json!("198.51.100.7")));
    let detail = json!({ "with": "personal_token", "name": "laptop", "key_prefix": mask(&token), "browser": PHONE });
    assert_eq!(of_phone["detail"], detail);
    assert!(begun.iter().all(|entry| entry["request_id"].is_string()), "{begun:?}");
    let [phones, desks, operators] = [of_phone, of_desk, of_operator].map(|entry| entry["object"]["id"].clone());
    assert!(phones.is_string() && phones != desks && phones != operators);

    // One ended from the other; the other by signing out, which a second time says nothing.
    let page = desk.get("/sessions").await.page(200);
    let [csrf, session] = form(&page, "198.51.100.7");
    let fields = [("csrf", csrf.1.as_str()), ("session", session.1.as_str())];
    for _ in 0..2 {
        desk.post("/sessions/end", &fields).await.leads_to();
    }
    let mut again = desk.clone();
    desk.post("/sign-out", &[("csrf", &csrf.1)]).await.leads_to();
    again.post("/sign-out", &[("csrf", &csrf.1)]).await.leads_to();
    let ended = log(&plane, "&action=session.end").await;
    let end = || "session.end".to_owned();
    assert_eq!(told(&ended), [(end(), &desks), (end(), &phones)]);
    assert_eq!((&ended[0]["source"], &ended[0]["detail"]), (&json!("192.0.2.10"), &json!({ "elsewhere": false })));
    assert_eq!((&ended[1]["source"], &ended[1]["detail"]["elsewhere"]), (&json!("192.0.2.10"), &json!(true)));
    assert!(ended.iter().all(|entry| entry["actor"]["id"] == json!(user) && entry["account_id"] == json!(account)));

    // Everywhere, even while the account is suspended: who may not come in may go out. What ran out before is not counted.
    Visitor::new(&plane).sign_in(&token).await;
    plane.clock.advance(Duration::from_hours(2));
    operator.sign_in(plane.admin.expose()).await;
    for visitor in [&mut desk, &mut phone] {
        visitor.sign_in(&token).await;
        seen.extend(visitor.jar.values().cloned());
    }
    let page = desk.get("/sessions").await.page(200);
    let csrf = form(&page, "This one")[0].1.clone();
    plane.patch(&format!("/v1/accounts/{account}"), json!({ "status": "suspended" })).await;
    desk.post("/sign-out", &[("csrf", &csrf), ("everywhere", "yes")]).await.leads_to();
    plane.patch(&format!("/v1/accounts/{account}"), json!({ "status": "active" })).await;
    assert!(!phone.is_in().await && operator.is_in().await);
    let all = log(&plane, "&action=session.end_all").await;
    assert_eq!((all.len(), &all[0]["detail"]), (1, &json!({ "sessions": 2 })));

    // A session that is over is ended by nobody.
    desk.sign_in(&token).await;
    let csrf = form(&desk.get("/sessions").await.page(200), "This one")[0].1.clone();
    plane.clock.advance(Duration::from_hours(2));
    let before = log(&plane, "").await.len();
    desk.post("/sign-out", &[("csrf", &csrf), ("everywhere", "yes")]).await.leads_to();
    assert_eq!(log(&plane, "").await.len(), before);

    // Her own account's log tells her, in words.
    desk.sign_in(&token).await;
    let page = desk.get(&format!("/accounts/{account}/audit?what=session")).await.page(200);
    for shown in ["signed in with the personal token", "signed out everywhere", "Firefox on Linux", "198.51.100.7"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(page.contains("ended another session of theirs") && !page.contains("203.0.113.9"), "{page}");
    let whole = serde_json::to_string(&log(&plane, "&limit=200").await).unwrap();
    assert!(seen.len() >= 7);
    for secret in &seen {
        assert!(!whole.contains(&secret[12..secret.len() - 4]), "what opens something is in the log");
    }
}

#[tokio::test]
async fn the_log_has_who_is_known_and_was_not_let_in_once_a_minute_and_nothing_of_nobody() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let (token, id) = person(&plane, &account, "mia", "member").await;
    let program = text(&plane.key(&project, "live", "Server").await, "key");
    let other = plane.post("/v1/admin_keys", json!({ "name": "old", "access": "write" })).await.json();
    plane.delete(&format!("/v1/admin_keys/{}", text(&other, "id"))).await;
    let mut visitor = Visitor { agent: FIREFOX, source: "192.0.2.10", ..Visitor::new(&plane) };
    let refused = async |visitor: &mut Visitor<'_>, credential: &str, status: u16| {
        visitor.post("/sign-in", &[("credential", credential), ("next", "/")]).await.page(status);
        log(&plane, "").await
    };
    // Of nobody: invented, of the right shape, a proxy's, nothing at all.
    let invented = crate::support::secret("kp_pat");
    for nobody in ["x", invented.expose(), plane.proxy.expose(), ""] {
        assert_eq!(refused(&mut visitor, nobody, 401).await, [Value::Null; 0], "{}", nobody.len());
    }
    let found = refused(&mut visitor, &program, 403).await;
    assert_eq!((found.len(), &found[0]["detail"]["reason"]), (1, &json!("forbidden")));
    assert_eq!((&found[0]["actor"]["kind"], &found[0]["detail"]["name"]), (&json!("key"), &json!("Server")));

    plane.patch(&format!("/v1/accounts/{account}"), json!({ "status": "suspended" })).await;
    let found = refused(&mut visitor, &token, 403).await;
    assert_eq!(found[0]["detail"]["reason"], "account_suspended");
    plane.patch(&format!("/v1/accounts/{account}"), json!({ "status": "active" })).await;
    plane.delete(&format!("/v1/personal_access_tokens/{id}")).await;
    // Again and again is once.
    for _ in 0..3 {
        assert_eq!(refused(&mut visitor, &token, 401).await.len(), 2);
    }
    plane.clock.advance(Duration::from_mins(2));
    let found = refused(&mut visitor, &token, 401).await;
    assert_eq!((found.len(), &found[0]["action"]), (3, &json!("session.refuse")));
    assert_eq!((&found[0]["account_id"], &found[0]["source"]), (&json!(account), &json!("192.0.2.10")));
    assert_eq!(found[0]["object"], json!({ "kind": "session", "id": null }));
    let detail = &found[0]["detail"];
    assert_eq!((&detail["with"], &detail["name"]), (&json!("personal_token"), &json!("laptop")));
    assert_eq!((&detail["reason"], &detail["browser"]), (&json!("revoked"), &json!(FIREFOX)));

    let found = refused(&mut visitor, &text(&other, "key"), 401).await;
    assert_eq!((&found[0]["actor"]["id"], &found[0]["account_id"]), (&other["id"], &json!(null)));
    assert_eq!(found[0]["detail"]["reason"], "revoked");
    // A token that works, from where it does not.
    plane.clock.advance(Duration::from_mins(2));
    let user = text(&plane.get(&format!("/v1/users?account_id={account}")).await.json()["data"][0], "id");
    let body = json!({ "user_id": user, "name": "office", "allowed_cidrs": ["10.0.0.0/8"] });
    let confined = text(&plane.post("/v1/personal_access_tokens", body).await.json(), "key");
    let found = refused(&mut visitor, &confined, 403).await;
    assert_eq!((&found[0]["detail"]["name"], &found[0]["actor"]["id"]), (&json!("office"), &json!(user)));
    assert_eq!(found[0]["detail"]["reason"], "address_not_allowed");
    assert_eq!(sessions(&plane).await, 0);
    let whole = serde_json::to_string(&found).unwrap();
    for secret in [&token, &program, &text(&other, "key"), &confined] {
        assert!(!whole.contains(&secret[12..secret.len() - 4]));
    }
    let mut operator = Visitor::new(&plane);
    operator.sign_in(plane.admin.expose()).await;
    let page = operator.get(&format!("/accounts/{account}/audit?what=session")).await.page(200);
    assert!(page.contains("was not let in with the personal token") && page.contains("<q>revoked</q>"), "{page}");
}
