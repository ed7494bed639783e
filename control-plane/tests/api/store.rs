//! The database file.

use crate::support::{ControlPlane, START, make_database, text};
use keyplane::domain::account::Account;
use keyplane::domain::audit::Origin;
use keyplane::domain::id::{AccountId, ProjectId};
use keyplane::domain::metadata::Metadata;
use keyplane::domain::name::Name;
use keyplane::domain::networks::Networks;
use keyplane::domain::random::SystemRandom;
use keyplane::domain::scope::Scopes;
use keyplane::domain::time::Time;
use keyplane::service::create_account::{NewAccount, create_account};
use keyplane::service::create_key::{NewKey, Terms, create_key};
use keyplane::service::initialize::{FirstCredentials, initialize};
use keyplane::store::{DATABASE_FILE, DataDir, NewAccountRow, OpenError};
use keyplane_contract::id::Id;
use keyplane_contract::sync::{Environment, Record};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use std::path::Path;
use std::time::Duration;

pub async fn connect(folder: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(folder.join(DATABASE_FILE)).connect().await.unwrap()
}

fn new(name: Name) -> NewAccount {
    NewAccount { name, plan: None, external_id: None }
}

fn row(id: AccountId, name: &str) -> NewAccountRow {
    let (name, plan) = (Name::parse(name).unwrap(), "enterprise".to_owned());
    NewAccountRow { id, name, plan, external_id: None, created_at: Time::from_millis(START) }
}

async fn refused(folder: &Path) -> String {
    DataDir::lock_existing(folder).unwrap().open().await.err().expect("the database is refused").to_string()
}

#[tokio::test]
async fn a_database_of_a_newer_schema_is_refused_by_version_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    make_database(folder.path()).await;
    let mut connection = connect(folder.path()).await;
    sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'x', 1, x'00', 0)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(folder.path().join(DATABASE_FILE)).unwrap();
    let message = refused(folder.path()).await;
    assert!(message.contains("schema version 999") && message.contains("up to 6;"), "{message}");
    assert!(!message.contains('\n'));
    assert_eq!(std::fs::read(folder.path().join(DATABASE_FILE)).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_keyplane_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(DATABASE_FILE);
    let text = b"These are somebody's notes, longer than the header of a database file would be. ".repeat(20);
    std::fs::write(&path, &text).unwrap();
    assert!(refused(folder.path()).await.ends_with("is not a keyplane database"));
    assert_eq!(std::fs::read(&path).unwrap(), text);

    std::fs::remove_file(&path).unwrap();
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::query("CREATE TABLE notes (text TEXT)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(refused(folder.path()).await.ends_with("is not a keyplane database"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_second_instance_on_the_same_folder_is_refused() {
    let plane = ControlPlane::start().await;
    let error = DataDir::lock_existing(plane.folder.path()).err().unwrap();
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
    assert!(error.to_string().contains("another keyplane process"), "{error}");
}

#[tokio::test]
async fn a_database_is_never_made_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let (admin, _) = make_database(folder.path()).await;
    let before = std::fs::read(folder.path().join(DATABASE_FILE)).unwrap();
    let data_dir = DataDir::create_and_lock(folder.path()).unwrap();
    let first = FirstCredentials { admin_key: admin, proxy_token: None };
    let error = initialize(&data_dir, Time::from_millis(START), &SystemRandom, &first).await.unwrap_err();
    assert!(error.to_string().ends_with("exists already; nothing was changed"), "{error}");
    assert_eq!(std::fs::read(folder.path().join(DATABASE_FILE)).unwrap(), before);
}

#[tokio::test]
async fn a_making_that_was_cut_off_leaves_no_database_and_can_be_done_again() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["keyplane.db.new", "keyplane.db.new-wal", "keyplane.db.new-shm"] {
        std::fs::write(folder.path().join(name), b"half").unwrap();
    }
    assert!(matches!(DataDir::lock_existing(folder.path()).err().unwrap(), OpenError::Missing(_)));
    make_database(folder.path()).await;
    let store = DataDir::lock_existing(folder.path()).unwrap().open().await.unwrap();
    store.ping().await.unwrap();
    store.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b");
    make_database(&folder).await;
    let store = DataDir::lock_existing(&folder).unwrap().open().await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    store.close().await;
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    make_database(folder.path()).await;
    let open = async || DataDir::lock_existing(folder.path()).unwrap().open().await.unwrap();
    let store = open().await;
    let (epoch, id) = (store.epoch(), AccountId::generate(Time::from_millis(START), &SystemRandom).unwrap());
    let mut tx = store.write().await.unwrap();
    let account: Account = tx.insert_account(row(id, "Acme")).await.unwrap();
    tx.commit().await.unwrap();
    let mut dropped = store.write().await.unwrap();
    let other = AccountId::generate(Time::from_millis(START), &SystemRandom).unwrap();
    dropped.insert_account(row(other, "Never")).await.unwrap();
    drop(dropped);
    store.close().await;
    drop(store);

    let store = open().await;
    assert_eq!((store.epoch(), *store.head().borrow()), (epoch, 1));
    assert_eq!(store.account(id).await.unwrap(), Some(account));
    assert_eq!(store.account(other).await.unwrap(), None, "what was not committed left no trace");
    store.close().await;
}

#[tokio::test]
async fn two_histories_have_two_epochs() {
    let (first, second) = (ControlPlane::start().await, ControlPlane::start().await);
    assert_ne!(first.app.store.epoch(), second.app.store.epoch());
}

#[tokio::test]
async fn changes_at_the_same_time_take_a_revision_each() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let tasks = (0..40).map(|number| {
        let (app, project) = (plane.app.clone(), project.clone());
        tokio::spawn(async move {
            let name = Name::parse(&format!("{number} {project}")).unwrap();
            create_account(&app, &Origin::SYSTEM, new(name)).await.unwrap().commit().await.unwrap();
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(*plane.app.store.head().borrow(), 42);
    let changes = plane.app.store.changes(0, 1000).await.unwrap();
    let revisions: Vec<_> = changes.rows.iter().map(|row| row.record().revision()).collect();
    assert_eq!(revisions, (1..=42).collect::<Vec<_>>());
}

#[tokio::test]
async fn two_hundred_creations_at_once_share_commits_and_one_that_fails_or_leaves_harms_none() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        // Every tenth names no project, and every tenth caller has gone before its turn comes or in the midst of it.
        let (app, whose) = (plane.app.clone(), if number % 10 == 3 { &account } else { &project });
        let new = NewKey {
            project_id: ProjectId::parse(whose).unwrap(),
            environment: Environment::Live,
            terms: Terms {
                name: Name::parse(&number.to_string()).unwrap(),
                scopes: Scopes::parse(&[format!("scope:{}", number % 7)]).unwrap(),
                networks: Networks::default(),
                expires_at: None,
                metadata: Metadata::default(),
            },
        };
        tasks.spawn(async move {
            let work = async { create_key(&app, &Origin::SYSTEM, new).await?.commit().await };
            if number % 10 == 7 {
                let _ = tokio::time::timeout(Duration::from_micros(number * 50), work).await;
                return None;
            }
            work.await.ok().map(|created| created.key.id.0)
        });
    }
    let mut acknowledged: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(acknowledged.len(), 160);

    // Revisions are distinct and ordered, and the count is right: proxies can miss nothing.
    let changes = plane.app.store.changes(0, 10_000).await.unwrap();
    let revisions: Vec<_> = changes.rows.iter().map(|row| row.record().revision()).collect();
    assert_eq!(revisions, (1..=changes.head).collect::<Vec<_>>());
    assert_eq!(*plane.app.store.head().borrow(), changes.head);
    let mut fed: Vec<_> = changes.rows.iter().filter_map(|row| fed_key(row.record())).collect();
    assert_eq!(fed.len() as u64, changes.live);
    fed.sort_unstable();
    acknowledged.sort_unstable();
    assert!(acknowledged.iter().all(|id| fed.binary_search(id).is_ok()));
    // A key that is there is in the audit log, and the other way round.
    let mut connection = connect(plane.folder.path()).await;
    let audited: i64 = sqlx::query_scalar("SELECT count(*) FROM audit JOIN keys ON keys.id = object_id")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(audited.unsigned_abs(), changes.live);
    let writes = plane.app.store.writes();
    assert!(writes.operations >= 162 && writes.commits < writes.operations, "{writes:?}");
}

fn fed_key(record: Record<'_>) -> Option<Id> {
    match record {
        Record::Key(key) => Some(key.id),
        _ => None,
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_all_or_nothing_and_what_is_stored_is_announced() {
    let plane = ControlPlane::start().await;
    plane.project().await;
    for micros in (0..4_000).step_by(50) {
        let name = Name::parse("a").unwrap();
        let work = async { create_account(&plane.app, &Origin::SYSTEM, new(name)).await?.commit().await };
        let _ = tokio::time::timeout(Duration::from_micros(micros), work).await;
    }
    // The writer is free again, and what was cut off while it was committing has ended.
    let last = create_account(&plane.app, &Origin::SYSTEM, new(Name::parse("last").unwrap())).await.unwrap();
    last.commit().await.unwrap();
    let changes = plane.app.store.changes(0, 10_000).await.unwrap();
    assert_eq!(*plane.app.store.head().borrow(), changes.head);
    let mut connection = connect(plane.folder.path()).await;
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM audit WHERE action = 'account.create'),
                (SELECT revision FROM meta), (SELECT count(*) FROM projects)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    let count = |column: usize| row.get::<i64, _>(column);
    assert_eq!(count(0), count(1), "one audit entry for each account");
    assert_eq!(count(0) + count(3), count(2), "one revision for each row");
}

#[tokio::test]
async fn every_change_is_in_the_audit_log_with_its_actor_and_no_secret() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let created = plane.key(&project, "live", "k").await;
    let path = format!("/v1/keys/{}", text(&created, "id"));
    let renamed = plane.patch(&path, json!({ "name": "other" })).await;
    plane.patch(&path, json!({ "name": "other" })).await;
    plane.delete(&path).await;
    plane.delete(&path).await;
    plane.post("/v1/keys", json!({ "project_id": account, "environment": "live", "name": "n" })).await;

    let mut connection = connect(plane.folder.path()).await;
    let rows =
        sqlx::query("SELECT action, actor_kind, lower(hex(request_id)) AS request, detail FROM audit ORDER BY no")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let actions: Vec<(String, String)> = rows.iter().map(|row| (row.get("action"), row.get("actor_kind"))).collect();
    let expected = [
        ("database.initialize", "system"),
        ("admin_key.create", "system"),
        ("proxy_token.create", "system"),
        ("account.create", "admin_key"),
        ("project.create", "admin_key"),
        ("key.create", "admin_key"),
        ("key.rename", "admin_key"),
        ("key.revoke", "admin_key"),
    ];
    assert_eq!(actions, expected.map(|(action, actor)| (action.to_owned(), actor.to_owned())));
    assert_eq!(rows[6].get::<String, _>("request"), renamed.header("x-request-id").replace('-', ""));
    assert_eq!(rows[6].get::<String, _>("detail"), r#"{"from":"k","to":"other"}"#);
    for row in &rows {
        assert!(!row.get::<String, _>("detail").contains(&text(&created, "key")));
    }
    assert!(sqlx::query("UPDATE audit SET action = 'x'").execute(&mut connection).await.is_err());
}
