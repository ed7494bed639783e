//! The life of a key.

use crate::support::{ControlPlane, text};
use axum::http::StatusCode;
use keyplane_contract::key::KeyParts;
use serde_json::{Value, json};
use std::time::Duration;

/// The fields of the key object, in the order in which people read them.
const FIELDS: [&str; 17] = [
    "id",
    "name",
    "key_prefix",
    "environment",
    "project_id",
    "account_id",
    "scopes",
    "allowed_cidrs",
    "metadata",
    "created_at",
    "expires_at",
    "last_used_at",
    "status",
    "replaced_by",
    "retire_when_idle_hours",
    "revoked_at",
    "revoke_reason",
];

fn without_secret(mut created: Value) -> Value {
    created.as_object_mut().unwrap().remove("key").unwrap();
    created
}

#[tokio::test]
async fn a_new_key_is_answered_with_its_secret_and_its_place() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let body = json!({
        "project_id": project, "environment": "live", "name": "  CI ", "scopes": ["write", "read", "read"],
        "expires_at": "2030-01-15T12:30:00+02:00",
    });
    let answer = plane.post("/v1/keys", body).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let created = answer.json();
    let secret = text(&created, "key");
    let parts = KeyParts::parse(&secret).ok().unwrap();
    assert_eq!(parts.prefix, "uk_live");
    assert_eq!(answer.header("location"), format!("/v1/keys/{}", text(&created, "id")));
    assert_eq!(
        without_secret(created.clone()),
        json!({
            "id": created["id"], "name": "CI", "key_prefix": parts.mask(), "environment": "live",
            "project_id": project, "account_id": account, "scopes": ["read", "write"],
            "created_at": "2026-01-01T00:00:00.000Z", "expires_at": "2030-01-15T10:30:00.000Z",
            "last_used_at": null, "status": "active", "replaced_by": null, "retire_when_idle_hours": null,
            "last_used_at": null, "status": "active", "allowed_cidrs": [], "metadata": {},
            "revoked_at": null, "revoke_reason": null,
        })
    );
    let read = plane.get(&format!("/v1/keys/{}", text(&created, "id"))).await;
    assert_eq!(read.json(), without_secret(created));
    let mut found: Vec<_> = read.json().as_object().unwrap().keys().cloned().collect();
    let mut fields = FIELDS.map(str::to_owned).to_vec();
    found.sort();
    fields.sort();
    assert_eq!(found, fields);
}

#[tokio::test]
async fn the_environment_decides_the_prefix() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    assert!(text(&plane.key(&project, "test", "t").await, "key").starts_with("uk_test_"));
}

#[tokio::test]
async fn the_secret_leaves_once_and_is_not_in_the_database() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let created = plane.key(&project, "live", "CI").await;
    let (id, secret) = (text(&created, "id"), text(&created, "key"));
    let path = format!("/v1/keys/{id}");
    let answers = [
        plane.get(&path).await,
        plane.get("/v1/keys").await,
        plane.patch(&path, json!({ "name": "other" })).await,
        plane.delete(&path).await,
    ];
    // The part that nobody may see, so that a shortened secret is found too.
    let hidden = &secret.as_bytes()[12..secret.len() - 4];
    for answer in answers {
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!contains(&answer.bytes, hidden), "{answer:?}");
    }
    let mut files = 0;
    for file in std::fs::read_dir(plane.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for secret in [hidden, plane.admin.expose().as_bytes(), plane.proxy.expose().as_bytes()] {
            assert!(!contains(&bytes, secret));
        }
        files += 1;
    }
    assert!(files >= 2, "the database and its log were searched");
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn revoking_twice_changes_nothing_the_second_time() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let id = text(&plane.key(&project, "live", "CI").await, "id");
    let path = format!("/v1/keys/{id}");
    let first = plane.delete(&path).await;
    assert_eq!((first.status, text(&first.json(), "status")), (StatusCode::OK, "revoked".to_owned()));
    let revision = *plane.app.store.head().borrow();
    plane.clock.advance(Duration::from_secs(5));
    let second = plane.delete(&path).await;
    assert_eq!((second.status, second.json()), (StatusCode::OK, first.json()));
    assert_eq!(*plane.app.store.head().borrow(), revision);
    assert_eq!(plane.get(&path).await.json(), first.json());
}

#[tokio::test]
async fn a_rename_changes_the_name_and_nothing_else() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let created = without_secret(plane.key(&project, "live", "old").await);
    let revision = *plane.app.store.head().borrow();
    let path = format!("/v1/keys/{}", text(&created, "id"));
    let renamed = plane.patch(&path, json!({ "name": " new " })).await;
    let mut expected = created;
    expected["name"] = json!("new");
    assert_eq!((renamed.status, renamed.json()), (StatusCode::OK, expected.clone()));
    assert_eq!(plane.get(&path).await.json(), expected);
    assert_eq!(*plane.app.store.head().borrow(), revision, "proxies know no names");
}

#[tokio::test]
async fn a_key_says_that_it_expired_from_its_end_on() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let body = json!({
        "project_id": project, "environment": "live", "name": "CI", "expires_at": "2026-01-01T00:00:10Z",
    });
    let id = text(&plane.post("/v1/keys", body).await.json(), "id");
    let path = format!("/v1/keys/{id}");
    plane.clock.advance(Duration::from_millis(9_999));
    assert_eq!(plane.get(&path).await.json()["status"], "active");
    plane.clock.advance(Duration::from_millis(1));
    assert_eq!(plane.get(&path).await.json()["status"], "expired");
}

#[tokio::test]
async fn accounts_and_projects_read_back_as_they_were_made() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    assert_eq!(
        plane.get(&format!("/v1/accounts/{account}")).await.json(),
        json!({
            "id": account, "name": "Acme", "plan": "enterprise", "status": "active", "external_id": null,
            "created_at": "2026-01-01T00:00:00.000Z",
        })
    );
    assert_eq!(
        plane.get(&format!("/v1/projects/{project}")).await.json(),
        json!({
            "id": project, "account_id": account, "name": "Upload",
            "prefixes": { "live": "uk_live", "test": "uk_test" }, "created_at": "2026-01-01T00:00:00.000Z",
        })
    );
}

#[tokio::test]
async fn an_id_that_names_nothing_is_not_found() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    for path in ["accounts", "projects", "keys"] {
        for id in [unknown, "7", "01890A5D-AC96-774B-BCCE-B302099A8057", "%00", account.as_str()] {
            if path != "accounts" || id != account {
                plane.get(&format!("/v1/{path}/{id}")).await.problem(404, "not_found");
            }
        }
    }
    plane.get(&format!("/v1/keys/{project}")).await.problem(404, "not_found");
    plane.delete(&format!("/v1/keys/{unknown}")).await.problem(404, "not_found");
    plane.patch(&format!("/v1/keys/{unknown}"), json!({ "name": "n" })).await.problem(404, "not_found");
    let key = json!({ "project_id": unknown, "environment": "live", "name": "n" });
    plane.post("/v1/keys", key).await.field(404, "not_found", "project_id");
    let prefixes = json!({ "live": "a", "test": "b" });
    let new = json!({ "account_id": unknown, "name": "n", "prefixes": prefixes });
    plane.post("/v1/projects", new).await.field(404, "not_found", "account_id");
    plane.get(&format!("/v1/keys?project_id={unknown}")).await.field(404, "not_found", "project_id");
    plane.get(&format!("/v1/projects?account_id={unknown}")).await.field(404, "not_found", "account_id");
}
