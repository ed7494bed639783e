//! `UploadKit`: keys of a project in two environments, shown as masks, and as many as the plan allows.

use super::super::fixture::{Flow, eventually, seen};
use super::{Caller, Shared, account, is_never_shown_again, names, shell, text};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::Arc;
use xtask::stack::api::CreatedKey;
use xtask::stack::{Response, Stack};

const FILES: &str = "/api/v1/files";

fn uploadkit() -> Arc<Flow> {
    static SHARED: Shared<Flow> = Shared::new();
    SHARED.get(|| Flow::with(&Stack::usual_plugin(), ""))
}

/// A project on a plan, and the dashboard, which calls for the people who sign in there.
#[derive(Clone)]
struct Project {
    account: String,
    id: String,
    dashboard: Caller,
}

fn project(flow: &Flow, plan: &str) -> Project {
    let account = account(flow, plan, plan);
    let control_plane = &flow.stack.control_plane;
    let dashboard = Caller::bearer(control_plane.client(), control_plane.admin_key());
    Project { id: second(flow, &account), account, dashboard }
}

/// One more project of the account; gives its id.
fn second(flow: &Flow, account: &str) -> String {
    flow.api().create_project(account, "Uploads", "uk_live", "uk_test").unwrap()
}

impl Project {
    fn create(&self, name: &str, environment: &str) -> CreatedKey {
        self.dashboard.create("/v1/keys", &self.body(name, environment))
    }

    fn try_create(&self, name: &str) -> Response {
        self.dashboard.post("/v1/keys", &self.body(name, "live"))
    }

    fn body(&self, name: &str, environment: &str) -> Value {
        json!({ "project_id": self.id, "environment": environment, "name": name })
    }

    fn keys(&self) -> Vec<Value> {
        self.dashboard.list(&format!("/v1/keys?project_id={}&limit=200", self.id))
    }
}

fn proxy(flow: &Flow, key: &CreatedKey) -> Caller {
    Caller::bearer(flow.proxy(), &key.secret)
}

/// K1: keys belong to a project, and each project has its own.
#[test]
fn each_project_has_its_own_keys() {
    let flow = uploadkit();
    let first = project(&flow, "pro");
    let other = Project { id: second(&flow, &first.account), ..first.clone() };
    let (mine, theirs) = (first.create("Production Server", "live"), other.create("GitHub Actions CI", "live"));
    assert_eq!(names(&first.keys()), ["Production Server"]);
    assert_eq!(names(&other.keys()), ["GitHub Actions CI"]);
    for (project, key) in [(&first, &mine), (&other, &theirs)] {
        assert_eq!(text(&key.object, "project_id"), project.id);
        eventually("the key works", || proxy(&flow, key).get(FILES).status == 200);
        assert_eq!(seen(&proxy(&flow, key).get(FILES), "x-keyplane-project"), [project.id.as_str()]);
    }
}

/// K2, K3: live and test keys are told apart by their prefix, in lists and by the application; so what test keys do never
/// counts against the quota of live ones.
#[test]
fn live_and_test_keys_are_told_apart_everywhere() {
    let flow = uploadkit();
    let project = project(&flow, "pro");
    let mut calls = Vec::new();
    for (name, environment, prefix) in [("Production Server", "live", "uk_live_"), ("CI", "test", "uk_test_")] {
        let key = project.create(name, environment);
        assert!(key.secret.expose_secret().starts_with(prefix) && key.mask.starts_with(prefix), "{}", key.mask);
        assert_eq!(text(&key.object, "environment"), environment);
        let list = format!("/v1/keys?project_id={}&environment={environment}", project.id);
        assert_eq!(names(&project.dashboard.list(&list)), [name]);
        eventually("the key works", || proxy(&flow, &key).get(FILES).status == 200);
        assert_eq!(seen(&proxy(&flow, &key).get(FILES), "x-keyplane-environment"), [environment]);
        calls.push((environment, 2));
    }
    eventually("what each did is counted apart", || {
        let path = format!("/v1/usage?project_id={}&group_by=environment", project.id);
        let rows = project.dashboard.list(&path);
        calls.iter().all(|(name, calls)| rows.iter().any(|row| row["environment"] == *name && row["allowed"] == *calls))
    });
}

/// K4, K5: a key is created with a name and live or test; once that answer is gone, only the mask is left. The dialog that
/// closes is the dashboard's.
#[test]
fn after_its_creation_only_the_mask_of_a_key_is_left() {
    let flow = uploadkit();
    let project = project(&flow, "pro");
    let key = project.create("GitHub Actions CI", "test");
    let (one, list) = (format!("/v1/keys/{}", key.id), format!("/v1/keys?project_id={}", project.id));
    is_never_shown_again(&project.dashboard, &key, &[&one, &list]);
    // Neither name nor environment can be left out, and there is no third one.
    for (field, value) in
        [("name", Value::Null), ("name", json!("")), ("environment", Value::Null), ("environment", json!("dev"))]
    {
        let mut body = project.body("GitHub Actions CI", "test");
        body[field] = value;
        let answer = project.dashboard.post("/v1/keys", &body);
        assert_eq!(answer.status, 422, "{body}");
        assert!(answer.text().contains(field), "{}", answer.text());
    }
    assert_eq!(project.keys().len(), 1);
    // Nothing that is kept could show it again.
    for file in std::fs::read_dir(flow.stack.control_plane.data()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let secret = key.secret.expose_secret().as_bytes();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "the database holds the secret");
    }
}

/// K6, K7, K8, K9: the mask shows the first few and the last few characters, so that whoever holds a key, in the environment
/// of their server, finds it in the list; a lost one is revoked and made anew.
#[test]
fn the_mask_tells_which_key_somebody_holds() {
    let flow = uploadkit();
    let project = project(&flow, "pro");
    let keys: Vec<_> = (0..5).map(|number| project.create(&format!("Server {number}"), "live")).collect();
    let masks = project.keys();
    for key in &keys {
        // A person compares what they hold with each mask by eye.
        let held = shell("printf %s \"$UPLOADKIT_API_KEY\"", &[("UPLOADKIT_API_KEY", key.secret.expose_secret())]);
        let found: Vec<_> = masks
            .iter()
            .filter(|shown| {
                let (first, last) = text(shown, "key_prefix").split_once("...").unwrap();
                held.starts_with(first) && held.ends_with(last)
            })
            .collect();
        assert_eq!(found.len(), 1, "the masks do not tell the keys apart");
        assert_eq!(text(found[0], "id"), key.id);
        // Few: what is left to guess is beyond guessing.
        let shown = key.mask.len() - "uk_live_".len() - "...".len();
        assert_eq!(shown, 8, "{}", key.mask);
    }
    let (lost, rest) = keys.split_first().unwrap();
    assert_eq!(project.dashboard.delete(&format!("/v1/keys/{}", lost.id)).status, 200);
    let new = project.create("Server 0", "live");
    eventually("the new key works", || proxy(&flow, &new).gets_everywhere(FILES, 200));
    eventually("the lost one does not", || proxy(&flow, lost).gets_everywhere(FILES, 401));
    assert!(proxy(&flow, &rest[0]).gets_everywhere(FILES, 200));
}

/// K10, K11: a revoked key stops at once, with 401. The icon and the question before it are the dashboard's.
#[test]
fn a_revoked_key_gets_401_at_once() {
    let flow = uploadkit();
    let project = project(&flow, "pro");
    let key = project.create("Committed by mistake", "live");
    eventually("both workers know the key", || proxy(&flow, &key).gets_everywhere(FILES, 200));
    let path = format!("/v1/keys/{}?reason=committed+to+a+public+repository", key.id);
    let revoked = project.dashboard.delete(&path).json();
    assert_eq!(text(&revoked, "status"), "revoked");
    assert_eq!(text(&revoked, "revoke_reason"), "committed to a public repository");
    eventually("both workers refuse it", || proxy(&flow, &key).gets_everywhere(FILES, 401));
}

/// K12, K13: a project has at most 2, 10 or 50 keys by its plan, or as many as it likes. At the cap the answer says what
/// to do, and both ways work: revoke a key, or upgrade.
#[test]
fn the_plan_caps_keys_and_the_refusal_says_what_to_do() {
    let flow = uploadkit();
    for (plan, cap) in [("free", 2), ("pro", 10), ("team", 50)] {
        let project = project(&flow, plan);
        for number in 0..cap {
            let answer = project.try_create(&format!("Key {number}"));
            assert_eq!(answer.status, 201, "key {number} of the plan {plan}");
        }
        let refused = project.try_create("One more");
        assert_eq!((refused.status, refused.json()["code"].as_str()), (409, Some("key_limit_reached")));
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        for word in [cap.to_string().as_str(), plan, "evoke", "upgrade"] {
            assert!(detail.contains(word), "{word} is not in: {detail}");
        }
        assert_eq!(project.keys().len(), cap, "nothing was made");

        // Test keys count too, and another project has a cap of its own.
        assert_eq!(project.dashboard.post("/v1/keys", &project.body("One more", "test")).status, 409);
        let other = Project { id: second(&flow, &project.account), ..project };
        assert_eq!(other.try_create("First").status, 201);
    }

    let project = project(&flow, "free");
    let keys = ["Old", "Current"].map(|name| project.create(name, "live"));
    assert_eq!(project.try_create("New").status, 409);
    assert_eq!(project.dashboard.delete(&format!("/v1/keys/{}", keys[0].id)).status, 200);
    assert_eq!(project.try_create("New").status, 201, "revoking one makes room");
    assert_eq!(project.try_create("Newer").status, 409);
    let account = format!("/v1/accounts/{}", project.account);
    assert_eq!(project.dashboard.patch(&account, &json!({ "plan": "pro" })).status, 200);
    assert_eq!(project.try_create("Newer").status, 201, "upgrading makes room");

    let unlimited = self::project(&flow, "enterprise");
    for number in 0..60 {
        assert_eq!(unlimited.try_create(&format!("Key {number}")).status, 201);
    }
}
