//! One good request for each operation of the `OpenAPI` document, so that a test can walk all of them. An operation that is not here
//! fails those tests: whoever adds one says here how it is called.

use crate::support::{Answer, ControlPlane, text};
use axum::body::Body;
use axum::http::{Method, Request};
use keyplane::domain::id::RequestId;
use keyplane::http::openapi::document;
use serde_json::{Value, json};

/// An operation of the document.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its id, such as `create_key`.
    pub id: String,
    pub method: Method,
    /// Its path, such as `/v1/keys/{id}`.
    pub path: String,
    /// The status when all is well.
    pub success: u16,
    /// Whether it takes a body.
    pub takes_body: bool,
    /// Names of its query parameters.
    pub query: Vec<String>,
}

/// All operations under `/v1`.
pub fn operations() -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, methods) in document()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if !path.starts_with("/v1/") {
                continue;
            }
            let statuses = operation["responses"].as_object().unwrap().keys();
            let success: Vec<_> = statuses.filter(|status| status.starts_with('2')).collect();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let query =
                parameters.filter(|parameter| parameter["in"] == "query").map(|parameter| text(parameter, "name"));
            found.push(Operation {
                id: text(operation, "operationId"),
                method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
                path: path.clone(),
                success: success[0].parse().unwrap(),
                takes_body: operation.get("requestBody").is_some(),
                query: query.collect(),
            });
        }
    }
    found
}

/// An account and what it owns.
#[derive(Clone, Debug)]
pub struct Tenant {
    pub account: String,
    pub project: String,
    /// The user whose personal access tokens calls are about.
    pub person: String,
}

impl Tenant {
    pub async fn make(plane: &ControlPlane) -> Self {
        let (account, project) = plane.project().await;
        let mut made = Self { account, project, person: String::new() };
        made.person = made.user(plane, "member").await;
        made
    }

    /// A key of its own that nothing has happened to.
    async fn key(&self, plane: &ControlPlane) -> String {
        text(&plane.key(&self.project, "live", "k").await, "id")
    }

    /// A person of its own.
    pub async fn user(&self, plane: &ControlPlane, role: &str) -> String {
        let email = format!("{}@example.com", unique(plane));
        let body = json!({ "account_id": self.account, "email": email, "name": "n", "role": role });
        made(plane, "/v1/users", body).await["id"].as_str().unwrap().to_owned()
    }

    /// A personal access token of a user, as it is answered.
    pub async fn token(&self, plane: &ControlPlane, user: &str) -> Value {
        made(plane, "/v1/personal_access_tokens", json!({ "user_id": user, "name": "n" })).await
    }
}

/// Makes something with the admin key.
async fn made(plane: &ControlPlane, path: &str, body: Value) -> Value {
    let answer = plane.post(path, body).await;
    assert_eq!(answer.status, 201, "{path}: {answer:?}");
    answer.json()
}

/// A text that has not been there.
fn unique(plane: &ControlPlane) -> String {
    RequestId::generate(plane.app.now(), &*plane.app.random).unwrap().to_string()
}

/// A valid proxy token beside the first. Two may be valid, so others are revoked.
async fn proxy_token(plane: &ControlPlane) -> String {
    revoke_later_proxy_tokens(plane).await;
    text(&made(plane, "/v1/proxy_tokens", json!({ "name": "next" })).await, "id")
}

async fn revoke_later_proxy_tokens(plane: &ControlPlane) {
    let tokens = plane.get("/v1/proxy_tokens?limit=200").await.json();
    for token in tokens["data"].as_array().unwrap().iter().filter(|token| token["name"] != "first") {
        plane.delete(&format!("/v1/proxy_tokens/{}", text(token, "id"))).await;
    }
}

/// A request without its credential.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    pub path: String,
    pub body: Option<Value>,
}

impl Call {
    /// A good call of `operation` on what `tenant` owns. What is used up by the call is made anew, with the admin key.
    pub async fn of(operation: &Operation, plane: &ControlPlane, tenant: &Tenant) -> Self {
        let id = match operation.path.as_str() {
            "/v1/accounts/{id}" => tenant.account.clone(),
            "/v1/projects/{id}" => tenant.project.clone(),
            "/v1/users/{id}" => tenant.user(plane, "member").await,
            "/v1/personal_access_tokens/{id}" => text(&tenant.token(plane, &tenant.person).await, "id"),
            path if path.starts_with("/v1/keys/{id}") => tenant.key(plane).await,
            "/v1/admin_keys/{id}" => {
                text(&made(plane, "/v1/admin_keys", json!({ "name": "n", "access": "write" })).await, "id")
            }
            "/v1/proxy_tokens/{id}" => proxy_token(plane).await,
            "/v1/proxy_tokens" if operation.id == "create_proxy_token" => {
                revoke_later_proxy_tokens(plane).await;
                String::new()
            }
            path => {
                assert!(!path.contains('{'), "say in calls.rs what the id in {path} is");
                String::new()
            }
        };
        let body = match operation.id.as_str() {
            _ if !operation.takes_body => None,
            "create_account" | "create_proxy_token" => Some(json!({ "name": "n" })),
            "create_project" => Some(json!({
                "account_id": tenant.account, "name": "n", "prefixes": { "live": "uk_live", "test": "uk_test" },
            })),
            "create_key" => Some(json!({ "project_id": tenant.project, "environment": "live", "name": "n" })),
            "create_user" => {
                let email = format!("{}@example.com", unique(plane));
                Some(json!({ "account_id": tenant.account, "email": email, "name": "n" }))
            }
            "create_admin_key" => Some(json!({ "name": "n", "access": "read" })),
            "create_personal_access_token" => Some(json!({ "user_id": tenant.person, "name": "n" })),
            id if id.starts_with("update_") => Some(json!({ "name": unique(plane) })),
            "rotate_key" => Some(json!({})),
            id => panic!("say in calls.rs what the body of {id} is"),
        };
        Self { method: operation.method.clone(), path: operation.path.replace("{id}", &id), body }
    }

    /// Whether it names something that is this tenant's.
    pub fn names(&self, tenant: &Tenant) -> bool {
        let body = self.body.as_ref().map(ToString::to_string).unwrap_or_default();
        let ids = [&tenant.account, &tenant.project, &tenant.person];
        // `/v1/keys` has three parts, `/v1/keys/{id}` more.
        self.path.split('/').count() > 3 || ids.iter().any(|id| body.contains(id.as_str()))
    }

    /// The request with these headers; a body is declared as JSON.
    pub fn request(&self, headers: &[(&str, &str)]) -> Request<Body> {
        let request = Request::builder().method(self.method.clone()).uri(&self.path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        match &self.body {
            Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        }
        .unwrap()
    }

    /// Sends it with this credential.
    pub async fn send(&self, plane: &ControlPlane, credential: &str) -> Answer {
        plane.send(self.request(&[("authorization", &format!("Bearer {credential}"))])).await
    }
}
