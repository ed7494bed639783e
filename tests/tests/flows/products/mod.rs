//! The promises that five products make about their API keys, each kept by the real parts in front of a real upstream.
//!
//! Each module is one product, set up as its operator would: prefixes, plans, issuers of JWTs. A test says in its first line
//! which rows of `docs/rows.md` it holds; `rows` keeps the two together. A promise about a page is held by flows of
//! the dashboard too.

mod examples;
mod gen_pro;
pub mod issuer;
mod rows;
mod ugc;
mod ugen;
mod uploadkit;
mod videogen;

use super::fixture::Flow;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use xtask::stack::api::CreatedKey;
use xtask::stack::{Client, Response};

/// So many requests in a row, each on a new connection, meet both workers.
const ROW: usize = 12;

/// What the tests of a product share while they run at the same time: one start instead of many. It ends with the last of
/// them.
struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    fn get(&self, start: impl FnOnce() -> T) -> Arc<T> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.upgrade().unwrap_or_else(|| {
            let started = Arc::new(start());
            *place = Arc::downgrade(&started);
            started
        })
    }
}

/// Somebody who sends one credential, always in the same header.
#[derive(Clone)]
struct Caller {
    client: Client,
    header: &'static str,
    value: SecretString,
}

impl Caller {
    /// With the key in `X-API-Key`.
    fn api_key(client: Client, key: &SecretString) -> Self {
        Self { client, header: "x-api-key", value: key.clone() }
    }

    /// With the token in `Authorization: Bearer`.
    fn bearer(client: Client, token: &SecretString) -> Self {
        Self { client, header: "authorization", value: format!("Bearer {}", token.expose_secret()).into() }
    }

    fn send(&self, method: &str, path: &str, body: &str) -> Response {
        let headers = [(self.header, self.value.expose_secret()), ("content-type", "application/json")];
        let headers = if body.is_empty() { &headers[..1] } else { &headers };
        self.client.send(method, path, headers, body.as_bytes()).unwrap()
    }

    fn get(&self, path: &str) -> Response {
        self.send("GET", path, "")
    }

    fn post(&self, path: &str, body: &Value) -> Response {
        self.send("POST", path, &body.to_string())
    }

    fn patch(&self, path: &str, body: &Value) -> Response {
        self.send("PATCH", path, &body.to_string())
    }

    fn delete(&self, path: &str) -> Response {
        self.send("DELETE", path, "")
    }

    /// The object at `path`.
    fn object(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        answer.json()
    }

    /// What a list holds: its first page.
    fn list(&self, path: &str) -> Vec<Value> {
        self.object(path)["data"].as_array().unwrap().clone()
    }

    /// Makes a key or a personal access token.
    fn create(&self, path: &str, body: &Value) -> CreatedKey {
        let answer = self.post(path, body);
        // An answer of another status holds no secret.
        assert_eq!(
            answer.status,
            201,
            "POST {path}: {}",
            if answer.status < 400 { String::new() } else { answer.text() }
        );
        let mut object = answer.json();
        let secret = object.as_object_mut().unwrap().remove("key").unwrap();
        CreatedKey {
            id: object["id"].as_str().unwrap().to_owned(),
            mask: object["key_prefix"].as_str().unwrap().to_owned(),
            secret: secret.as_str().unwrap().to_owned().into(),
            object,
        }
    }

    /// Whether every worker of the proxy answers with this status.
    fn gets_everywhere(&self, path: &str, status: u16) -> bool {
        (0..ROW).all(|_| self.get(path).status == status)
    }
}

/// A text of an object.
fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_else(|| panic!("`{field}` is no text in {object}"))
}

/// The names in a list.
fn names(list: &[Value]) -> Vec<&str> {
    list.iter().map(|object| text(object, "name")).collect()
}

/// An id as UUIDs are written (RFC 9562, section 4).
fn is_uuid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    let hexadecimal = |group: &&str| group.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.iter().all(hexadecimal)
}

/// A time in UTC with milliseconds, such as `2024-01-15T10:30:00.000Z`.
fn is_time(text: &str) -> bool {
    let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    text.bytes().map(shape).eq(*b"0000-00-00T00:00:00.000Z")
}

/// Runs a page's own command with these variables, and gives what it printed.
fn shell(script: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new("sh")
        .args(["-eu", "-c", script])
        .envs(variables.iter().copied())
        .env_remove("http_proxy")
        .output();
    let output = output.unwrap();
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}: {shown}{errors}");
    shown.into_owned()
}

/// The secret is in none of the answers that come after the creation.
fn is_never_shown_again(caller: &Caller, key: &CreatedKey, paths: &[&str]) {
    for path in paths {
        let answer = caller.get(path);
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        assert!(answer.text().contains(&key.mask), "GET {path} does not show the mask");
        assert!(!answer.text().contains(key.secret.expose_secret()), "GET {path} shows the secret");
    }
}

/// An account of a plan; gives its id.
fn account(flow: &Flow, name: &str, plan: &str) -> String {
    let answer = flow.api().client().post("/v1/accounts", &serde_json::json!({ "name": name, "plan": plan })).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    text(&answer.json(), "id").to_owned()
}

/// A user; gives its id.
fn user(flow: &Flow, body: &Value) -> String {
    let answer = flow.api().client().post("/v1/users", body).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    text(&answer.json(), "id").to_owned()
}
