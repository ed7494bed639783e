//! Usage: what workers report.

use crate::support::{Answer, ControlPlane, START, text};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use keyplane::service::sweep::sweep;
use keyplane_contract::code::Reason;
use keyplane_contract::id::Id;
use keyplane_contract::sync::UsageWriter;
use std::time::Duration;

pub const WORKER: Id = Id([9; 16]);
const SEEN: u64 = START.unsigned_abs() - 5_000;

pub type Counts<'a> = &'a [(Reason, u32)];

pub fn batch(worker: Id, sequence: u64, records: &[(Id, u64, Counts)]) -> Vec<u8> {
    let mut writer = UsageWriter::new(worker, sequence);
    for (key, seen, counts) in records {
        assert!(writer.push(*key, *seen, counts.iter().copied()));
    }
    writer.finish()
}

pub async fn send(plane: &ControlPlane, body: Vec<u8>) -> Answer {
    let request = plane
        .sync_request(Method::POST, "/sync/v1/usage")
        .header("content-type", "application/vnd.keyplane.sync")
        .body(Body::from(body))
        .unwrap();
    plane.send_sync(request).await
}

pub async fn new_key(plane: &ControlPlane) -> Id {
    let (_, project) = plane.project().await;
    Id::parse(text(&plane.key(&project, "live", "k").await, "id").as_bytes()).unwrap()
}

async fn last_used(plane: &ControlPlane, key: Id) -> serde_json::Value {
    plane.get(&format!("/v1/keys/{key}")).await.json()["last_used_at"].clone()
}

#[tokio::test]
async fn a_batch_that_comes_twice_counts_once() {
    let plane = ControlPlane::start().await;
    let key = new_key(&plane).await;
    let revision = *plane.app.store.head().borrow();
    let counts: Counts = &[(Reason::Allowed, 3), (Reason::Expired, 2)];
    let first = batch(WORKER, 5, &[(key, SEEN, counts)]);
    for _ in 0..2 {
        assert_eq!(send(&plane, first.clone()).await.status, StatusCode::NO_CONTENT);
    }
    let older = batch(WORKER, 4, &[(key, SEEN, counts)]);
    assert_eq!(send(&plane, older).await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        plane.app.store.usage_totals(key).await.unwrap(),
        [(Reason::Allowed, 3), (Reason::Expired, 2)],
        "the same and an older batch change nothing"
    );
    send(&plane, batch(WORKER, 6, &[(key, SEEN, counts)])).await;
    send(&plane, batch(Id([8; 16]), 5, &[(key, SEEN, &[(Reason::Allowed, 1)])])).await;
    assert_eq!(plane.app.store.usage_totals(key).await.unwrap(), [(Reason::Allowed, 7), (Reason::Expired, 4)]);
    assert_eq!(*plane.app.store.head().borrow(), revision, "usage is no change that proxies must know");
}

#[tokio::test]
async fn the_last_use_is_the_latest_and_only_that_of_allowed_requests() {
    let plane = ControlPlane::start().await;
    let key = new_key(&plane).await;
    send(&plane, batch(WORKER, 1, &[(key, SEEN, &[(Reason::Revoked, 4), (Reason::Allowed, 0)])])).await;
    assert_eq!(last_used(&plane, key).await, serde_json::Value::Null);
    send(&plane, batch(WORKER, 2, &[(key, SEEN, &[(Reason::Allowed, 1)])])).await;
    assert_eq!(last_used(&plane, key).await, "2025-12-31T23:59:55.000Z");
    send(&plane, batch(WORKER, 3, &[(key, SEEN - 1, &[(Reason::Allowed, 1)])])).await;
    assert_eq!(last_used(&plane, key).await, "2025-12-31T23:59:55.000Z");
    // A proxy whose clock is ahead cannot push it into the future.
    send(&plane, batch(WORKER, 4, &[(key, u64::MAX, &[(Reason::Allowed, 1)])])).await;
    assert_eq!(last_used(&plane, key).await, "2026-01-01T00:00:00.000Z");
}

#[tokio::test]
async fn uses_are_counted_by_the_day_and_by_the_hour_until_their_retention_ends() {
    let plane = ControlPlane::start().await;
    let key = new_key(&plane).await;
    // 23:59:55 of the day before, and 00:00:05 of the day.
    plane.clock.advance(Duration::from_mins(1));
    let counts: Counts = &[(Reason::Allowed, 1), (Reason::Expired, 2)];
    let body = batch(WORKER, 1, &[(key, SEEN, counts), (key, SEEN + 10_000, counts), (key, SEEN + 11_000, counts)]);
    send(&plane, body).await;
    let mut connection = crate::store::connect(plane.folder.path()).await;
    let mut counted = async || {
        let mut rows = Vec::new();
        for sql in [
            "SELECT day, reason, count FROM usage_daily ORDER BY 1, 2",
            "SELECT hour, reason, count FROM usage_hourly ORDER BY 1, 2",
        ] {
            rows.push(sqlx::query_as::<_, (i64, i64, i64)>(sql).fetch_all(&mut connection).await.unwrap());
        }
        rows
    };
    let (day, hour) = (START / 86_400_000, START / 3_600_000);
    let rows = |of: i64| vec![(of - 1, 0, 1), (of - 1, 7, 2), (of, 0, 2), (of, 7, 4)];
    assert_eq!(counted().await, [rows(day), rows(hour)]);
    plane.clock.advance(Duration::from_hours(14 * 24));
    assert_eq!(sweep(&plane.app).await.unwrap().usage_rows, 2);
    assert_eq!(counted().await, [rows(day), rows(hour)[2..].to_vec()]);
    plane.clock.advance(Duration::from_hours(386 * 24));
    assert_eq!(sweep(&plane.app).await.unwrap().usage_rows, 4);
    assert_eq!(counted().await, [rows(day)[2..].to_vec(), vec![]]);
}

#[tokio::test]
async fn keys_that_do_not_exist_are_left_out_and_the_others_count() {
    let plane = ControlPlane::start().await;
    let key = new_key(&plane).await;
    let counts: Counts = &[(Reason::Allowed, 1)];
    let body = batch(WORKER, 1, &[(Id([1; 16]), SEEN, counts), (key, SEEN, counts), (key, SEEN, counts)]);
    assert_eq!(send(&plane, body).await.status, StatusCode::NO_CONTENT);
    assert_eq!(plane.app.store.usage_totals(key).await.unwrap(), [(Reason::Allowed, 2)]);
}

#[tokio::test]
async fn a_batch_of_many_keys_is_taken() {
    let plane = ControlPlane::start().await;
    let key = new_key(&plane).await;
    let mut records: Vec<(Id, u64, Counts)> =
        (0..20_000_u128).map(|number| (Id(number.to_be_bytes()), SEEN, &[(Reason::Allowed, 1)][..])).collect();
    records.push((key, SEEN, &[(Reason::Allowed, u32::MAX)]));
    assert_eq!(send(&plane, batch(WORKER, 1, &records)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(plane.app.store.usage_totals(key).await.unwrap(), [(Reason::Allowed, u64::from(u32::MAX))]);
}

#[tokio::test]
async fn a_damaged_batch_is_refused_whole() {
    let plane = ControlPlane::start().await;
    let key = new_key(&plane).await;
    let good = batch(WORKER, 1, &[(key, SEEN, &[(Reason::Allowed, 1)])]);
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for bad in [Vec::new(), good[..good.len() - 1].to_vec(), damaged] {
        send(&plane, bad).await.problem(400, "invalid_batch");
    }
    let request = plane.sync_request(Method::POST, "/sync/v1/usage").body(Body::from(good.clone())).unwrap();
    plane.send_sync(request).await.problem(415, "unsupported_media_type");
    send(&plane, vec![0; 1024 * 1024 + 1]).await.problem(413, "body_too_large");
    assert_eq!(plane.app.store.usage_totals(key).await.unwrap(), []);
    assert_eq!(send(&plane, good).await.status, StatusCode::NO_CONTENT);
}
