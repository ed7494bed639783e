//! Where somebody is signed in: people see their own sessions, and end one or all of them.

use crate::support::{ControlPlane, text};
use crate::visitor::{Visitor, sessions};
use serde_json::json;
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
