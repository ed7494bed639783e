//! Backups are whole, restores begin a new history, and what is no backup changes nothing.

use crate::fixture::{Server, done, keyplane, refused, sql, text};
use keyplane_contract::sync::Page;
use serde_json::Value;
use sqlx::{Connection as _, Row as _};
use std::path::Path;

async fn state(database: &Path) -> (Vec<u8>, i64) {
    let mut connection = sql(database).await;
    let row = sqlx::query("SELECT epoch, revision FROM meta").fetch_one(&mut connection).await.unwrap();
    let found: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(found, "ok");
    connection.close().await.unwrap();
    (row.get(0), row.get(1))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_server_restores_as_a_new_history_at_its_revision() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy, restored) = (folder.path().join("data"), folder.path().join("copy.db"), folder.path().join("new"));
    let server = Server::start(&data);
    let before = server.issue("before");
    let told: Value =
        serde_json::from_str(&done(&keyplane(&["backup", "--data-dir", text(&data), "--to", text(&copy), "--json"])))
            .unwrap();
    let after = server.issue("after");
    assert_eq!(server.call("GET", &format!("/v1/keys/{after}"), None).status, 200, "the server goes on");
    assert!(!Page::decode(&server.snapshot()).unwrap().header.shrink_allowed);
    drop(server);

    let (epoch, revision) = state(&copy).await;
    assert_eq!(told["revision"], revision);
    done(&keyplane(&["restore", "--from", text(&copy), "--data-dir", text(&restored)]));
    let (new_epoch, new_revision) = state(&restored.join("keyplane.db")).await;
    assert_ne!(new_epoch, epoch);
    assert_eq!(new_revision, revision);

    let server = Server::start(&restored);
    assert_eq!(server.call("GET", &format!("/v1/keys/{before}"), None).status, 200);
    assert_eq!(server.call("GET", &format!("/v1/keys/{after}"), None).status, 404);
    // Proxies must take it even if it has far fewer keys than they know.
    let page = server.snapshot();
    let header = Page::decode(&page).unwrap().header;
    assert!(header.shrink_allowed && header.last && header.live == 1);
    // The history goes on: new rows find free revisions and numbers.
    server.issue("later");
    drop(server);
    let mut connection = sql(&restored.join("keyplane.db")).await;
    let entries: i64 = sqlx::query_scalar("SELECT count(*) FROM audit WHERE action = 'database.restore'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(entries, 1);
}

#[cfg(unix)]
#[test]
fn a_backup_is_for_its_owner_only_and_overwrites_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy.db"));
    done(&keyplane(&["init", "--data-dir", text(&data)]));
    let backup = || keyplane(&["backup", "--data-dir", text(&data), "--to", text(&copy)]);
    done(&backup());
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let first = std::fs::read(&copy).unwrap();
    let said = refused(&backup());
    assert!(said.contains("exists already"), "{said}");
    assert_eq!(std::fs::read(&copy).unwrap(), first);
    assert_eq!(names(folder.path()), ["copy.db", "data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_backup_is_refused_and_the_database_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (data, good) = (folder.path().join("data"), folder.path().join("good.db"));
    let server = Server::start(&data);
    for name in 0..40 {
        server.issue(&format!("key {name}"));
    }
    done(&keyplane(&["backup", "--data-dir", text(&data), "--to", text(&good)]));

    let restore = |from: &Path| {
        let said = refused(&keyplane(&["restore", "--from", text(from), "--data-dir", text(&data), "--replace"]));
        assert!(said.lines().count() == 1, "{said}");
        said
    };
    let said = restore(&good);
    assert!(said.contains("another keyplane process"), "a running server keeps its database: {said}");
    drop(server);
    // Folds the log of the killed server away, so that the file can be compared.
    let before = state(&data.join("keyplane.db")).await;
    let bytes = std::fs::read(data.join("keyplane.db")).unwrap();

    let said = restore(&folder.path().join("nowhere.db"));
    assert!(said.contains("there is no backup"), "{said}");

    let other = folder.path().join("other.db");
    std::fs::write(&other, "x".repeat(9000)).unwrap();
    let said = restore(&other);
    assert!(said.contains("other.db is not a keyplane database"), "{said}");
    std::fs::write(&other, "").unwrap();
    let said = restore(&other);
    assert!(said.contains("other.db is not a keyplane database"), "{said}");

    let newer = folder.path().join("newer.db");
    std::fs::copy(&good, &newer).unwrap();
    let mut connection = sql(&newer).await;
    sqlx::query("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let said = restore(&newer);
    assert!(said.contains("newer.db has schema version 9999"), "{said}");

    let damaged = folder.path().join("damaged.db");
    let whole = std::fs::read(&good).unwrap();
    for (place, what) in [(whole.len() / 2, "cut off"), (4096 * 4, "cut early")] {
        std::fs::write(&damaged, &whole[..place]).unwrap();
        let said = restore(&damaged);
        assert!(said.contains("damaged.db is damaged") && !said.contains("restoring"), "{what}: {said}");
    }
    let mut scribbled = whole.clone();
    // All pages but the first few: some of them hold rows.
    let end = scribbled.len();
    scribbled[4096 * 3..end].iter_mut().step_by(7).for_each(|byte| *byte ^= 0x5a);
    std::fs::write(&damaged, &scribbled).unwrap();
    let said = restore(&damaged);
    assert!(said.contains("damaged.db"), "{said}");

    let by_hand = folder.path().join("by-hand.db");
    std::fs::copy(&good, &by_hand).unwrap();
    std::fs::write(folder.path().join("by-hand.db-wal"), "a log").unwrap();
    let said = restore(&by_hand);
    assert!(said.contains("copied by hand"), "{said}");

    assert_eq!(std::fs::read(data.join("keyplane.db")).unwrap(), bytes);
    assert_eq!(state(&data.join("keyplane.db")).await, before);
    assert!(
        names(&data).iter().all(|name| !name.contains("restoring") && !name.contains("replaced")),
        "{:?}",
        names(&data)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_replaces_a_database_only_when_told_to_and_keeps_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy.db"));
    let server = Server::start(&data);
    server.issue("before");
    done(&keyplane(&["backup", "--data-dir", text(&data), "--to", text(&copy)]));
    let lost = server.issue("after");
    // Killed: the last changes are in the log only.
    drop(server);

    let restore = ["restore", "--from", text(&copy), "--data-dir", text(&data)];
    let said = refused(&keyplane(&restore));
    assert!(said.contains("--replace"), "{said}");
    let told = done(&keyplane(&[&restore[..], &["--replace"]].concat()));
    assert!(told.contains("keyplane.db.replaced-1"), "{told}");
    assert_eq!(state(&data.join("keyplane.db")).await.1, state(&copy).await.1);

    // The one before is whole, with what its log held.
    let old = folder.path().join("old");
    std::fs::create_dir(&old).unwrap();
    std::fs::rename(data.join("keyplane.db.replaced-1"), old.join("keyplane.db")).unwrap();
    let server = Server::start(&old);
    assert_eq!(server.call("GET", &format!("/v1/keys/{lost}"), None).status, 200);
}
