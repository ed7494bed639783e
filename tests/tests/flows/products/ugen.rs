//! U-Gen: keys of an account in `X-API-Key`, made by people who sign in with Supabase.

use super::super::fixture::{Flow, eventually, seen};
use super::super::jwt::with_provider;
use super::issuer::Issuer;
use super::{Caller, Shared, account, is_never_shown_again, is_time, names, shell, text, user};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use xtask::stack::api::CreatedKey;
use xtask::stack::{EnvoySettings, Ports, Stack};

/// The call that the page tries a key with.
const BALANCE: &str = "/api/v1/credits/balance";

struct UGen {
    flow: Flow,
    auth: Issuer,
}

fn ugen() -> Arc<UGen> {
    static SHARED: Shared<UGen> = Shared::new();
    SHARED.get(|| {
        let auth = Issuer::es256();
        let settings = format!(
            "[[jwt.issuers]]\nissuer = \"{}\"\ndiscovery = true\naudiences = [\"authenticated\"]\n\
             name_claim = \"user_metadata.full_name\"\n",
            auth.url
        );
        UGen { flow: Flow::with(&Stack::usual_plugin(), &settings), auth }
    })
}

/// An account of U-Gen's with the person who signed up for it, in the dashboard.
struct Customer {
    account: String,
    project: String,
    person: Caller,
}

impl UGen {
    fn customer(&self, subject: &str) -> Customer {
        let account = account(&self.flow, subject, "pro");
        let project = self.flow.api().create_project(&account, "API", "ugen_sk", "ugen_test_sk").unwrap();
        let identity = json!({ "issuer": self.auth.url, "subject": subject });
        let email = format!("{subject}@example.com");
        user(
            &self.flow,
            &json!({
                "account_id": account, "email": email, "name": "Ada", "role": "owner", "identity": identity,
            }),
        );
        let person = Caller::bearer(self.flow.stack.control_plane.client(), &self.auth.sign(claims(subject), 3600));
        Customer { account, project, person }
    }

    fn proxy(&self, key: &CreatedKey) -> Caller {
        Caller::api_key(self.flow.proxy(), &key.secret)
    }

    fn works(&self, key: &CreatedKey) {
        let caller = self.proxy(key);
        eventually("the key works at both workers", || caller.gets_everywhere(BALANCE, 200));
    }
}

impl Customer {
    fn create(&self, name: &str, environment: &str) -> CreatedKey {
        self.create_with(name, environment, &Value::Null)
    }

    fn create_with(&self, name: &str, environment: &str, expires_at: &Value) -> CreatedKey {
        let mut body = json!({ "project_id": self.project, "environment": environment, "name": name });
        if !expires_at.is_null() {
            body["expires_at"] = expires_at.clone();
        }
        self.person.create("/v1/keys", &body)
    }

    fn keys(&self) -> Vec<Value> {
        self.person.list(&format!("/v1/keys?project_id={}", self.project))
    }
}

/// Claims as Supabase Auth writes them.
fn claims(subject: &str) -> Value {
    json!({
        "sub": subject, "aud": "authenticated", "role": "authenticated", "email": format!("{subject}@example.com"),
        "app_metadata": { "provider": "email" }, "user_metadata": { "full_name": "Ada" },
    })
}

/// G3: two ways in, a JWT of the web application or an API key, and the same is behind both. Here it is the management API.
#[test]
fn a_jwt_and_an_api_key_give_the_same_access() {
    let ugen = ugen();
    let (ada, eve) = (ugen.customer("g3-ada"), ugen.customer("g3-eve"));
    let scopes =
        ["accounts", "projects", "keys", "users", "usage", "audit"].map(|name| format!("keyplane:{name}:write"));
    let body = json!({ "project_id": ada.project, "environment": "live", "name": "Back office", "scopes": scopes });
    let key = ada.person.create("/v1/keys", &body);
    let server = Caller::api_key(ugen.flow.stack.control_plane.client(), &key.secret);

    for path in [
        format!("/v1/accounts/{}", ada.account),
        "/v1/projects".to_owned(),
        "/v1/users".to_owned(),
        format!("/v1/keys/{}", key.id),
        format!("/v1/keys?project_id={}", ada.project),
    ] {
        assert_eq!(ada.person.object(&path), server.object(&path), "{path}");
    }
    let theirs = eve.create("Production Backend", "live");
    for caller in [&ada.person, &server] {
        let made =
            caller.create("/v1/keys", &json!({ "project_id": ada.project, "environment": "test", "name": "new" }));
        let path = format!("/v1/keys/{}", made.id);
        assert_eq!(text(&caller.patch(&path, &json!({ "name": "renamed" })).json(), "name"), "renamed");
        assert_eq!(text(&caller.delete(&path).json(), "status"), "revoked");
        // Neither reaches another account.
        assert_eq!(caller.get(&format!("/v1/keys/{}", theirs.id)).status, 404);
        assert_eq!(caller.get("/v1/proxies").status, 403);
    }
    assert_eq!(ada.person.object("/v1/me")["email"], "g3-ada@example.com");

    // Who is nobody here, too late or somebody else stays out.
    let api = || ugen.flow.stack.control_plane.client();
    let status = |token| Caller::bearer(api(), &token).get("/v1/me").status;
    assert_eq!(status(ugen.auth.sign(claims("g3-stranger"), 3600)), 403);
    assert_eq!(status(ugen.auth.sign(claims("g3-ada"), -3600)), 401);
    assert_eq!(status(Issuer::es256().sign(claims("g3-ada"), 3600)), 401);
}

/// G3: in front of the product's own API, Envoy takes either, and the application sees the same account.
#[test]
fn the_application_sees_one_account_behind_a_jwt_and_a_key() {
    let ugen = ugen();
    let ada = ugen.customer("g3-proxy");
    let key = ada.create("Backend", "live");
    let first = ugen.flow.stack.envoy.settings().clone();
    let at = Ports::any().unwrap();
    let settings = EnvoySettings { proxy_port: at.proxy, admin_port: at.admin, ..first };
    let provider = json!({ "issuer": ugen.auth.url, "account": ["app_metadata", "account_id"] });
    let envoy = with_provider(settings, &ugen.auth, &provider, ugen.flow.stack.folder(), "envoy-jwt");
    let server = Caller::api_key(envoy.client(), &key.secret);
    eventually("both workers know the key", || server.gets_everywhere(BALANCE, 200));
    let mut claims = claims("g3-proxy");
    claims["app_metadata"] = json!({ "account_id": ada.account });
    let web = |lifetime| Caller::bearer(envoy.client(), &ugen.auth.sign(claims.clone(), lifetime));
    let answers = [server.get(BALANCE), web(60).get(BALANCE)];
    for answer in &answers {
        assert_eq!(seen(answer, "x-keyplane-account"), [ada.account.as_str()], "{}", answer.text());
    }
    assert_eq!(seen(&answers[1], "x-keyplane-user"), ["g3-proxy"]);
    assert_eq!(web(-600).get(BALANCE).status, 401);
    assert_eq!(envoy.client().get(BALANCE, &[]).unwrap().status, 401);
}

/// G6, G7, G8: a key is made with a name that says what it is for, its secret is shown once, and a program takes it from
/// the environment.
#[test]
fn a_named_key_is_shown_once_and_used_from_the_environment() {
    let ugen = ugen();
    let customer = ugen.customer("g6");
    let key = customer.create("Production Backend", "live");
    assert_eq!(text(&key.object, "name"), "Production Backend");
    assert!(key.secret.expose_secret().starts_with("ugen_sk_"));
    let (one, list) = (format!("/v1/keys/{}", key.id), format!("/v1/keys?project_id={}", customer.project));
    is_never_shown_again(&customer.person, &key, &[&one, &list]);
    assert_eq!(customer.person.object(&one)["key"], Value::Null);

    ugen.works(&key);
    let script = format!("curl -sS -X GET {}{BALANCE} -H \"X-API-Key: $UGEN_API_KEY\"", ugen.flow.proxy().base());
    let answer: Value = serde_json::from_str(&shell(&script, &[("UGEN_API_KEY", key.secret.expose_secret())])).unwrap();
    assert_eq!(answer["path"], BALANCE);
    assert_eq!(answer["headers"]["x-keyplane-account"], json!([customer.account]));
    // The application gets no key that it could log.
    assert_eq!(answer["headers"]["x-api-key"], Value::Null);
}

/// G9, G10, G11, G12, G13, G14: the list shows name, mask, last use, end (null for never) and creation of each key.
#[test]
fn the_list_shows_name_mask_creation_end_and_last_use() {
    let ugen = ugen();
    let customer = ugen.customer("g9");
    let end = "2099-01-15T10:30:00.000Z";
    let (staging, backend) =
        (customer.create_with("Staging Test", "live", &json!(end)), customer.create("Backend", "live"));
    let keys = customer.keys();
    assert_eq!(names(&keys), ["Backend", "Staging Test"], "the newest first");
    for (shown, made) in keys.iter().zip([&backend, &staging]) {
        assert!(is_time(text(shown, "created_at")), "{shown}");
        assert_eq!(shown["last_used_at"], Value::Null, "nobody used it");
        let (mask, secret) = (text(shown, "key_prefix"), made.secret.expose_secret());
        let (first, last) = mask.split_once("...").unwrap();
        assert!(mask.starts_with("ugen_sk_") && secret.starts_with(first) && secret.ends_with(last), "{mask}");
        assert_eq!(last.len(), 4);
    }
    assert_eq!((&keys[0]["expires_at"], &keys[1]["expires_at"]), (&Value::Null, &json!(end)));

    ugen.works(&backend);
    eventually("the last use is known", || customer.keys()[0]["last_used_at"].is_string());
    let used = customer.keys();
    assert!(is_time(text(&used[0], "last_used_at")));
    assert_eq!(used[1]["last_used_at"], Value::Null);
}

/// G15: to revoke is one call; it takes effect at once, everywhere, and for good. The trash icon is the dashboard's.
#[test]
fn revoking_is_immediate_and_for_good() {
    let ugen = ugen();
    let customer = ugen.customer("g15");
    let key = customer.create("Leaked", "live");
    ugen.works(&key);
    let path = format!("/v1/keys/{}", key.id);
    assert_eq!(customer.person.delete(&path).status, 200);
    eventually("both workers refuse it", || ugen.proxy(&key).gets_everywhere(BALANCE, 401));
    for (answer, what) in [
        (customer.person.patch(&path, &json!({ "enabled": true })), "switched on"),
        (customer.person.patch(&path, &json!({ "expires_at": "2099-01-15T10:30:00Z" })), "given another end"),
        (customer.person.post(&format!("{path}/rotate"), &json!({})), "rotated"),
    ] {
        assert_eq!(answer.status, 409, "a revoked key was {what}");
    }
    assert_eq!(text(&customer.keys()[0], "status"), "revoked");
    assert!(ugen.proxy(&key).gets_everywhere(BALANCE, 401));
}

/// G16: make a new key, switch to it, revoke the old one; a program that calls all the while sees no failure.
#[test]
fn a_key_is_replaced_without_a_failed_call() {
    let ugen = ugen();
    let customer = ugen.customer("g16");
    let old = customer.create("Backend", "live");
    ugen.works(&old);
    let (used, stop) = (Mutex::new(ugen.proxy(&old)), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let program = scope.spawn(|| {
            let mut calls = 0;
            while !stop.load(Ordering::Relaxed) {
                // The lock is held over the call, as a program ends what it began before it switches.
                let caller = used.lock().unwrap();
                assert_eq!(caller.get(BALANCE).status, 200, "call {calls} failed");
                calls += 1;
            }
            calls
        });
        let new = customer.create("Backend, new", "live");
        ugen.works(&new);
        assert!(ugen.proxy(&old).gets_everywhere(BALANCE, 200), "both work");
        *used.lock().unwrap() = ugen.proxy(&new);
        assert_eq!(customer.person.delete(&format!("/v1/keys/{}", old.id)).status, 200);
        eventually("the old key is refused", || ugen.proxy(&old).gets_everywhere(BALANCE, 401));
        assert!(ugen.proxy(&new).gets_everywhere(BALANCE, 200));
        stop.store(true, Ordering::Relaxed);
        assert!(program.join().unwrap() > 0);
    });
}

/// G18: each environment has a key of its own, and its use is counted apart.
#[test]
fn each_environment_has_its_key_and_its_usage() {
    let ugen = ugen();
    let customer = ugen.customer("g18");
    let keys = [("Dev", "test"), ("Staging", "test"), ("Production", "live")];
    let keys = keys.map(|(name, environment)| (environment, customer.create(name, environment)));
    let mut calls = Vec::new();
    for (environment, key) in &keys {
        // A call before the worker knows the key is refused and counts for no key.
        eventually("the key works", || ugen.proxy(key).get(BALANCE).status == 200);
        let more = 2 * calls.len() + 1;
        for _ in 0..more {
            assert_eq!(seen(&ugen.proxy(key).get(BALANCE), "x-keyplane-environment"), [*environment]);
        }
        calls.push(1 + more);
    }
    let usage = |group: &str| customer.person.list(&format!("/v1/usage?group_by={group}"));
    let allowed = |rows: &[Value], group: &str, name: &str| {
        let row = rows.iter().find(|row| row[group] == name);
        row.map_or(0, |row| usize::try_from(row["allowed"].as_u64().unwrap()).unwrap())
    };
    eventually("all calls are counted", || {
        let by_environment = usage("environment");
        allowed(&by_environment, "environment", "test") == calls[0] + calls[1]
            && allowed(&by_environment, "environment", "live") == calls[2]
    });
    let by_key = usage("key");
    let counted: Vec<_> = keys.iter().map(|(_, key)| allowed(&by_key, "key_id", &key.id)).collect();
    assert_eq!(counted, calls);
    assert_eq!(by_key.len(), keys.len(), "and nobody else's");
}
