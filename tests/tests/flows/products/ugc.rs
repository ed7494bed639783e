//! UGC Inc: keys of an organization, which manages them itself, as `Authorization: Bearer`.

use super::super::fixture::{Flow, eventually, seen};
use super::{Caller, Shared, account, is_never_shown_again, is_time, is_uuid, names, text};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::Arc;
use xtask::stack::Stack;
use xtask::stack::api::CreatedKey;

fn ugc() -> Arc<Flow> {
    static SHARED: Shared<Flow> = Shared::new();
    SHARED.get(|| Flow::with(&Stack::usual_plugin(), ""))
}

/// An organization and its own key to the organization endpoints.
struct Organization {
    id: String,
    project: String,
    caller: Caller,
}

fn organization(flow: &Flow, name: &str) -> Organization {
    let id = account(flow, name, "team");
    let project = flow.api().create_project(&id, "API", "ugc", "ugc_test").unwrap();
    let scopes = json!(["keyplane:keys:write", "keyplane:accounts:read"]);
    let body = json!({ "project_id": project, "environment": "live", "name": "Organization", "scopes": scopes });
    let key = flow.api().create_key_with(&body).unwrap();
    Organization { id, project, caller: Caller::bearer(flow.stack.control_plane.client(), &key.secret) }
}

impl Organization {
    fn create(&self, name: &str) -> CreatedKey {
        self.caller.create("/v1/keys", &json!({ "project_id": self.project, "environment": "live", "name": name }))
    }
}

/// C1: keys belong to an organization, which lists, renames and revokes its own, and learns nothing of another's.
#[test]
fn an_organization_manages_its_keys_and_sees_no_other() {
    let flow = ugc();
    let (acme, globex) = (organization(&flow, "Acme"), organization(&flow, "Globex"));
    let (key, theirs) = (acme.create("Production API Key"), globex.create("Theirs"));
    assert_eq!(text(&key.object, "account_id"), acme.id);
    assert_eq!(names(&acme.caller.list("/v1/keys")), ["Production API Key", "Organization"]);

    let path = format!("/v1/keys/{}", key.id);
    assert_eq!(acme.caller.patch(&path, &json!({ "name": "Production Q1" })).status, 200);
    assert_eq!(text(&acme.caller.object(&path), "name"), "Production Q1");

    let other = format!("/v1/keys/{}", theirs.id);
    let into_other = json!({ "project_id": globex.project, "environment": "live", "name": "mine" });
    for answer in [
        acme.caller.get(&other),
        acme.caller.patch(&other, &json!({ "name": "mine" })),
        acme.caller.delete(&other),
        acme.caller.post(&format!("{other}/rotate"), &json!({})),
        acme.caller.get(&format!("/v1/accounts/{}", globex.id)),
        acme.caller.post("/v1/keys", &into_other),
    ] {
        assert_eq!((answer.status, answer.json()["code"].as_str()), (404, Some("not_found")), "{}", answer.text());
        assert!(!answer.text().contains("Globex"));
    }
    assert_eq!(text(&globex.caller.object(&other), "status"), "active", "nothing happened to it");

    // The application is told whose key it is.
    for (organization, key) in [(&acme, &key), (&globex, &theirs)] {
        let caller = Caller::bearer(flow.proxy(), &key.secret);
        eventually("the key works", || caller.get("/videos").status == 200);
        assert_eq!(seen(&caller.get("/videos"), "x-keyplane-account"), [organization.id.as_str()]);
    }
    assert_eq!(acme.caller.delete(&path).status, 200);
    let caller = Caller::bearer(flow.proxy(), &key.secret);
    eventually("the revoked key is refused", || caller.gets_everywhere("/videos", 401));
    assert_eq!(Caller::bearer(flow.proxy(), &theirs.secret).get("/videos").status, 200);
}

/// C2, C3, C4, C5: a key has an id (a UUID), a name and a time of creation; the key itself is in the answer to its creation
/// and in no other.
#[test]
fn a_key_has_id_name_and_time_and_its_secret_comes_once() {
    let flow = ugc();
    let organization = organization(&flow, "Initech");
    let key = organization.create("Development Key");
    let (one, list) = (format!("/v1/keys/{}", key.id), "/v1/keys");
    let shown = organization.caller.object(&one);
    for object in [&key.object, &shown, &organization.caller.list(list)[0]] {
        assert!(is_uuid(text(object, "id")), "{object}");
        assert_eq!(text(object, "name"), "Development Key");
        assert!(is_time(text(object, "created_at")), "{object}");
        assert_eq!(object["key"], Value::Null);
    }
    is_never_shown_again(&organization.caller, &key, &[&one, list]);
    // Lost is lost: a new one takes its place.
    assert!(!key.secret.expose_secret().is_empty());
    let next = organization.create("Development Key");
    assert_ne!(next.secret.expose_secret(), key.secret.expose_secret());
}

/// C6, C7: every endpoint wants a valid key, as a Bearer token; the admin endpoints want the operator's.
#[test]
fn every_endpoint_wants_a_valid_key_as_bearer() {
    let flow = ugc();
    let organization = organization(&flow, "Hooli");
    let key = organization.create("Backend Service Key");
    let caller = Caller::bearer(flow.proxy(), &key.secret);
    eventually("both workers know the key", || caller.gets_everywhere("/videos", 200));
    let damaged = format!("{}x", key.secret.expose_secret()).into();
    let damaged = Caller::bearer(flow.proxy(), &damaged);
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/videos"),
        ("POST", "/videos"),
        ("PUT", "/org/name"),
        ("PATCH", "/a"),
        ("DELETE", "/b/c?d=e"),
    ] {
        assert_eq!(caller.send(method, path, "").status, 200, "{method} {path}");
        assert_eq!(damaged.send(method, path, "").status, 401, "{method} {path}");
        let without = flow.proxy().send(method, path, &[], &[]).unwrap();
        assert_eq!(without.status, 401, "{method} {path}");
        assert!(without.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")));
    }
    // An organization's key is none of the operator's.
    assert_eq!(organization.caller.get("/v1/proxies").status, 403);
    assert_eq!(flow.api().client().get("/v1/proxies", &[]).unwrap().status, 200);
    assert_eq!(organization.caller.post("/v1/accounts", &json!({ "name": "Mine" })).status, 403);
    let own = format!("/v1/accounts/{}", organization.id);
    for change in [json!({ "plan": "enterprise" }), json!({ "status": "active" })] {
        assert_eq!(organization.caller.patch(&own, &change).status, 403, "{change}");
    }
    assert_eq!(names(&organization.caller.list("/v1/accounts")), ["Hooli"]);
    // And a key without management scopes manages nothing.
    let plain = Caller::bearer(flow.stack.control_plane.client(), &key.secret);
    assert_eq!(plain.get("/v1/keys").status, 403);
}
