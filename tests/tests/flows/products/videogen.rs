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
    SHARED.get(|| Flow::with(&Stack::usual_plugin(), ""))
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
