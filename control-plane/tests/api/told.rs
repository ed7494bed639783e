//! What proxies are told of accounts and keys to hand on, beside what they enforce.

use crate::support::{ControlPlane, text};
use axum::http::StatusCode;
use keyplane::domain::id::KeyId;
use keyplane::service::changes::{PollRequest, changes};
use keyplane::service::sweep::sweep;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{KeyState, Page, Record};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a proxy holds, kept by the feed alone.
#[derive(Default)]
struct Table {
    after: u64,
    /// Name and external id.
    accounts: BTreeMap<Id, (String, String)>,
    /// Scopes and metadata.
    policies: BTreeMap<u32, (String, String)>,
    /// State and number of the policy.
    keys: BTreeMap<Id, (KeyState, u32)>,
    /// Every byte that came.
    heard: Vec<u8>,
}

impl Table {
    /// Applies what is new; gives how many records that was.
    async fn poll(&mut self, plane: &ControlPlane) -> usize {
        let epoch = Some(plane.app.store.epoch());
        let request =
            PollRequest { epoch, after: self.after, wait: Duration::ZERO, rows: 10_000, closed_will_do: false };
        let bytes = changes(&plane.app, request).await.unwrap().page.bytes.clone();
        let page = Page::decode(&bytes).unwrap();
        assert!(page.header.last && page.header.after == self.after);
        for record in page.records() {
            match record.unwrap() {
                Record::Account(account) => {
                    let told = (account.name.to_owned(), account.external_id.to_owned());
                    self.accounts.insert(account.id, told);
                }
                Record::Policy(policy) => {
                    let pairs: Vec<_> = policy.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
                    self.policies.insert(policy.no, (policy.scopes.to_owned(), pairs.join(" ")));
                }
                Record::Key(key) => {
                    self.keys.insert(key.id, (key.state, key.policy));
                }
                Record::Gone(_) | Record::Project(_) | Record::User(_) => {}
            }
        }
        self.after = page.header.until;
        self.heard.extend_from_slice(&bytes);
        page.records().count()
    }

    /// What is told of a key's metadata.
    fn of(&self, id: &str) -> &str {
        match self.keys[&Id::parse(id.as_bytes()).unwrap()].1 {
            0 => "",
            policy => &self.policies[&policy].1,
        }
    }

    fn has_heard(&self, text: &str) -> bool {
        self.heard.windows(text.len()).any(|heard| heard == text.as_bytes())
    }
}

async fn snapshot(plane: &ControlPlane) -> Table {
    let mut table = Table::default();
    table.poll(plane).await;
    table
}

async fn key(plane: &ControlPlane, project: &str, metadata: Value) -> String {
    let body = json!({ "project_id": project, "environment": "live", "name": "k", "metadata": metadata });
    let created = plane.post("/v1/keys", body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{created:?}");
    text(&created.json(), "id")
}

#[tokio::test]
async fn the_feed_tells_an_accounts_name_and_external_id_and_follows_both() {
    let plane = ControlPlane::start().await;
    let (account, _) = plane.project().await;
    let (id, path) = (Id::parse(account.as_bytes()).unwrap(), format!("/v1/accounts/{account}"));
    let mut table = snapshot(&plane).await;
    assert_eq!(table.accounts[&id], ("Acme".to_owned(), String::new()));
    for (change, name, external_id) in [
        (json!({ "name": "Acme Ünited" }), "Acme Ünited", ""),
        (json!({ "external_id": "org_1" }), "Acme Ünited", "org_1"),
        (json!({ "status": "suspended" }), "Acme Ünited", "org_1"),
        (json!({ "external_id": null, "name": "Acme" }), "Acme", ""),
    ] {
        assert_eq!(plane.patch(&path, &change).await.status, StatusCode::OK);
        assert_eq!(table.poll(&plane).await, 1, "{change} is one record");
        assert_eq!(table.accounts[&id], (name.to_owned(), external_id.to_owned()));
    }
    // What proxies are not told does not move them, nor does what is so already.
    for change in [json!({ "plan": "team" }), json!({ "name": "Acme" })] {
        assert_eq!(plane.patch(&path, &change).await.status, StatusCode::OK);
        assert_eq!(table.poll(&plane).await, 0, "{change}");
    }
}

#[tokio::test]
async fn another_name_of_an_account_wakes_a_waiting_poll() {
    let plane = ControlPlane::start().await;
    let (account, _) = plane.project().await;
    let (app, epoch) = (plane.app.clone(), Some(plane.app.store.epoch()));
    let request = PollRequest { epoch, after: 2, wait: Duration::from_secs(55), rows: 10_000, closed_will_do: false };
    let waiting = tokio::spawn(async move { changes(&app, request).await.unwrap().page.bytes.clone() });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    plane.patch(&format!("/v1/accounts/{account}"), json!({ "name": "Other" })).await;
    let bytes = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    assert_eq!(Page::decode(&bytes).unwrap().header.until, 3);
}

#[tokio::test]
async fn metadata_that_nobody_chose_are_never_told() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let id = key(&plane, &project, json!({ "plan": "canary-4711" })).await;
    plane.patch(&format!("/v1/keys/{id}"), json!({ "metadata": { "plan": "canary-4712" } })).await;
    sweep(&plane.app).await.unwrap();
    let table = snapshot(&plane).await;
    assert_eq!((table.after, table.policies.len()), (3, 0), "account, project, key; the edit told nothing");
    assert!(!table.has_heard("canary") && !table.has_heard("plan"));

    let mut plane = plane.restart().await;
    plane.tell_proxies(&["tier"]);
    let other = key(&plane, &project, json!({ "plan": "canary-4713", "tier": { "of": "canary-4714" } })).await;
    sweep(&plane.app).await.unwrap();
    let table = snapshot(&plane).await;
    assert_eq!((table.of(&id), table.of(&other)), ("", ""));
    assert!(!table.has_heard("canary"));
}

#[tokio::test]
async fn chosen_metadata_are_told_and_follow_an_edit_at_once() {
    let mut plane = ControlPlane::start().await;
    plane.tell_proxies(&["plan", "seats"]);
    let (_, project) = plane.project().await;
    let first = key(&plane, &project, json!({ "plan": "pro", "seats": 3, "secret": "canary-4711" })).await;
    let second = key(&plane, &project, json!({ "seats": 3, "plan": "pro" })).await;
    let plain = key(&plane, &project, json!({ "note": "canary-4711" })).await;
    let mut table = snapshot(&plane).await;
    assert_eq!((table.of(&first), table.of(&plain)), ("plan=pro seats=3", ""));
    assert_eq!(table.policies.len(), 1, "equal metadata share a policy");
    assert_eq!(table.keys[&Id::parse(second.as_bytes()).unwrap()], (KeyState::Active, 1));

    // An edit of metadata alone: a new policy, and the key.
    let path = format!("/v1/keys/{first}");
    plane.patch(&path, json!({ "metadata": { "plan": "team", "secret": "canary-4712" } })).await;
    assert_eq!(table.poll(&plane).await, 2);
    assert_eq!((table.of(&first), table.of(&second)), ("plan=team", "plan=pro seats=3"));
    // One of what is not chosen tells nothing.
    plane.patch(&path, json!({ "metadata": { "plan": "team" } })).await;
    assert_eq!(table.poll(&plane).await, 0);
    // Restrictions stay beside them, whichever is edited.
    plane.patch(&path, json!({ "scopes": ["read"] })).await;
    plane.patch(&path, json!({ "metadata": {} })).await;
    table.poll(&plane).await;
    let policy = table.keys[&Id::parse(first.as_bytes()).unwrap()].1;
    assert_eq!(table.policies[&policy], ("read".to_owned(), String::new()));
    assert_eq!(plane.get(&path).await.json()["metadata"], json!({}));

    // A successor has its predecessor's.
    let rotated = plane.post(&format!("/v1/keys/{second}/rotate"), json!({})).await.json();
    table.poll(&plane).await;
    assert_eq!(table.of(&text(&rotated, "id")), "plan=pro seats=3");
    assert!(!table.has_heard("canary"));
}

#[tokio::test]
async fn keys_follow_when_the_operator_chooses_other_metadata() {
    const KEYS: usize = 303;
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let mut ids = Vec::new();
    for number in 0..KEYS {
        ids.push(key(&plane, &project, json!({ "plan": format!("p{}", number % 3), "tier": 1 })).await);
    }
    let (plain, revoked) = (
        key(&plane, &project, json!({ "note": "n" })).await,
        key(&plane, &project, json!({ "plan": "canary-4711" })).await,
    );
    let ended = "2030-01-01T00:00:00.000Z";
    plane.patch(&format!("/v1/keys/{}", ids[0]), json!({ "scopes": ["read"], "expires_at": ended })).await;
    let mut table = snapshot(&plane).await;

    // In batches, of which the last is not full.
    let mut plane = plane.restart().await;
    plane.tell_proxies(&["plan"]);
    let swept = sweep(&plane.app).await.unwrap();
    assert_eq!((swept.told_anew, swept.policies), (KEYS + 1, 1), "and the policy of scopes alone is gone");
    assert_eq!(sweep(&plane.app).await.unwrap().told_anew, 0, "once");
    assert_eq!(
        table.poll(&plane).await,
        KEYS + 1 + 5,
        "each key once, and a policy for each plan and the key with scopes"
    );
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(table.of(id), format!("plan=p{}", number % 3));
    }
    assert_eq!(table.of(&plain), "");
    let first = plane.get(&format!("/v1/keys/{}", ids[0])).await.json();
    assert_eq!((&first["scopes"], text(&first, "expires_at")), (&json!(["read"]), ended.to_owned()));

    // Nobody is told any longer: also what new proxies hear of revoked keys, and of what nobody has now.
    plane.delete(&format!("/v1/keys/{revoked}")).await;
    let mut plane = plane.restart().await;
    plane.tell_proxies(&["tier"]);
    let swept = sweep(&plane.app).await.unwrap();
    assert_eq!((swept.told_anew, swept.policies), (KEYS + 1, 5), "all that there were");
    table.poll(&plane).await;
    let late = snapshot(&plane).await;
    for table in [&table, &late] {
        assert!(ids.iter().all(|id| table.of(id) == "tier=1"));
        assert_eq!(table.of(&revoked), "");
    }
    assert!(table.has_heard("canary") && !late.has_heard("canary") && !late.has_heard("plan"));
    assert_eq!(late.policies.len(), 2);
    let plane = plane.restart().await;
    assert_eq!(sweep(&plane.app).await.unwrap().told_anew, KEYS);
    assert_eq!(sweep(&plane.app).await.unwrap().told_anew, 0);
    assert_eq!(snapshot(&plane).await.policies.len(), 1, "the scopes");
}

#[tokio::test]
async fn a_change_of_the_chosen_metadata_that_was_cut_off_is_finished_at_the_next_start() {
    let mut plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let mut ids = Vec::new();
    for _ in 0..150 {
        ids.push(key(&plane, &project, json!({ "plan": "pro" })).await);
    }
    plane.tell_proxies(&["plan"]);
    plane.stop.send_replace(true);
    assert_eq!(sweep(&plane.app).await.unwrap().told_anew, 100, "one batch");
    let mut plane = plane.restart().await;
    plane.tell_proxies(&["plan"]);
    assert_eq!(sweep(&plane.app).await.unwrap().told_anew, 50, "the rest");
    let table = snapshot(&plane).await;
    assert!(ids.iter().all(|id| table.of(id) == "plan=pro"));
}

#[tokio::test]
async fn a_policy_is_forgotten_only_when_no_key_has_it() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let scoped = async |scope: &str| {
        let body = json!({ "project_id": project, "environment": "live", "name": "k", "scopes": [scope] });
        text(&plane.post("/v1/keys", body).await.json(), "id")
    };
    let (first, second) = (scoped("a").await, scoped("a").await);
    let mut table = snapshot(&plane).await;
    let patch = async |id: &str, scope: &str| {
        plane.patch(&format!("/v1/keys/{id}"), json!({ "scopes": [scope] })).await;
        sweep(&plane.app).await.unwrap().policies
    };
    assert_eq!((patch(&first, "b").await, patch(&second, "b").await), (0, 1));
    // A revoked key past its retention has its scopes still, for people who look back.
    plane.delete(&format!("/v1/keys/{second}")).await;
    plane.clock.advance(Duration::from_hours(8 * 24));
    sweep(&plane.app).await.unwrap();
    assert_eq!(patch(&first, "a").await, 0);
    assert_eq!(plane.get(&format!("/v1/keys/{second}")).await.json()["scopes"], json!(["b"]));
    // A policy that comes again has another number, so a proxy that still has the old one is right, too.
    table.poll(&plane).await;
    let id = KeyId::parse(&first).unwrap().0;
    assert_eq!((table.keys[&id].1, table.policies[&1].0.as_str(), table.policies[&3].0.as_str()), (3, "a", "a"));
    assert_eq!(snapshot(&plane).await.policies.keys().collect::<Vec<_>>(), [&2, &3]);
}
