//! The management API as flows need it: a few calls that must succeed, with the answer's fields.
//!
//! It is written out here rather than taken from the SDK, so that what the tests send stays put when the SDK changes.

use anyhow::{Context, Result, bail};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::http::{Client, Response};

/// The management API with a credential.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
}

/// A key as its creation answers it.
#[derive(Debug, Clone)]
pub struct CreatedKey {
    /// The key's id: a UUID in lower case.
    pub id: String,
    /// The mask, which may be shown.
    pub mask: String,
    /// The key itself.
    pub secret: SecretString,
    /// The whole answer but the secret.
    pub object: Value,
}

impl Api {
    /// Calls go through `client`, with its credential.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client below, for calls that are not written out here.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// `POST /v1/accounts`. Gives the account's id.
    pub fn create_account(&self, name: &str) -> Result<String> {
        let answer = self.client.post("/v1/accounts", &json!({ "name": name }))?;
        id(&expect("POST /v1/accounts", &answer, 201)?)
    }

    /// `POST /v1/projects`. Gives the project's id.
    pub fn create_project(&self, account: &str, name: &str, live: &str, test: &str) -> Result<String> {
        let body = json!({ "account_id": account, "name": name, "prefixes": { "live": live, "test": test } });
        let answer = self.client.post("/v1/projects", &body)?;
        id(&expect("POST /v1/projects", &answer, 201)?)
    }

    /// `POST /v1/keys` for a live key without restrictions.
    pub fn create_key(&self, project: &str, name: &str) -> Result<CreatedKey> {
        self.create_key_with(&json!({ "project_id": project, "environment": "live", "name": name }))
    }

    /// `POST /v1/keys` with this body.
    pub fn create_key_with(&self, body: &Value) -> Result<CreatedKey> {
        let answer = self.client.post("/v1/keys", body)?;
        let mut object = expect("POST /v1/keys", &answer, 201)?;
        let secret = object.as_object_mut().and_then(|fields| fields.remove("key"));
        let secret = secret.as_ref().and_then(Value::as_str).context("POST /v1/keys answered no `key`")?;
        let mask = object["key_prefix"].as_str().context("POST /v1/keys answered no `key_prefix`")?.to_owned();
        Ok(CreatedKey { id: id(&object)?, mask, secret: secret.to_owned().into(), object })
    }

    /// `GET /v1/keys/{id}`.
    pub fn key(&self, key: &str) -> Result<Value> {
        let path = format!("/v1/keys/{key}");
        expect(&format!("GET {path}"), &self.client.get(&path, &[])?, 200)
    }

    /// `DELETE /v1/keys/{id}`: revokes it.
    pub fn revoke_key(&self, key: &str) -> Result<Response> {
        let path = format!("/v1/keys/{key}");
        let answer = self.client.delete(&path)?;
        if !matches!(answer.status, 200 | 204) {
            bail!("DELETE {path} answered {}: {}", answer.status, answer.text());
        }
        Ok(answer)
    }
}

fn expect(call: &str, answer: &Response, status: u16) -> Result<Value> {
    if answer.status == status {
        return Ok(answer.json());
    }
    // A refusal holds no secret; an answer of another success might.
    let text = if answer.status >= 400 { answer.text() } else { "a body that is not shown".into() };
    bail!("{call} answered {} instead of {status}: {text}", answer.status);
}

fn id(object: &Value) -> Result<String> {
    Ok(object["id"].as_str().context("the answer has no `id`")?.to_owned())
}
