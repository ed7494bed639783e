//! What is changed about a key reaches both workers: scopes, expiry, the switch, rotation.

use super::fixture::{Flow, eventually, seen};
use secrecy::SecretString;
use serde_json::json;
use xtask::stack::api::CreatedKey;

/// So many requests in a row, each on a new connection, meet both workers.
const ROW: usize = 12;

fn all(flow: &Flow, key: &CreatedKey, status: u16) -> bool {
    (0..ROW).all(|_| flow.get(key).status == status)
}

#[test]
fn a_key_that_is_switched_off_is_refused_and_switched_on_it_works_again() {
    let flow = Flow::start();
    let key = flow.known_key("switched");
    let api = flow.api();
    let path = format!("/v1/keys/{}", key.id);
    assert_eq!(api.client().patch(&path, &json!({ "enabled": false })).unwrap().status, 200);
    eventually("it is refused by both workers", || all(&flow, &key, 401));
    assert!(flow.stat("decisions_disabled") > 0, "the reason is not in the metrics");
    assert_eq!(api.client().patch(&path, &json!({ "enabled": true })).unwrap().status, 200);
    eventually("it works again at both workers", || all(&flow, &key, 200));
    assert_eq!(api.client().patch(&path, &json!({ "scopes": ["jobs:read"] })).unwrap().status, 200);
    eventually("its new scopes reach the upstream", || {
        (0..ROW).all(|_| seen(&flow.get(&key), "x-keyplane-scopes") == ["jobs:read"])
    });
}

#[test]
fn a_key_past_its_expiry_is_refused_by_the_proxys_clock() {
    let flow = Flow::start();
    let key = flow.known_key("short-lived");
    // Two seconds from now, in the form that the API takes.
    let date = std::process::Command::new("date").args(["-u", "-d", "+2 seconds", "+%Y-%m-%dT%H:%M:%SZ"]).output();
    let end = String::from_utf8(date.unwrap().stdout).unwrap();
    let path = format!("/v1/keys/{}", key.id);
    let answer = flow.api().client().patch(&path, &json!({ "expires_at": end.trim() })).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    eventually("it is refused", || all(&flow, &key, 401));
    assert!(flow.stat("decisions_expired") > 0, "the reason is not in the metrics");
    assert_eq!(flow.api().key(&key.id).unwrap()["status"], "expired");
}

#[test]
fn during_the_grace_of_a_rotation_both_keys_work_and_after_it_the_new_one() {
    let flow = Flow::start();
    let old = flow.known_key("to rotate");
    let path = format!("/v1/keys/{}/rotate", old.id);
    let answer = flow.api().client().post(&path, &json!({ "grace_seconds": 4 })).unwrap();
    assert_eq!(answer.status, 201);
    let mut object = answer.json();
    let secret: SecretString = object["key"].take().as_str().unwrap().to_owned().into();
    let new = CreatedKey {
        id: object["id"].as_str().unwrap().to_owned(),
        mask: object["key_prefix"].as_str().unwrap().to_owned(),
        secret,
        object,
    };
    assert_ne!(new.id, old.id);
    assert!(new.object["grace_ends_at"].is_string());
    eventually("the new key works", || flow.get(&new).status == 200);
    assert_eq!(flow.get(&old).status, 200, "the old key works within its grace");
    eventually("the old key is refused after its grace", || all(&flow, &old, 401));
    assert!(all(&flow, &new, 200));
}
