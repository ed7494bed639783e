//! `GET /v1/usage`: what workers reported, added up.

use crate::store::connect;
use crate::support::{ControlPlane, START, text};
use crate::usage::{Counts, WORKER, batch, send};
use axum::http::StatusCode;
use keyplane::service::sweep::sweep;
use keyplane_contract::code::Reason;
use keyplane_contract::id::Id;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const DAY: u64 = 86_400_000;
const HOUR: u64 = 3_600_000;
const NOW: u64 = START.unsigned_abs();

/// Two accounts with a project each; the first has a live and a test key, the second a live one.
struct Used {
    plane: ControlPlane,
    accounts: [String; 2],
    projects: [String; 2],
    keys: [Id; 3],
}

impl Used {
    async fn new() -> Self {
        let plane = ControlPlane::start().await;
        // Ids of one millisecond have no order.
        let next = || plane.clock.advance(Duration::from_millis(1));
        let first = plane.project().await;
        next();
        let second = plane.project().await;
        let id = async |project: &str, environment: &str| {
            next();
            Id::parse(text(&plane.key(project, environment, "k").await, "id").as_bytes()).unwrap()
        };
        let keys = [id(&first.1, "live").await, id(&first.1, "test").await, id(&second.1, "live").await];
        let ok: Counts = &[(Reason::Allowed, 10)];
        let mixed: Counts = &[(Reason::Allowed, 5), (Reason::Expired, 2), (Reason::Revoked, 1)];
        let records = [
            (keys[0], NOW - 2 * DAY, ok),
            (keys[0], NOW - HOUR, mixed),
            (keys[0], NOW - 1, ok),
            (keys[1], NOW - HOUR, ok),
            (keys[2], NOW - HOUR, mixed),
            // Before all default ranges.
            (keys[2], NOW - 40 * DAY, ok),
        ];
        assert_eq!(send(&plane, batch(WORKER, 1, &records)).await.status, StatusCode::NO_CONTENT);
        Self { plane, accounts: [first.0, second.0], projects: [first.1, second.1], keys }
    }

    /// Id and text of a personal access token of a member of the second account.
    async fn token(&self) -> (String, String) {
        let user = json!({ "account_id": self.accounts[1], "email": "ada@example.com", "name": "Ada" });
        let user = text(&self.plane.post("/v1/users", user).await.json(), "id");
        let token = self.plane.post("/v1/personal_access_tokens", json!({ "user_id": user, "name": "t" })).await.json();
        (text(&token, "id"), text(&token, "key"))
    }

    async fn usage(&self, query: &str) -> Value {
        let answer = self.plane.get(&format!("/v1/usage?{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }

    async fn rows(&self, query: &str) -> Value {
        self.usage(query).await["data"].clone()
    }
}

fn sum(allowed: u32, expired: u32, revoked: u32) -> Value {
    let mut reasons = json!({});
    for (name, count) in [("expired", expired), ("revoked", revoked)] {
        if count > 0 {
            reasons[name] = json!(count);
        }
    }
    json!({ "allowed": allowed, "refused": expired + revoked, "by_reason": reasons })
}

fn with(mut row: Value, fields: Value) -> Value {
    let Value::Object(fields) = fields else { panic!("no object") };
    row.as_object_mut().unwrap().extend(fields);
    row
}

#[tokio::test]
async fn usage_is_added_up_by_what_is_asked_for() {
    let used = Used::new().await;
    let [live, test, other] = used.keys.map(|key| key.to_string());
    let all = used.usage("").await;
    assert_eq!((&all["from"], &all["to"]), (&json!("2025-12-02T00:00:00.000Z"), &json!("2026-01-02T00:00:00.000Z")));
    assert_eq!((&all["data"], &all["next_cursor"]), (&json!([sum(40, 4, 2)]), &json!(null)));
    assert_eq!(
        used.rows("group_by=key").await,
        json!([
            with(sum(25, 2, 1), json!({ "key_id": live })),
            with(sum(10, 0, 0), json!({ "key_id": test })),
            with(sum(5, 2, 1), json!({ "key_id": other })),
        ])
    );
    assert_eq!(
        used.rows("group_by=day,environment&from=2025-12-30").await,
        json!([
            with(sum(10, 0, 0), json!({ "day": "2025-12-30", "environment": "live" })),
            with(sum(20, 4, 2), json!({ "day": "2025-12-31", "environment": "live" })),
            with(sum(10, 0, 0), json!({ "day": "2025-12-31", "environment": "test" })),
        ])
    );
    assert_eq!(
        used.rows("group_by=account,project").await,
        json!([
            with(sum(35, 2, 1), json!({ "account_id": used.accounts[0], "project_id": used.projects[0] })),
            with(sum(5, 2, 1), json!({ "account_id": used.accounts[1], "project_id": used.projects[1] })),
        ])
    );
    assert_eq!(
        used.rows("group_by=reason").await,
        json!([
            { "reason": "allowed", "allowed": 40, "refused": 0 },
            { "reason": "revoked", "allowed": 0, "refused": 2 },
            { "reason": "expired", "allowed": 0, "refused": 4 },
        ])
    );
    assert_eq!(
        used.rows(&format!("group_by=hour&key_id={live}")).await,
        json!([with(sum(15, 2, 1), json!({ "hour": "2025-12-31T23:00:00.000Z" }))]),
        "an hour before midnight, and the last millisecond of it"
    );
    assert_eq!(
        used.rows(&format!("group_by=day,hour&key_id={test}")).await,
        json!([with(sum(10, 0, 0), json!({ "day": "2025-12-31", "hour": "2025-12-31T23:00:00.000Z" }))])
    );
}

#[tokio::test]
async fn usage_is_told_of_what_was_chosen_alone() {
    let used = Used::new().await;
    let [account, _] = &used.accounts;
    for (query, expected) in [
        (format!("account_id={account}"), sum(35, 2, 1)),
        (format!("project_id={}", used.projects[1]), sum(5, 2, 1)),
        (format!("key_id={}", used.keys[1]), sum(10, 0, 0)),
        ("environment=test".to_owned(), sum(10, 0, 0)),
        (format!("account_id={account}&environment=live"), sum(25, 2, 1)),
        (format!("account_id={account}&project_id={}", used.projects[1]), sum(0, 0, 0)),
        ("from=2025-12-31&to=2025-12-31".to_owned(), sum(30, 4, 2)),
        ("from=2025-12-31&to=2025-12-31T00:00:00.001Z".to_owned(), sum(30, 4, 2)),
        ("from=2025-12-30&to=2025-12-31T00:00:00Z".to_owned(), sum(10, 0, 0)),
        ("from=2025-01-01&to=2025-11-30".to_owned(), sum(10, 0, 0)),
    ] {
        assert_eq!(used.rows(&query).await, json!([expected]), "{query}");
    }
    assert_eq!(used.rows("from=2024-01-01&to=2024-12-31&group_by=day").await, json!([]));
}

#[tokio::test]
async fn personal_tokens_count_for_the_account_of_their_user() {
    let used = Used::new().await;
    let (token, _) = used.token().await;
    let token = Id::parse(token.as_bytes()).unwrap();
    send(&used.plane, batch(WORKER, 2, &[(token, NOW - HOUR, &[(Reason::Allowed, 100)])])).await;
    assert_eq!(used.rows(&format!("account_id={}", used.accounts[1])).await, json!([sum(105, 2, 1)]));
    assert_eq!(used.rows(&format!("account_id={}", used.accounts[0])).await, json!([sum(35, 2, 1)]));
    assert_eq!(
        used.rows(&format!("account_id={}&group_by=project", used.accounts[1])).await,
        json!([
            with(sum(100, 0, 0), json!({ "project_id": null })),
            with(sum(5, 2, 1), json!({ "project_id": used.projects[1] })),
        ])
    );
}

#[tokio::test]
async fn a_tenant_sees_the_usage_of_its_own_account_alone() {
    let used = Used::new().await;
    let [first, second] = &used.accounts;
    let (_, token) = used.token().await;
    let body = json!({ "project_id": used.projects[1], "environment": "live", "name": "k", "scopes": ["keyplane:usage:read"] });
    let key = text(&used.plane.post("/v1/keys", body).await.json(), "key");
    for credential in [&token, &key] {
        let own = json!([with(sum(5, 2, 1), json!({ "account_id": second }))]);
        let answer = used.plane.get_as(credential, "/v1/usage?group_by=account").await;
        assert_eq!((answer.status, &answer.json()["data"]), (StatusCode::OK, &own));
        let answer = used.plane.get_as(credential, &format!("/v1/usage?group_by=account&account_id={second}")).await;
        assert_eq!(answer.json()["data"], own);
        for (field, id) in
            [("account_id", first), ("project_id", &used.projects[0]), ("key_id", &used.keys[0].to_string())]
        {
            let answer = used.plane.get_as(credential, &format!("/v1/usage?{field}={id}")).await;
            answer.field(404, "not_found", field);
        }
    }
    let body = json!({ "project_id": used.projects[1], "environment": "live", "name": "k", "scopes": ["keyplane:keys:write"] });
    let other = text(&used.plane.post("/v1/keys", body).await.json(), "key");
    used.plane.get_as(&other, "/v1/usage").await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_long_answer_comes_in_parts_without_gap_or_repetition() {
    let used = Used::new().await;
    let groups = "group_by=day,project,reason,key&from=2025-01-01";
    let whole = used.rows(groups).await;
    assert_eq!(whole.as_array().unwrap().len(), 9);
    for limit in 1..=9 {
        let (mut rows, mut cursor, mut parts) = (Vec::new(), String::new(), 0);
        loop {
            let part = used.usage(&format!("{groups}&limit={limit}{cursor}")).await;
            rows.extend(part["data"].as_array().unwrap().clone());
            parts += 1;
            let Some(next) = part["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
            // What is counted meanwhile moves no row.
            if parts == 1 {
                let key = used.keys[0];
                send(&used.plane, batch(Id([limit; 16]), 1, &[(key, NOW - 60 * DAY, &[(Reason::Allowed, 1)])])).await;
            }
        }
        assert_eq!((json!(rows), parts), (whole.clone(), 9_u8.div_ceil(limit)), "{limit}");
        let mut connection = connect(used.plane.folder.path()).await;
        sqlx::query("DELETE FROM usage_daily WHERE day = ?")
            .bind(i64::try_from(NOW / DAY - 60).unwrap())
            .execute(&mut connection)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_refused_by_its_parameter() {
    let used = Used::new().await;
    let cursor = text(&used.usage("group_by=key&limit=1").await, "next_cursor");
    for (query, field) in [
        ("group_by=keys".to_owned(), "group_by"),
        ("group_by=key,".to_owned(), "group_by"),
        ("from=soon".to_owned(), "from"),
        ("to=2025-13-01".to_owned(), "to"),
        ("from=2025-12-31&to=2025-12-30".to_owned(), "from"),
        ("from=2025-12-31T10:00:00Z&to=2025-12-31T10:00:00Z".to_owned(), "from"),
        ("from=2027-01-01".to_owned(), "from"),
        ("to=1970-01-01T00:00:00Z".to_owned(), "from"),
        ("group_by=hour&from=2025-12-17".to_owned(), "from"),
        ("limit=0".to_owned(), "limit"),
        ("limit=1001".to_owned(), "limit"),
        ("environment=prod".to_owned(), "environment"),
        ("account_id=7".to_owned(), "account_id"),
        ("cursor=u1".to_owned(), "cursor"),
        (format!("cursor={cursor}"), "cursor"),
        (format!("cursor={cursor}&group_by=day"), "cursor"),
        (format!("cursor={cursor}0&group_by=key"), "cursor"),
    ] {
        used.plane.get(&format!("/v1/usage?{query}")).await.field(400, "invalid_query", field);
    }
    assert_eq!(used.plane.get("/v1/usage?group_by=hour&from=2025-12-18").await.status, StatusCode::OK);
    used.plane.get("/v1/usage?day=1").await.problem(400, "invalid_query");
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    for field in ["account_id", "project_id", "key_id"] {
        used.plane.get(&format!("/v1/usage?{field}={unknown}")).await.field(404, "not_found", field);
    }
}

#[tokio::test]
async fn a_year_of_a_busy_key_stays_small() {
    let plane = ControlPlane::start().await;
    let key = crate::usage::new_key(&plane).await;
    let counts: Counts = &[(Reason::Allowed, 100_000), (Reason::Expired, 7), (Reason::Disabled, 1)];
    // Used in each hour of a year, and swept each day.
    for day in 0..365 {
        plane.clock.advance(Duration::from_hours(24));
        let now = plane.app.now().unsigned_millis();
        let hours: Vec<_> = (0..24).map(|hour| (key, now - hour * HOUR, counts)).collect();
        assert_eq!(send(&plane, batch(WORKER, day + 1, &hours)).await.status, StatusCode::NO_CONTENT);
        sweep(&plane.app).await.unwrap();
    }
    let mut connection = connect(plane.folder.path()).await;
    let mut number =
        async |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut connection).await.unwrap();
    let (days, hours) =
        (number("SELECT count(*) FROM usage_daily").await, number("SELECT count(*) FROM usage_hourly").await);
    assert!(days <= 366 * 3 && hours <= (14 * 24 + 1) * 3, "{days} rows of days, {hours} of hours");
    let bytes =
        number("SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'usage_daily%' OR name LIKE 'usage_hourly%'").await;
    assert!(bytes <= 128 * 1024, "{bytes} bytes with their indexes");
    // And nothing of it is lost.
    let answer = plane.get("/v1/usage?group_by=day&from=2026-01-01&limit=1000").await.json();
    let rows = answer["data"].as_array().unwrap();
    let allowed: u64 = rows.iter().map(|row| row["allowed"].as_u64().unwrap()).sum();
    assert_eq!(allowed, 365 * 24 * 100_000);
    assert_eq!(rows.iter().map(|row| text(row, "day")).collect::<BTreeSet<_>>().len(), rows.len());
}
