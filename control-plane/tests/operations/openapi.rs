//! The API's description is locked, and what the server answers is what the description says.

use crate::fixture::{Server, done, keyplane};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn printed() -> Value {
    serde_json::from_str(&done(&keyplane(&["openapi"]))).unwrap()
}

#[test]
fn the_description_changes_only_on_purpose() {
    let locked: Value = serde_json::from_str(include_str!("../../openapi.json")).unwrap();
    let (found, hint) =
        (printed(), "write it again with `keyplane openapi > control-plane/openapi.json` and look at the difference");
    for part in ["paths", "components"] {
        for (name, value) in found[part].as_object().unwrap() {
            assert_eq!(
                locked[part].get(name),
                Some(value),
                "{part}.{name} is not as in control-plane/openapi.json; {hint}"
            );
        }
    }
    assert!(locked == found, "control-plane/openapi.json is not what the code says; {hint}");
}

#[test]
fn every_operation_is_named_and_tells_its_failures() {
    let document = printed();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let here = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{here} has the id of another");
            assert!(operation["summary"].is_string(), "{here} has no summary");
            let responses = operation["responses"].as_object().unwrap();
            // Each answer is told, so that none is a surprise.
            assert!(responses.contains_key("500") && !responses.contains_key("default"), "{here}");
            assert_eq!(responses.contains_key("401"), path.starts_with("/v1/"), "{here}");
            assert_eq!(responses.contains_key("422"), operation.get("requestBody").is_some(), "{here}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(document: &Value, value: &Value) {
        if let Some(path) = value["$ref"].as_str() {
            assert!(document.pointer(path.trim_start_matches('#')).is_some(), "{path}");
        }
        value.as_object().into_iter().flatten().for_each(|(_, value)| check(document, value));
        value.as_array().into_iter().flatten().for_each(|value| check(document, value));
    }
    let document = printed();
    check(&document, &document);
}

/// The names that a schema has, and those that it requires.
fn names(document: &Value, schema: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return names(document, &document["components"]["schemas"][name]);
    }
    let (mut all, mut required) = (BTreeSet::new(), BTreeSet::new());
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let (more, needed) = names(document, part);
        all.extend(more);
        required.extend(needed);
    }
    all.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    required.extend(schema["required"].as_array().into_iter().flatten().map(|name| name.as_str().unwrap().to_owned()));
    (all, required)
}

#[test]
fn answers_have_exactly_the_fields_that_are_described() {
    let (folder, document) = (tempfile::tempdir().unwrap(), printed());
    let server = Server::start(folder.path());
    let check = |method: &str, path: &str, concrete: &str, body: Option<Value>| {
        let answer = server.call(method, concrete, body.as_ref());
        let response = &document["paths"][path][method.to_lowercase()]["responses"][answer.status.to_string()];
        let mut schema = &response["content"]["application/json"]["schema"];
        let problem = json!({ "$ref": "#/components/schemas/Problem" });
        if response.get("$ref").is_some() {
            schema = &problem;
        }
        let found: BTreeSet<_> = answer.json().as_object().unwrap().keys().cloned().collect();
        let (all, required) = names(&document, schema);
        assert!(!all.is_empty(), "{method} {path}: {} is not described", answer.status);
        assert!(required.is_subset(&found) && found.is_subset(&all), "{method} {path}: {found:?} is not {all:?}");
        answer.json()
    };
    let account = check("POST", "/v1/accounts", "/v1/accounts", Some(json!({ "name": "a" })));
    let account = account["id"].as_str().unwrap();
    let prefixes = json!({ "live": "uk_live", "test": "uk_test" });
    let body = json!({ "account_id": account, "name": "p", "prefixes": prefixes });
    let project = check("POST", "/v1/projects", "/v1/projects", Some(body));
    let project = project["id"].as_str().unwrap();
    let body = json!({ "project_id": project, "environment": "live", "name": "k", "scopes": ["a:b"] });
    let key = check("POST", "/v1/keys", "/v1/keys", Some(body));
    let path = format!("/v1/keys/{}", key["id"].as_str().unwrap());
    check("GET", "/v1/accounts/{id}", &format!("/v1/accounts/{account}"), None);
    check("GET", "/v1/projects/{id}", &format!("/v1/projects/{project}"), None);
    check("GET", "/v1/keys/{id}", &path, None);
    check("PATCH", "/v1/keys/{id}", &path, Some(json!({ "name": "n" })));
    check("PATCH", "/v1/keys/{id}", &path, Some(json!({ "nam": "n" })));
    check("GET", "/v1/keys/{id}/sources", &format!("{path}/sources"), None);
    check("POST", "/v1/keys/{id}/rotate", &format!("{path}/rotate"), Some(json!({ "retire_when_idle_hours": 1 })));
    check("DELETE", "/v1/keys/{id}", &path, None);
    check("GET", "/v1/keys/{id}", "/v1/keys/x", None);
    for path in ["/v1/accounts", "/v1/projects", "/v1/keys", "/v1/proxies", "/v1/usage", "/healthz", "/readyz"] {
        check("GET", path, path, None);
    }
    check("GET", "/v1/keys", "/v1/keys?limit=0", None);
}

#[test]
fn the_pages_are_there_without_a_credential_and_load_nothing_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    assert_eq!(server.get("/openapi.json").json(), printed());
    for (path, holds) in [
        ("/docs", "POST /v1/keys"),
        ("/docs/style.css", "color-scheme"),
        ("/docs/protocol", "<table>"),
        ("/docs/protocol.md", "| flags: bit 0 last page"),
        ("/docs/api.md", "### DELETE /v1/keys/{id}"),
        ("/errors/not_found", "<h1>not_found</h1>"),
        ("/errors/table_not_ready.md", "Retry-After"),
        ("/llms.txt", "# Keyplane\n\n> "),
        ("/llms-full.txt", "### DELETE /v1/keys/{id}"),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains(holds), "{path} has no {holds}");
        let head = answer.head.to_lowercase();
        if head.contains("content-type: text/html") {
            assert!(head.contains("content-security-policy: default-src 'none'; style-src 'self'"), "{head}");
            for outside in ["<script", "src=", "@import", "style="] {
                assert!(!answer.body.contains(outside), "{path} has {outside}");
            }
        }
    }
    for path in ["/docs/nothing", "/docs/nothing.md", "/errors/nothing", "/docs/..%2fapi"] {
        assert_eq!(server.get(path).json()["code"], "not_found", "{path}");
    }
    // Each problem leads to a page of this server.
    let problem = server.get("/v1/keys").json();
    let page = problem["type"].as_str().unwrap().strip_prefix("https://keyplane.dev").unwrap().to_owned();
    assert_eq!(server.get(&page).status, 200);
}
