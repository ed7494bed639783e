//! The audit log: who did what to which object, from where, when.

use crate::calls::{Call, Tenant, operations};
use crate::store::connect;
use crate::support::{Answer, ControlPlane, text};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

const LINES: (&str, &str) = ("accept", "application/x-ndjson");

async fn get(plane: &ControlPlane, key: &str, query: &str, header: Option<(&str, &str)>) -> Answer {
    let request = Request::builder().uri(format!("/v1/audit{query}")).header("x-api-key", key);
    let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    plane.send(request.body(Body::empty()).unwrap()).await
}

/// Entries that fit, newest first.
async fn entries(plane: &ControlPlane, query: &str) -> Vec<Value> {
    let answer = get(plane, plane.admin.expose(), query, None).await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {answer:?}");
    answer.json()["data"].as_array().unwrap().clone()
}

async fn actions(plane: &ControlPlane, query: &str) -> Vec<String> {
    entries(plane, query).await.iter().map(|entry| text(entry, "action")).collect()
}

fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/x-ndjson"), "{answer:?}");
    let text = std::str::from_utf8(&answer.bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every operation that changes something writes down who, from where and by which request.
#[tokio::test]
async fn each_change_of_each_operation_is_in_the_log_with_actor_source_and_request_and_no_secret() {
    let plane = ControlPlane::start().await;
    let tenant = Tenant::make(&plane).await;
    let admin = text(&plane.get("/v1/me").await.json(), "id");
    let mut secrets = vec![plane.admin.expose().to_owned(), plane.proxy.expose().to_owned()];
    let mut seen = 0;
    for (number, operation) in operations().into_iter().filter(|operation| operation.method != Method::GET).enumerate()
    {
        let call = Call::of(&operation, &plane, &tenant).await;
        let id = format!("01890a5d-ac96-774b-bcce-b30209900{number:03}");
        let newest = text(&entries(&plane, "?limit=1").await[0], "id");
        let mut request = call.request(&[("x-api-key", plane.admin.expose()), ("x-request-id", &id)]);
        request.extensions_mut().insert(ConnectInfo("192.0.2.7:4711".parse::<SocketAddr>().unwrap()));
        let answer = plane.send(request).await;
        assert_eq!(answer.status.as_u16(), operation.success, "{}: {answer:?}", operation.id);
        let changed = answer.json();
        secrets.extend(changed["key"].as_str().map(str::to_owned));

        let all = entries(&plane, "").await;
        let new: Vec<_> = all.iter().take_while(|entry| text(entry, "id") != newest).collect();
        assert!(!new.is_empty(), "{} is not in the log", operation.id);
        for entry in &new {
            assert_eq!(entry["request_id"], id, "{}: {entry}", operation.id);
            assert_eq!(entry["actor"], json!({ "kind": "admin_key", "id": admin }), "{}", operation.id);
            assert_eq!(entry["source"], "192.0.2.7", "{}", operation.id);
            assert_eq!(entry["at"], "2026-01-01T00:00:00.000Z");
            assert!(text(entry, "action").starts_with(entry["object"]["kind"].as_str().unwrap()));
        }
        let objects: BTreeSet<_> = new.iter().map(|entry| text(&entry["object"], "id")).collect();
        assert!(objects.contains(&text(&changed, "id")), "{}: {objects:?}", operation.id);
        seen += 1;
    }
    assert!(seen >= 18, "{seen} operations change something");
    let log = get(&plane, plane.admin.expose(), "", Some(LINES)).await;
    let log = std::str::from_utf8(&log.bytes).unwrap();
    for secret in secrets {
        assert!(!log.contains(&secret[12..secret.len() - 4]));
    }
}

#[tokio::test]
async fn a_refused_or_idle_request_writes_nothing() {
    let plane = ControlPlane::start().await;
    let path = format!("/v1/admin_keys/{}", text(&plane.get("/v1/me").await.json(), "id"));
    let before = entries(&plane, "").await.len();
    plane.delete(&path).await.problem(409, "last_admin_key");
    plane.patch(&path, json!({ "name": "first" })).await;
    plane.post("/v1/accounts", json!({})).await.problem(422, "invalid_request");
    plane.get("/v1/accounts").await;
    assert_eq!(entries(&plane, "").await.len(), before);
}

#[tokio::test]
async fn entries_are_found_by_object_actor_action_account_and_time() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    plane.clock.advance(Duration::from_hours(1));
    let key = text(&plane.key(&project, "live", "k").await, "id");
    let (other, _) = plane.project().await;
    plane.clock.advance(Duration::from_hours(1));
    plane.delete(&format!("/v1/keys/{key}")).await;
    let admin = text(&plane.get("/v1/me").await.json(), "id");

    assert_eq!(actions(&plane, &format!("?object_id={key}")).await, ["key.revoke", "key.create"]);
    let accounts = ["key.revoke", "key.create", "project.create", "account.create"];
    assert_eq!(actions(&plane, &format!("?account_id={account}")).await, accounts);
    assert_eq!(actions(&plane, &format!("?account_id={other}&object_kind=project")).await, ["project.create"]);
    assert_eq!(actions(&plane, &format!("?actor_id={admin}")).await.len(), 6);
    assert_eq!(actions(&plane, &format!("?actor_id={admin}&action=account.create")).await.len(), 2);
    let system = ["proxy_token.create", "admin_key.create", "database.initialize"];
    assert_eq!(actions(&plane, "?actor_kind=system").await, system);
    assert_eq!(actions(&plane, "?from=2026-01-01T02:00:00Z").await, ["key.revoke"]);
    assert_eq!(actions(&plane, "?from=2026-01-01&to=2026-01-01").await.len(), 9, "the whole day");
    assert_eq!(actions(&plane, "?to=2026-01-01T01:00:00Z").await.len(), 5, "before that time, not at it");
    let middle = "?from=2026-01-01T01:00:00Z&to=2026-01-01T02:00:00Z";
    assert_eq!(actions(&plane, middle).await, ["project.create", "account.create", "key.create"]);
    assert_eq!(actions(&plane, &format!("{middle}&account_id={account}")).await, ["key.create"]);
    assert_eq!(actions(&plane, &format!("{middle}&object_id={key}&actor_kind=key")).await, [""; 0]);
    let entry = &entries(&plane, &format!("?object_id={key}&action=key.revoke")).await[0];
    assert_eq!((&entry["account_id"], &entry["detail"]["name"]), (&json!(account), &json!("k")));

    for (query, field) in [
        ("object_id=key", "object_id"),
        ("object_kind=keys", "object_kind"),
        ("actor_kind=admin", "actor_kind"),
        ("action=revoke", "action"),
        ("from=yesterday", "from"),
        ("to=2026-01", "to"),
        ("cursor=c101890a5dac96774bbcceb302099a8057", "cursor"),
        ("limit=1000", "limit"),
    ] {
        get(&plane, plane.admin.expose(), &format!("?{query}"), None).await.field(400, "invalid_query", field);
    }
    let unknown = "?account_id=01890a5d-ac96-774b-bcce-b302099a8057";
    get(&plane, plane.admin.expose(), unknown, None).await.field(404, "not_found", "account_id");
}

#[tokio::test]
async fn pages_of_the_log_neither_repeat_nor_skip_while_it_grows() {
    let plane = ControlPlane::start().await;
    for number in 0..9 {
        plane.post("/v1/accounts", json!({ "name": number.to_string() })).await;
        // Several entries of one moment, as they come in use.
        if number % 3 == 0 {
            plane.clock.advance(Duration::from_millis(1));
        }
    }
    let expected: Vec<_> = entries(&plane, "?limit=200").await.iter().map(|entry| text(entry, "id")).collect();
    assert_eq!(expected.len(), 12);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&plane, plane.admin.expose(), &format!("?limit=2{cursor}"), None).await.json();
        found.extend(page["data"].as_array().unwrap().iter().map(|entry| text(entry, "id")));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        plane.post("/v1/accounts", json!({ "name": "later" })).await;
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_whole_log_leaves_as_lines() {
    let plane = ControlPlane::start().await;
    for number in 0..450 {
        plane.post("/v1/accounts", json!({ "name": number.to_string() })).await;
    }
    let all = lines(&get(&plane, plane.admin.expose(), "", Some(LINES)).await);
    assert_eq!(all.len(), 453, "more than two pages");
    let numbers: Vec<u64> = all.iter().map(|entry| text(entry, "id").parse().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] > pair[1]));
    assert_eq!(all[..50], entries(&plane, "").await[..]);
    let system = get(&plane, plane.admin.expose(), "?actor_kind=system", Some(LINES)).await;
    assert_eq!(lines(&system).len(), 3);
    assert_eq!(lines(&get(&plane, plane.admin.expose(), "?limit=7", Some(LINES)).await), all[..7]);
    assert_eq!(lines(&get(&plane, plane.admin.expose(), "?to=2000-01-01T00:00:00Z", Some(LINES)).await).len(), 0);
    // A refusal is a problem, not a line.
    get(&plane, plane.admin.expose(), "?action=x", Some(LINES)).await.field(400, "invalid_query", "action");
}

#[tokio::test]
async fn a_tenant_sees_its_own_entries_and_nobody_elses() {
    let plane = ControlPlane::start().await;
    let (account, project) = plane.project().await;
    let (other, other_project) = plane.project().await;
    let body = json!({
        "project_id": project, "environment": "live", "name": "auditor", "scopes": ["keyplane:audit:read"],
    });
    let created = plane.post("/v1/keys", body).await.json();
    let key = text(&created, "key");
    let foreign = text(&plane.key(&other_project, "live", "k").await, "id");
    let own = get(&plane, &key, "", None).await.json();
    let own: Vec<_> = own["data"].as_array().unwrap().iter().map(|entry| text(entry, "action")).collect();
    assert_eq!(own, ["key.create", "project.create", "account.create"]);
    for entry in lines(&get(&plane, &key, "", Some(LINES)).await) {
        assert_eq!((&entry["account_id"], &entry["source"]), (&json!(account), &json!(null)));
    }
    // By another's id nothing is found, and by another's account not even that.
    for query in [format!("?object_id={foreign}"), format!("?object_id={other}"), "?actor_kind=system".to_owned()] {
        assert_eq!(get(&plane, &key, &query, None).await.json()["data"], json!([]), "{query}");
    }
    let query = format!("?account_id={other}");
    get(&plane, &key, &query, None).await.field(404, "not_found", "account_id");
    let nobody = text(&plane.key(&project, "live", "k").await, "key");
    for header in [None, Some(LINES)] {
        get(&plane, &nobody, "", header).await.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn the_operators_address_is_not_for_tenants_and_their_own_is() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let scopes = ["keyplane:audit:read", "keyplane:keys:write"];
    let body = json!({ "project_id": project, "environment": "live", "name": "a", "scopes": scopes });
    let created = plane.post("/v1/keys", body).await.json();
    let (id, key) = (text(&created, "id"), text(&created, "key"));
    let rename = async |credential: &str, name: &str| {
        let request = Request::builder().method(Method::PATCH).uri(format!("/v1/keys/{id}"));
        let request = request.header("x-api-key", credential).header("content-type", "application/json");
        let mut request = request.body(Body::from(json!({ "name": name }).to_string())).unwrap();
        request.extensions_mut().insert(ConnectInfo("198.51.100.4:1".parse::<SocketAddr>().unwrap()));
        assert_eq!(plane.send(request).await.status, StatusCode::OK);
    };
    rename(plane.admin.expose(), "b").await;
    rename(&key, "c").await;
    let sources = async |credential: &str| {
        let found = get(&plane, credential, "?action=key.rename", None).await.json();
        found["data"].as_array().unwrap().iter().map(|entry| entry["source"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(sources(&key).await, [json!("198.51.100.4"), json!(null)]);
    assert_eq!(sources(plane.admin.expose()).await, [json!("198.51.100.4"), json!("198.51.100.4")]);
}

#[tokio::test]
async fn the_log_is_append_only_in_the_database_itself() {
    let plane = ControlPlane::start().await;
    let mut connection = connect(plane.folder.path()).await;
    for sql in ["UPDATE audit SET action = 'x'", "DELETE FROM audit", "DELETE FROM audit WHERE no = 1"] {
        let error = sqlx::query(sql).execute(&mut connection).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}
