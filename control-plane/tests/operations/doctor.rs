//! The doctor finds what is wrong and says what to do.

use crate::fixture::{ADMIN_KEY, Server, command, done, keyplane, refused, sql, text};
use serde_json::Value;
use sqlx::Connection as _;
use std::path::Path;
use std::process::Output;

fn checkup(folder: &Path, listen: &str, sync: &str) -> Output {
    let arguments = ["doctor", "--data-dir", text(folder), "--listen", listen, "--sync-listen", sync, "--json"];
    command(&arguments).env("KEYPLANE_API_KEY", ADMIN_KEY).output().unwrap()
}

fn level(output: &Output, check: &str) -> String {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"] == true, output.status.success());
    let mut checks = report["checks"].as_array().unwrap().iter();
    let found = checks.find(|found| found["check"] == check).unwrap_or_else(|| panic!("no {check}: {report}"));
    found["level"].as_str().unwrap().to_owned()
}

#[test]
fn a_healthy_server_passes_and_no_secret_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let output = checkup(folder.path(), &server.management, &server.sync);
    let said = done(&output);
    for check in ["database", "disk", "clock", "tokens", "listen", "sync_listen"] {
        assert_eq!(level(&output, check), "ok", "{said}");
    }
    // The server was asked, and knows of none.
    assert_eq!(level(&output, "proxies"), "warn", "{said}");
    assert!(!said.contains(ADMIN_KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let any = "127.0.0.1:0";
    let none = checkup(&folder.path().join("nowhere"), any, any);
    assert_eq!(level(&none, "database"), "fail");
    assert!(refused(&none).contains("1 of 7 checks failed"));

    done(&keyplane(&["init", "--data-dir", text(folder.path())]));
    let database = folder.path().join("keyplane.db");
    let mut connection = sql(&database).await;
    sqlx::query("INSERT INTO audit (at, actor_kind, action, object_kind, detail) VALUES (9999999999999, 'system', 'x.y', 'x', '{}')")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::query("UPDATE proxy_tokens SET revoked_at = 1").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let somebody = std::net::TcpListener::bind(any).unwrap();
    let taken = somebody.local_addr().unwrap().to_string();
    std::thread::spawn(move || while somebody.accept().is_ok() {});
    let output = checkup(folder.path(), any, &taken);
    for (check, expected) in
        [("database", "ok"), ("clock", "fail"), ("tokens", "fail"), ("listen", "warn"), ("sync_listen", "fail")]
    {
        assert_eq!(level(&output, check), expected, "{check}");
    }
    assert_eq!(level(&output, "proxies"), "skip");

    let mut bytes = std::fs::read(&database).unwrap();
    let length = bytes.len();
    bytes.truncate(length / 2);
    std::fs::write(&database, bytes).unwrap();
    assert_eq!(level(&checkup(folder.path(), any, any), "database"), "fail");
}
