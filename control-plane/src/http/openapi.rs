//! The management API's description, `OpenAPI` 3.1, from the code.
//!
//! Each handler says what it takes and answers on success. What every operation shares (credentials, problems) is added
//! here once. `openapi.json` beside `Cargo.toml` locks the whole: a change of the API shows in review.

use super::created::REPLAYED;
use super::post::IDEMPOTENCY_KEY;
use super::{health, problem, v1};
use crate::domain::idempotency::MAX_LEN;
use serde_json::{Value, json};
use std::sync::LazyLock;
use utoipa::OpenApi;

const DESCRIPTION: &str = "Keyplane issues API keys and has Envoy check them.\n\nSend an admin key, a key with management scopes, a personal access token or a JWT as `Authorization: Bearer <key>` or as `X-API-Key`; exactly one of them. \
     Lists are newest first; give `next_cursor` as `cursor` to go on. Unknown fields and parameters are refused. A POST with an \
     `Idempotency-Key` may be sent again: it is done once. Times are RFC 3339 in UTC. Every failure is a problem document (RFC 9457): branch on its `code`.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Keyplane", description = DESCRIPTION),
    paths(health::alive, health::ready),
    // What only parameters refer to is not found by itself.
    components(schemas(problem::Document, v1::texts::AuditCursorText, v1::texts::WaitText)),
    tags(
        (name = "Accounts", description = "Tenants: who owns projects."),
        (name = "Projects", description = "What keys belong to; decides how they begin."),
        (name = "Keys", description = "What callers of your API present."),
        (name = "Usage", description = "What keys were used for."),
        (name = "Personal access tokens", description = "Keys that act as a user."),
        (name = "Users", description = "The people of an account."),
        (name = "Me", description = "Who calls."),
        (name = "Admin keys", description = "What the operator calls this API with."),
        (name = "Proxy tokens", description = "What proxies read the feed with."),
        (name = "Audit", description = "Who did what to which object, from where, when. It is written with each change, and never changed."),
        (name = "Proxies", description = "The Envoys that check keys."),
        (name = "Health", description = "For what watches the process. Takes no credential.")
    )
)]
struct Base;

/// The document.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let mut document = Base::openapi();
        document.merge(v1::documented().into_openapi());
        let mut document = serde_json::to_value(document).unwrap_or_default();
        share(&mut document);
        document
    });
    &DOCUMENT
}

/// Adds what all operations have in common.
fn share(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "An admin key, a key with management scopes, a personal access token or a JWT." },
        "api_key": { "type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same credentials." },
    });
    document["components"]["responses"] = json!({
        "Problem": {
            "description": "A problem",
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        },
    });
    document["security"] = json!([{ "bearer": [] }, { "api_key": [] }]);
    document["components"]["parameters"] = json!({ "IdempotencyKey": idempotency_key() });
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, methods) in paths {
        let open = !path.starts_with("/v1/");
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
                never_null(&mut parameter["schema"]);
                if parameter["name"] == "if-match" {
                    parameter["schema"]["format"] = json!("entity-tag");
                }
            }
            let takes_body = operation.get("requestBody").is_some();
            if method == "post" && !open {
                recognise(operation);
            }
            let mut add = |status: &str, description: &str| {
                let answer = json!({ "$ref": "#/components/responses/Problem", "description": description });
                if operation["responses"].get(status).is_none() {
                    operation["responses"][status] = answer;
                }
            };
            add("500", "A fault of Keyplane");
            add("503", "Too busy, or about to stop");
            if open {
                operation["security"] = json!([]);
                continue;
            }
            add("400", "More than one credential, or a wrong header, query parameter or body");
            add("401", "No credential, or one that is not accepted");
            add("403", "Not with this credential");
            add("404", "Nothing with this id, or nothing that you may know of");
            add("429", "Too many failed attempts to authenticate");
            if takes_body {
                add("408", "The body did not come in time");
                add("413", "The body is too long");
                add("415", "The body is not declared as JSON");
                add("422", "Fields are wrong, missing or unknown");
            }
        }
    }
}

fn idempotency_key() -> Value {
    json!({
        "name": IDEMPOTENCY_KEY,
        "in": "header",
        "required": false,
        "description": "Makes it safe to send the request again: the same request with the same key is done once, and answered again as the first time, \
            the secret included, for as long as the server is set to remember (24 hours unless it says otherwise). Make it a random UUID for each new request. \
            With a JWT it must have at least 16 characters.",
        "schema": { "type": "string", "minLength": 1, "maxLength": MAX_LEN, "pattern": "^[!-~]+$" },
        "example": "6f1c2c3e-5b0e-4a57-9d4b-0d0f6c1c7a11",
    })
}

/// What a POST that can be sent again takes and answers beside its own.
fn recognise(operation: &mut Value) {
    let key = json!({ "$ref": "#/components/parameters/IdempotencyKey" });
    match operation.get_mut("parameters").and_then(Value::as_array_mut) {
        Some(parameters) => parameters.push(key),
        None => operation["parameters"] = json!([key]),
    }
    let reused = "The Idempotency-Key was used for another request";
    match operation["responses"].get_mut("409") {
        Some(own) => {
            let first = own["description"].as_str().unwrap_or_default();
            own["description"] = json!(format!("{first}, or: {reused}"));
        }
        None => {
            operation["responses"]["409"] = json!({ "$ref": "#/components/responses/Problem", "description": reused });
        }
    }
    for (status, answer) in operation["responses"].as_object_mut().into_iter().flatten() {
        if status.starts_with('2') {
            answer["headers"][REPLAYED.as_str()] = json!({
                "description": "`true` when this is the answer that the same request got before",
                "schema": { "type": "string", "enum": ["true"] },
            });
        }
    }
}

/// A parameter is left out, never null.
fn never_null(schema: &mut Value) {
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
}
