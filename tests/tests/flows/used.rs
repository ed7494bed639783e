//! What keys are used for is known: how often, and for a key that is being replaced from where.

use super::fixture::{Flow, PATH, eventually};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use xtask::stack::api::CreatedKey;

/// So many requests in a row, each on a new connection, meet both workers.
const ROW: usize = 12;

/// Sends requests until both workers answer with this status; gives how often they did in all.
fn send_until(flow: &Flow, key: &CreatedKey, status: u16) -> u64 {
    let (mut row, mut all) = (0, 0);
    eventually("both workers answer so", || {
        let is_so = flow.get(key).status == status;
        (row, all) = if is_so { (row + 1, all + 1) } else { (0, all) };
        row == ROW
    });
    all
}

fn rows(flow: &Flow, query: &str) -> Vec<Value> {
    let answer = flow.api().client().get(&format!("/v1/usage?{query}"), &[]).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].as_array().unwrap().clone()
}

fn today() -> String {
    let date = std::process::Command::new("date").args(["-u", "+%Y-%m-%d"]).output().unwrap();
    String::from_utf8(date.stdout).unwrap().trim().to_owned()
}

#[test]
fn usage_is_told_by_key_environment_and_day() {
    let flow = Flow::start();
    let before = today();
    let make = |environment: &str| {
        let body = json!({ "project_id": flow.project, "environment": environment, "name": environment });
        flow.api().create_key_with(&body).unwrap()
    };
    let (live, test) = (make("live"), make("test"));
    // Refused while no worker knows the key yet, which is no use of it.
    let (live_allowed, test_allowed) = (send_until(&flow, &live, 200), send_until(&flow, &test, 200));
    let path = format!("/v1/keys/{}", test.id);
    assert_eq!(flow.api().client().patch(&path, &json!({ "enabled": false })).unwrap().status, 200);
    // Until both workers know it the key is allowed.
    let (mut late, mut refused, mut row) = (0, 0, 0);
    eventually("both workers refuse it", || {
        match flow.get(&test).status {
            200 => (late, row) = (late + 1, 0),
            401 => (refused, row) = (refused + 1, row + 1),
            other => panic!("answered {other}"),
        }
        row == ROW
    });
    let expected = BTreeMap::from([
        ((live.id.clone(), "live".to_owned()), (live_allowed, 0)),
        ((test.id.clone(), "test".to_owned()), (test_allowed + late, refused)),
    ]);
    let mut found = Vec::new();
    eventually("each use was counted, once", || {
        found = rows(&flow, "group_by=key,environment,day");
        // Two rows a key if a midnight came between.
        let mut sums = BTreeMap::new();
        for row in &found {
            let name = |field: &str| row[field].as_str().unwrap().to_owned();
            let sum = sums.entry((name("key_id"), name("environment"))).or_insert((0, 0));
            sum.0 += row["allowed"].as_u64().unwrap();
            sum.1 += row["refused"].as_u64().unwrap();
        }
        sums == expected
    });
    let days = [before, today()];
    assert!(found.iter().all(|row| days.iter().any(|day| row["day"] == day.as_str())), "{found:?}");
    let reasons = rows(&flow, &format!("key_id={}", test.id));
    assert_eq!(reasons[0]["by_reason"], json!({ "disabled": refused }));
    assert_eq!(rows(&flow, "environment=live")[0]["allowed"], live_allowed);
}

#[test]
fn who_still_uses_a_rotated_key_is_listed_by_address() {
    let flow = Flow::start();
    let old = flow.known_key("to rotate");
    let path = format!("/v1/keys/{}", old.id);
    let client = flow.api().client().clone();
    let sources = |path: &str| client.get(&format!("{path}/sources"), &[]).unwrap().json()["data"].clone();
    assert_eq!(sources(&path), json!([]), "nobody watches it yet");
    let answer = client.post(&format!("{path}/rotate"), &json!({ "retire_when_idle_hours": 1 })).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let new = answer.json()["id"].as_str().unwrap().to_owned();

    // Whatever a caller says of itself: Envoy takes its word only where it was told to.
    let used = |status: u16| {
        let headers = [("x-api-key", old.secret.expose_secret()), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(flow.proxy().get(PATH, &headers).unwrap().status, status);
    };
    let count = || {
        let found = sources(&path);
        let all = found.as_array().unwrap();
        assert!(all.iter().all(|source| source["source"] == "127.0.0.1"), "{found}");
        all.first().map_or(0, |source| source["count"].as_u64().unwrap())
    };
    eventually("its use is listed", || {
        used(200);
        count() > 0
    });
    let first = sources(&path)[0]["last_seen_at"].as_str().unwrap().to_owned();
    eventually("its last use is listed", || {
        used(200);
        sources(&path)[0]["last_seen_at"].as_str().unwrap() > first.as_str()
    });
    assert_eq!(sources(&format!("/v1/keys/{new}")), json!([]), "nobody watches the new one");
    // Who uses it after its end is listed too: these are the ones that are broken now.
    assert_eq!(client.delete(&path).unwrap().status, 200);
    eventually("it is refused", || flow.get(&old).status == 401);
    eventually("both workers refuse it", || (0..ROW).all(|_| flow.get(&old).status == 401));
    let mut settled = count();
    eventually("what was allowed is listed", || {
        std::thread::sleep(std::time::Duration::from_secs(6));
        std::mem::replace(&mut settled, count()) == settled
    });
    used(401);
    eventually("a refused use is listed", || count() > settled);
}
