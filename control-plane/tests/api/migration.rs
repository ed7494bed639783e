//! A database that an older release wrote opens, and all that was in it still works.

use crate::store::connect;
use crate::support::{ControlPlane, START, secret, text};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use keyplane::domain::secret::{ADMIN_PREFIX, PROXY_PREFIX, Secret};
use keyplane::store::DATABASE_FILE;
use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{KeyState, Page, Record};
use serde_json::json;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use std::borrow::Cow;
use std::path::Path;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Digests of the released migrations: a database remembers which text made it, and refuses another.
const RELEASED: [&str; 3] = [
    "3e72a3050bed7e4d4798108cad7c27a1c0b78a1d357f3fb9dc28f8c2880c3c75975e59d30e57543d5fc218cd5ddc98e0",
    "b4c360e9ee25b99678599142e99c8a5de6f6963f2a32cbc7e5c87507f9b0721c66a957c59a23a0f60e4c1e9f3632f20e",
    "60dfbf006a1e48f1eeedda79c3a316044d1dca5cb0b17cbcea5f71725ec6bba217736676ab14ea10c5b323689febf883",
];

/// Ids in the order in which they were made.
fn id(number: u8) -> Id {
    Id([1, 0x9b, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, number])
}

/// A key as a row of schema 1 has it.
struct Row {
    secret: Secret,
    state: KeyState,
    revoked_at: Option<i64>,
    gone_at: Option<i64>,
    policy: Option<i64>,
}

/// Makes a database with the first schema alone, with a row of each kind, as its release wrote them.
async fn write_schema_1(folder: &Path, admin: &Secret, proxy: &Secret, keys: &[Row]) {
    let options = SqliteConnectOptions::new().filename(folder.join(DATABASE_FILE)).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    migrate(&mut connection, 1).await;
    let sql = "PRAGMA application_id = 0x4b504442; PRAGMA journal_mode = WAL;
        INSERT INTO meta VALUES (1, x'019b0000000070008000000000000001', 8, 3, 0);
        INSERT INTO accounts (id, revision, name, status, created_at) VALUES (x'019b0000000070008000000000000002', 1, 'Acme', 'active', 0);
        INSERT INTO projects (id, revision, account, name, prefix_live, prefix_test, created_at)
            VALUES (x'019b0000000070008000000000000003', 2, 1, 'Upload', 'uk_live', 'uk_test', 0);
        INSERT INTO users (id, revision, account, email, name, role, created_at)
            VALUES (x'019b0000000070008000000000000004', 3, 1, 'ann@acme.example', 'Ann', 'owner', 0);
        INSERT INTO policies (revision, scopes, networks) VALUES (4, 'read write', x'');
        INSERT INTO audit (at, actor_kind, action, object_kind, object_id, account, source, detail)
            VALUES (0, 'system', 'key.create', 'key', x'019b000000007000800000000000000a', 1, '127.0.0.1', '{}');
        INSERT INTO usage_workers VALUES (x'019b0000000070008000000000000009', 7, 0)";
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    for (table, number, secret) in [("admin_keys", 5, admin), ("proxy_tokens", 6, proxy)] {
        let sql = format!("INSERT INTO {table} (id, digest, mask, name, created_at) VALUES (?, ?, 'm', 'first', 0)");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id(number).0.to_vec())
            .bind(secret.digest().as_bytes().to_vec())
            .execute(&mut connection)
            .await
            .unwrap();
    }
    for (number, key) in (0_u8..).zip(keys) {
        sqlx::query(
            "INSERT INTO keys (id, revision, digest, mask, project, environment, name, policy, state, created_at, revoked_at, gone_at)
             VALUES (?, ?, ?, ?, 1, 1, 'k', ?, ?, 0, ?, ?)",
        )
        .bind(id(10 + number).0.to_vec())
        .bind(5 + i64::from(number))
        .bind(key.secret.digest().as_bytes().to_vec())
        .bind(key.secret.mask())
        .bind(key.policy)
        .bind(key.state as i64)
        .bind(key.revoked_at)
        .bind(key.gone_at)
        .execute(&mut connection)
        .await
        .unwrap();
    }
    sqlx::query("INSERT INTO usage_daily VALUES (1, 20454, 0, 42)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Brings the schema up to this version.
async fn migrate(connection: &mut SqliteConnection, version: i64) {
    let until = MIGRATIONS.iter().filter(|migration| migration.version <= version).cloned().collect();
    let until = Migrator { migrations: Cow::Owned(until), ..Migrator::DEFAULT };
    until.run_direct(None, connection, false).await.unwrap();
}

/// The same database once the release of the second schema had opened it and written into what that schema added.
async fn write_schema_2(folder: &Path, admin: &Secret, proxy: &Secret, keys: &[Row]) {
    write_schema_1(folder, admin, proxy, keys).await;
    let mut connection = connect(folder).await;
    migrate(&mut connection, 2).await;
    let sql = r#"UPDATE accounts SET external_id = 'org_1', plan = 'team';
        UPDATE keys SET metadata = '{"plan":"pro"}', replaced_by = 2 WHERE no = 1"#;
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The same database once the release of the third schema had opened it.
async fn write_schema_3(folder: &Path, admin: &Secret, proxy: &Secret, keys: &[Row]) {
    write_schema_2(folder, admin, proxy, keys).await;
    let mut connection = connect(folder).await;
    // As every release does: a table that others refer to is made anew.
    sqlx::raw_sql("PRAGMA foreign_keys = OFF").execute(&mut connection).await.unwrap();
    migrate(&mut connection, 3).await;
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_database_of_the_first_schema_is_brought_up_to_date_and_serves() {
    is_brought_up_to_date_and_serves(1).await;
}

#[tokio::test]
async fn a_database_of_the_second_schema_is_brought_up_to_date_and_serves() {
    is_brought_up_to_date_and_serves(2).await;
}

#[tokio::test]
async fn a_database_of_the_third_schema_is_brought_up_to_date_and_serves() {
    is_brought_up_to_date_and_serves(3).await;
}

async fn is_brought_up_to_date_and_serves(schema: u8) {
    let folder = tempfile::tempdir().unwrap();
    let (admin, proxy) = (secret(ADMIN_PREFIX), secret(PROXY_PREFIX));
    let row = |state| Row { secret: secret("uk_live"), state, revoked_at: None, gone_at: None, policy: None };
    let keys = [
        Row { policy: Some(1), ..row(KeyState::Active) },
        row(KeyState::Disabled),
        Row { revoked_at: Some(START), ..row(KeyState::Revoked) },
        Row { revoked_at: Some(1), gone_at: Some(2), ..row(KeyState::Revoked) },
    ];
    match schema {
        1 => write_schema_1(folder.path(), &admin, &proxy, &keys).await,
        2 => write_schema_2(folder.path(), &admin, &proxy, &keys).await,
        _ => write_schema_3(folder.path(), &admin, &proxy, &keys).await,
    }
    let plane = ControlPlane::open(folder, admin, proxy).await;

    // Nothing is lost, and what is new has its default.
    let account = plane.get(&format!("/v1/accounts/{}", id(2))).await.json();
    assert_eq!((&account["name"], &account["status"]), (&json!("Acme"), &json!("active")));
    let (external_id, plan, metadata) = if schema == 1 {
        (json!(null), "enterprise", json!({}))
    } else {
        (json!("org_1"), "team", json!({ "plan": "pro" }))
    };
    assert_eq!((&account["external_id"], text(&account, "plan")), (&external_id, plan.to_owned()));
    let listed = plane.get("/v1/keys").await.json();
    let statuses: Vec<_> = listed["data"].as_array().unwrap().iter().map(|key| text(key, "status")).collect();
    assert_eq!(statuses, ["revoked", "revoked", "disabled", "active"]);
    assert_eq!((&listed["data"][3]["scopes"], &listed["data"][3]["metadata"]), (&json!(["read", "write"]), &metadata));
    assert_eq!(listed["data"][3]["key_prefix"], keys[0].secret.mask());

    // Proxies are told the same as before, and go on from where they were, with what they did not hear yet: the account's name.
    let poll = async |after: u64| {
        let request = plane.sync_request(Method::GET, &format!("/sync/v1/changes?epoch={}&after={after}", id(1)));
        let answer = plane.send_sync(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.bytes
    };
    let bytes = poll(0).await;
    let page = Page::decode(&bytes).unwrap();
    assert_eq!((page.header.epoch, page.header.until, page.header.live), (id(1), 9, 3));
    let digest = |key: &Row| key.secret.digest();
    let told = |page: &Page<'_>| page.records().filter_map(|record| known(&record.unwrap())).collect::<Vec<_>>();
    assert_eq!(told(&page), keys[..3].iter().map(|key| (digest(key), Some(key.state))).collect::<Vec<_>>());
    let bytes = poll(7).await;
    let page = Page::decode(&bytes).unwrap();
    assert_eq!(told(&page), [(digest(&keys[3]), None)]);
    let Some(Ok(Record::Account(account))) = page.records().last() else { panic!("no account") };
    assert_eq!((account.revision, account.name), (9, "Acme"));
    assert_eq!(json!(account.external_id), if schema == 1 { json!("") } else { external_id });

    // It can be written to: the next revision is the next number.
    let path = format!("/v1/keys/{}", id(11));
    assert_eq!(plane.patch(&path, json!({ "enabled": true })).await.json()["status"], "active");
    plane.key(&id(3).to_string(), "test", "new").await;
    let bytes = poll(9).await;
    let page = Page::decode(&bytes).unwrap();
    assert_eq!((page.header.after, page.header.until, page.header.live), (9, 11, 4));

    let mut connection = connect(plane.folder.path()).await;
    let check = sqlx::query("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(check.get::<String, _>(0), "ok");
    assert!(sqlx::query("PRAGMA foreign_key_check").fetch_optional(&mut connection).await.unwrap().is_none());
    assert_eq!(count(&mut connection, "SELECT count FROM usage_daily WHERE key = 1").await, 42);
    assert_eq!(count(&mut connection, "SELECT count(*) FROM audit WHERE at = 0").await, 1);
}

async fn count(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

/// What a record says of a key: its state, or that it is gone.
fn known(record: &Record<'_>) -> Option<(Digest, Option<KeyState>)> {
    match record {
        Record::Key(key) => Some((key.digest, Some(key.state))),
        Record::Gone(gone) => Some((gone.digest, None)),
        _ => None,
    }
}

#[test]
fn a_released_migration_never_changes() {
    for (migration, released) in MIGRATIONS.iter().zip(RELEASED) {
        let found = migration.checksum.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert_eq!(
            found, released,
            "{} {}: what is released stays; add another",
            migration.version, migration.description
        );
    }
}
