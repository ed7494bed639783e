//! Keys that are being replaced: where they are used from, and that they end once nobody uses them.

use crate::support::{ControlPlane, START, text};
use crate::usage::{WORKER, batch, send};
use axum::http::StatusCode;
use keyplane::service::sweep::sweep;
use keyplane_contract::code::Reason;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{Key, Page, Record, SourceUsage, UsageWriter};
use serde_json::{Value, json};
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

struct Rotated {
    plane: ControlPlane,
    old: Id,
    answer: Value,
    sequence: u64,
}

impl Rotated {
    async fn with(body: Value) -> Self {
        let plane = ControlPlane::start().await;
        let (_, project) = plane.project().await;
        let old = text(&plane.key(&project, "live", "CI").await, "id");
        let answer = plane.post(&format!("/v1/keys/{old}/rotate"), body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let answer = answer.json();
        Self { plane, old: Id::parse(old.as_bytes()).unwrap(), answer, sequence: 0 }
    }

    async fn old(&self) -> Value {
        self.plane.get(&format!("/v1/keys/{}", self.old)).await.json()
    }

    async fn sources(&self) -> Value {
        self.plane.get(&format!("/v1/keys/{}/sources", self.old)).await.json()["data"].clone()
    }

    /// A proxy reports a request with the old key, whose outcome and time are these.
    async fn used(&mut self, reason: Reason, at: u64) {
        self.sequence += 1;
        let body = batch(WORKER, self.sequence, &[(self.old, at, &[(reason, 1)])]);
        assert_eq!(send(&self.plane, body).await.status, StatusCode::NO_CONTENT);
    }

    /// A proxy reports requests with the old key from these addresses.
    async fn used_from(&mut self, key: Id, sources: &[(&str, u32, u64)]) {
        self.sequence += 1;
        let mut writer = UsageWriter::new(WORKER, self.sequence);
        let sources = sources.iter().map(|(address, count, last_seen)| SourceUsage {
            address: address.parse::<std::net::Ipv6Addr>().unwrap().octets(),
            count: *count,
            last_seen: *last_seen,
        });
        assert!(writer.push_sources(key, sources));
        assert_eq!(send(&self.plane, writer.finish()).await.status, StatusCode::NO_CONTENT);
    }

    /// Time passes, and the sweeper looks each minute as in `serve`.
    async fn pass(&self, time: Duration) {
        let end = self.plane.app.now().after(time);
        while self.plane.app.now() < end {
            self.plane.clock.advance(Duration::from_mins(1));
            sweep(&self.plane.app).await.unwrap();
        }
    }

    fn now(&self) -> u64 {
        self.plane.app.now().unsigned_millis()
    }
}

#[tokio::test]
async fn a_rotated_key_ends_by_itself_once_no_proxy_has_seen_it_for_so_long() {
    let mut rotated = Rotated::with(json!({ "retire_when_idle_hours": 2 })).await;
    let answer = &rotated.answer;
    assert_eq!((&answer["grace_ends_at"], &answer["replaces"]["retire_when_idle_hours"]), (&json!(null), &json!(2)));
    assert_eq!((&answer["replaces"]["replaced_by"], &answer["replaces"]["expires_at"]), (&answer["id"], &json!(null)));
    assert_eq!(
        (&answer["replaced_by"], &answer["retire_when_idle_hours"]),
        (&json!(null), &json!(null)),
        "the new one"
    );

    // In use: each request, also one that is refused, begins the time anew.
    rotated.pass(HOUR).await;
    rotated.used(Reason::Allowed, rotated.now()).await;
    rotated.pass(HOUR + HOUR / 2).await;
    rotated.used(Reason::Disabled, rotated.now()).await;
    rotated.pass(Duration::from_mins(119)).await;
    assert_eq!(rotated.old().await["status"], "active");
    let revision = *rotated.plane.app.store.head().borrow();
    rotated.pass(Duration::from_mins(1)).await;
    assert_eq!(rotated.old().await["status"], "revoked");
    assert!(*rotated.plane.app.store.head().borrow() > revision, "proxies learn of it");
    let new = rotated.plane.get(&format!("/v1/keys/{}", text(&rotated.answer, "id"))).await.json();
    assert_eq!(new["status"], "active");

    let mut connection = crate::store::connect(rotated.plane.folder.path()).await;
    let (actor, detail): (String, String) =
        sqlx::query_as("SELECT actor_kind, detail FROM audit WHERE action = 'key.revoke' AND object_id = ?")
            .bind(&rotated.old.0[..])
            .fetch_one(&mut connection)
            .await
            .unwrap();
    let detail: Value = serde_json::from_str(&detail).unwrap();
    assert_eq!((actor.as_str(), &detail["reason"]), ("system", &json!("idle")));
    let reason: String = sqlx::query_scalar("SELECT revoke_reason FROM keys WHERE id = ?")
        .bind(&rotated.old.0[..])
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(reason, "idle");
}

#[tokio::test]
async fn a_proxy_whose_clock_is_behind_does_not_have_a_used_key_taken_for_idle() {
    let mut rotated = Rotated::with(json!({ "retire_when_idle_hours": 1 })).await;
    for _ in 0..4 {
        rotated.pass(Duration::from_mins(59)).await;
        rotated.used(Reason::Allowed, START.unsigned_abs() - 86_400_000).await;
    }
    assert_eq!(rotated.old().await["status"], "active");
}

#[tokio::test]
async fn after_a_start_a_rotated_key_has_its_whole_time_again() {
    let mut rotated = Rotated::with(json!({ "retire_when_idle_hours": 3 })).await;
    // Down for a day: nobody could report.
    rotated.plane.clock.advance(24 * HOUR);
    rotated.plane.app.started_at = rotated.plane.app.now();
    rotated.pass(Duration::from_mins(179)).await;
    assert_eq!(rotated.old().await["status"], "active");
    rotated.pass(Duration::from_mins(1)).await;
    assert_eq!(rotated.old().await["status"], "revoked");
}

#[tokio::test]
async fn a_grace_beside_it_is_the_latest_end() {
    let mut rotated = Rotated::with(json!({ "retire_when_idle_hours": 1, "grace_seconds": 7200 })).await;
    assert_eq!(rotated.answer["grace_ends_at"], "2026-01-01T02:00:00.000Z");
    for _ in 0..4 {
        rotated.pass(HOUR / 2).await;
        rotated.used(Reason::Allowed, rotated.now()).await;
    }
    assert_eq!(rotated.old().await["status"], "expired", "although it is in use");
    let idle = Rotated::with(json!({ "retire_when_idle_hours": 1, "grace_seconds": 7200 })).await;
    idle.pass(HOUR).await;
    assert_eq!(idle.old().await["status"], "revoked");
    let at_once = Rotated::with(json!({ "retire_when_idle_hours": 1, "grace_seconds": 0 })).await;
    assert_eq!(at_once.old().await["status"], "revoked");
}

#[tokio::test]
async fn a_rotation_that_makes_no_sense_is_refused_whole() {
    let rotated = Rotated::with(json!({})).await;
    let path = format!("/v1/keys/{}", rotated.old);
    let before = rotated.old().await;
    for (body, field) in [
        (json!({ "retire_when_idle_hours": 0 }), "retire_when_idle_hours"),
        (json!({ "retire_when_idle_hours": 2161 }), "retire_when_idle_hours"),
        (json!({ "retire_when_idle_hours": 1.5 }), "retire_when_idle_hours"),
        (json!({ "retire_when_idle_hours": null }), "retire_when_idle_hours"),
        (json!({ "retire_when_idle_hours": 1, "grace_seconds": 7_776_001 }), "grace_seconds"),
    ] {
        rotated.plane.post(&format!("{path}/rotate"), &body).await.field(422, "invalid_request", field);
    }
    assert_eq!(rotated.old().await, before);
}

#[tokio::test]
async fn proxies_are_asked_for_the_sources_of_the_old_key_alone() {
    let rotated = Rotated::with(json!({})).await;
    let request = rotated.plane.sync_request(axum::http::Method::GET, "/sync/v1/changes?after=0&wait=0");
    let bytes = rotated.plane.send_sync(request.body(axum::body::Body::empty()).unwrap()).await.bytes;
    let page = Page::decode(&bytes).unwrap();
    let mut asked = 0;
    for record in page.records() {
        if let Record::Key(key) = record.unwrap() {
            assert_eq!(key.flags & Key::REPORT_SOURCES != 0, key.id == rotated.old);
            asked += 1;
        }
    }
    assert_eq!(asked, 2);
}

#[tokio::test]
async fn the_last_users_of_a_rotated_key_are_listed() {
    let mut rotated = Rotated::with(json!({})).await;
    assert_eq!(rotated.sources().await, json!([]));
    let (old, t) = (rotated.old, START.unsigned_abs() - 10_000);
    rotated.used_from(old, &[("::ffff:192.0.2.7", 3, t), ("2001:db8::7", 1, t + 2_000)]).await;
    rotated.used_from(old, &[("::ffff:192.0.2.7", 2, t + 1_000), ("::", 4, t)]).await;
    // A proxy with a fast clock.
    rotated.used_from(old, &[("2001:db8::8", 1, u64::MAX)]).await;
    let of = |source: Value, count: u32, first: &str, last: &str| {
        let at = |second: &str| format!("2025-12-31T23:59:{second}.000Z");
        json!({ "source": source, "count": count, "first_seen_at": at(first), "last_seen_at": at(last) })
    };
    let mut newest = of(json!("2001:db8::8"), 1, "", "");
    (newest["first_seen_at"], newest["last_seen_at"]) =
        (json!("2026-01-01T00:00:00.000Z"), json!("2026-01-01T00:00:00.000Z"));
    assert_eq!(
        rotated.sources().await,
        json!([
            newest,
            of(json!("2001:db8::7"), 1, "52", "52"),
            of(json!("192.0.2.7"), 5, "50", "51"),
            of(json!(null), 4, "50", "50"),
        ])
    );
    // Nothing is kept of a key that nobody watches, whatever a proxy says.
    let new = Id::parse(text(&rotated.answer, "id").as_bytes()).unwrap();
    rotated.used_from(new, &[("2001:db8::9", 1, t)]).await;
    assert_eq!(
        rotated.plane.get(&format!("/v1/keys/{new}/sources")).await.json(),
        json!({ "data": [], "next_cursor": null })
    );
    let unknown = "/v1/keys/01890a5d-ac96-774b-bcce-b302099a8057/sources";
    rotated.plane.get(unknown).await.problem(404, "not_found");
}

#[tokio::test]
async fn of_too_many_sources_those_used_last_are_kept() {
    let mut rotated = Rotated::with(json!({})).await;
    let (old, t) = (rotated.old, START.unsigned_abs() - 1_000_000);
    for group in 0..40_u64 {
        let addresses: Vec<_> = (0..8).map(|place| format!("2001:db8::{:x}", group * 8 + place + 1)).collect();
        let sources: Vec<_> = addresses.iter().map(|address| (address.as_str(), 1, t + group)).collect();
        rotated.used_from(old, &sources).await;
    }
    let sources = rotated.sources().await;
    let sources = sources.as_array().unwrap();
    assert_eq!(sources.len(), 64);
    assert!(
        sources.iter().all(|source| text(source, "last_seen_at").as_str() >= "2025-12-31T23:43:20.032Z"),
        "{sources:?}"
    );
}

#[tokio::test]
async fn a_chain_of_rotations_does_not_make_keys_beyond_twice_the_cap() {
    let plane = ControlPlane::start().await;
    let account = text(&plane.post("/v1/accounts", json!({ "name": "a", "plan": "free" })).await.json(), "id");
    let prefixes = json!({ "live": "uk_live", "test": "uk_test" });
    let project = plane.post("/v1/projects", json!({ "account_id": account, "name": "p", "prefixes": prefixes })).await;
    let mut last = text(&plane.key(&text(&project.json(), "id"), "live", "k").await, "id");
    let first = last.clone();
    let rotate = async |key: &str, body: Value| plane.post(&format!("/v1/keys/{key}/rotate"), body).await;
    for _ in 0..2 {
        let answer = rotate(&last, json!({ "retire_when_idle_hours": 2160 })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        last = text(&answer.json(), "id");
    }
    rotate(&last, json!({ "retire_when_idle_hours": 2160 })).await.problem(409, "key_limit_reached");
    let answer = rotate(&last, json!({ "grace_seconds": 0 })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "one ends as another begins: {answer:?}");
    last = text(&answer.json(), "id");
    plane.delete(&format!("/v1/keys/{first}")).await;
    assert_eq!(rotate(&last, json!({})).await.status, StatusCode::CREATED);
}
