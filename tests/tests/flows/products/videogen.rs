//! `VideoGen`: keys with the product's prefix as `Authorization: Bearer`, and documentation that agents can read.

use super::super::fixture::{Flow, eventually};
use super::{Caller, Shared, account, is_never_shown_again, shell};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::Arc;
use xtask::stack::Stack;

/// One of the product's endpoints.
const IMAGES: &str = "/v1/tools/generate-image";

fn videogen() -> Arc<Flow> {
    static SHARED: Shared<Flow> = Shared::new();
    SHARED.get(|| {
        let mut plugin = Stack::usual_plugin();
        plugin["answers"] = json!({ "401": { "body": { "message": "Unauthorized" } } });
        Flow::with(&plugin, "")
    })
}

/// V1, V2, V3, V4, V5: a key that begins with `vg_key_` is created, shown once, kept in the environment and sent as a Bearer
/// token with every request.
#[test]
fn a_key_with_the_products_prefix_is_sent_as_bearer() {
    let flow = videogen();
    let account = account(&flow, "Studio", "pro");
    let project = flow.api().create_project(&account, "Developers", "vg_key", "vg_test").unwrap();
    let key = flow.api().create_key(&project, "Editor").unwrap();
    assert!(key.secret.expose_secret().starts_with("vg_key_"));
    let operator = Caller::bearer(flow.stack.control_plane.client(), flow.stack.control_plane.admin_key());
    let (one, list) = (format!("/v1/keys/{}", key.id), format!("/v1/keys?project_id={project}"));
    is_never_shown_again(&operator, &key, &[&one, &list]);

    let caller = Caller::bearer(flow.proxy(), &key.secret);
    eventually("both workers know the key", || caller.gets_everywhere(IMAGES, 200));
    let script = format!(
        "curl -sS -X POST {}{IMAGES} -H \"Authorization: Bearer $VIDEOGEN_API_KEY\" -H 'Content-Type: application/json' -d '{{}}'",
        flow.proxy().base()
    );
    let answer = shell(&script, &[("VIDEOGEN_API_KEY", key.secret.expose_secret())]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["method"], &answer["path"]), (&json!("POST"), &json!(IMAGES)));
    assert_eq!(answer["headers"]["x-keyplane-key-id"], json!([key.id]));
    assert_eq!(answer["headers"]["authorization"], Value::Null, "the application gets no key that it could log");
}

/// V8: a missing and an invalid key get the same answer: 401, and the product's own body, byte for byte.
#[test]
fn missing_and_invalid_keys_get_the_products_own_answer() {
    let flow = videogen();
    let account = account(&flow, "Wrong keys", "pro");
    let project = flow.api().create_project(&account, "Developers", "vg_key", "vg_test").unwrap();
    let revoked = flow.api().create_key(&project, "Revoked").unwrap();
    flow.api().revoke_key(&revoked.id).unwrap();
    let caller = Caller::bearer(flow.proxy(), &revoked.secret);
    eventually("both workers refuse the key", || caller.gets_everywhere(IMAGES, 401));

    let secret = revoked.secret.expose_secret();
    let damaged = secret.replace("vg_key_", "vg_key_x");
    let unknown = "vg_key_0123456789abcdefghijABCDEFGHIJ01abcdef";
    for (what, header) in [
        ("none", None),
        ("a revoked one", Some(format!("Bearer {secret}"))),
        ("a damaged one", Some(format!("Bearer {damaged}"))),
        ("an unknown one", Some(format!("Bearer {unknown}"))),
        ("no key at all", Some("Bearer hello".to_owned())),
        ("an empty one", Some("Bearer".to_owned())),
    ] {
        let headers: Vec<_> = header.iter().map(|value| ("authorization", value.as_str())).collect();
        let answer = flow.proxy().get(IMAGES, &headers).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (401, r#"{"message":"Unauthorized"}"#), "{what}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
        assert!(answer.header("www-authenticate").is_some(), "{what}");
    }
}

/// V9: an index for agents at `/llms.txt`, all pages in one at `/llms-full.txt`, and each page of the documentation as
/// Markdown under its address with `.md`.
#[test]
fn agents_can_read_the_documentation() {
    let flow = videogen();
    let read = |path: &str| {
        let answer = flow.stack.control_plane.client().get(path, &[]).unwrap();
        assert_eq!(answer.status, 200, "GET {path}");
        let kind = answer.header("content-type").unwrap().to_owned();
        (kind, answer.text())
    };
    let (kind, index) = read("/llms.txt");
    assert!(kind.starts_with("text/markdown") && index.starts_with("# Keyplane\n\n> "), "{kind}: {index}");
    let full = read("/llms-full.txt").1;
    let links: Vec<_> = index.lines().filter_map(|line| line.strip_suffix(')')?.rsplit_once("](")).collect();
    assert!(links.len() > 10, "{index}");
    for (_, path) in links {
        let (kind, page) = read(path);
        if let Some(path) = path.strip_suffix(".md") {
            assert!(kind.starts_with("text/markdown") && page.starts_with("# "), "{path}");
            assert!(read(path).0.starts_with("text/html"), "{path} is for people");
            assert!(path.starts_with("/errors/") || full.contains(page.trim_end()), "{path} is not in /llms-full.txt");
        }
    }
    // What people's index leads to is there for agents too.
    let html = read("/docs").1;
    for path in html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        if path.starts_with("/docs/") && !path.contains(".css") {
            assert!(read(&format!("{path}.md")).0.starts_with("text/markdown"), "{path}");
        }
    }
    assert!(read("/docs.md").0.starts_with("text/markdown"));
}
