//! A service that uses the SDK behind an Envoy whose filter tells who calls under the operator's own names, as `docs/filter.md` shows.

use super::fixture::{Flow, eventually};
use axum::http::HeaderName;
use axum::routing::{get, post};
use axum::{Extension, Router};
use keyplane_sdk::{Principal, PrincipalField, PrincipalHeaders, PrincipalLayer};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use xtask::stack::api::CreatedKey;
use xtask::stack::{Client, Envoy, EnvoySettings, Ports};

/// Names that a service might believe.
const FORGED: [&str; 5] =
    ["x-tenant-id", "x-tenant-rights", "x-keyplane-account", "x-consumer-id", "x-credential-identifier"];

async fn whoami(principal: Option<Principal>) -> String {
    let Some(principal) = principal else { return "nobody".to_owned() };
    let id = principal.key_id().map(|id| id.to_string());
    format!("{} {} {}", principal.account().unwrap_or("-"), id.as_deref().unwrap_or("-"), principal.scopes().join(","))
}

/// A service with these names; gives its port. It ends with the runtime.
fn serve(runtime: &tokio::runtime::Runtime, names: PrincipalHeaders) -> u16 {
    let writing = PrincipalLayer::new().headers(names.clone()).scope("files:write");
    let writing = Router::new().route("/v1/files", post(whoami)).layer(writing);
    let app =
        Router::new().route("/", get(whoami)).route("/v1/whoami", get(whoami)).layer(Extension(names)).merge(writing);
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move { axum::serve(listener, app).await });
    port
}

/// An Envoy before it, whose filter has this part `identity`.
fn envoy(flow: &Flow, upstream_port: u16, identity: &Value, name: &str) -> Envoy {
    let plugin = json!({
        "control_plane": { "cluster": "keyplane" },
        "guessing": { "failures": 0 },
        "rules": [{ "name": "welcome", "paths": ["/"], "access": "public" }],
        "identity": identity,
    });
    let at = Ports::any().unwrap();
    let settings = EnvoySettings {
        proxy_port: at.proxy,
        admin_port: at.admin,
        upstream_port,
        plugin,
        ..flow.stack.envoy.settings().clone()
    };
    Envoy::start(settings, flow.stack.folder(), name).unwrap()
}

/// A call by somebody who claims to be another, under each name that the service reads.
fn call(proxy: &Client, method: &str, path: &str, key: &CreatedKey) -> (u16, String) {
    let mut headers = vec![("x-api-key", key.secret.expose_secret())];
    headers.extend(FORGED.map(|name| (name, "files:write")));
    let answer = proxy.send(method, path, &headers, &[]).unwrap();
    (answer.status, answer.text())
}

#[test]
fn a_service_reads_the_names_that_the_operator_gave_and_nobody_else_can_say_them() {
    let flow = Flow::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let create = |scopes: &[&str]| {
        let body = json!({ "project_id": flow.project, "environment": "live", "name": "service", "scopes": scopes });
        flow.api().create_key_with(&body).unwrap()
    };
    let (reader, writer) = (create(&["files:read"]), create(&["files:read", "files:write"]));
    let account = flow.api().key(&reader.id).unwrap()["account_id"].as_str().unwrap().to_owned();

    let name = HeaderName::from_static;
    let own = PrincipalHeaders::keyplane()
        .with(PrincipalField::Account, name("x-tenant-id"))
        .with(PrincipalField::Scopes, name("x-tenant-rights"))
        .without(PrincipalField::Project);
    let own_identity = json!({ "headers": { "account": "x-tenant-id", "scopes": "x-tenant-rights", "project": null } });
    let kong = PrincipalHeaders::kong().with(PrincipalField::Scopes, name("x-consumer-groups"));
    let kong_identity = json!({ "preset": "kong", "headers": { "scopes": "x-consumer-groups" } });
    for (label, names, identity) in [("own-names", own, own_identity), ("kong-names", kong, kong_identity)] {
        let envoy = envoy(&flow, serve(&runtime, names), &identity, label);
        let proxy = envoy.client();
        let known = |key| call(&proxy, "GET", "/v1/whoami", key).0 == 200;
        eventually("both workers know the keys", || (0..12).all(|_| known(&reader) && known(&writer)));
        let said = call(&proxy, "GET", "/v1/whoami", &reader);
        assert_eq!(said, (200, format!("{account} {} files:read", reader.id)), "{label}");
        let (status, refusal) = call(&proxy, "POST", "/v1/files", &reader);
        assert!(status == 403 && refusal.contains("scope_missing"), "{label}: {status} {refusal}");
        let said = call(&proxy, "POST", "/v1/files", &writer);
        assert_eq!(said, (200, format!("{account} {} files:read,files:write", writer.id)), "{label}");
        // On a public path nobody is anybody, whatever they send.
        let forged = FORGED.map(|name| (name, "me"));
        assert_eq!(proxy.get("/", &forged).unwrap().text(), "nobody", "{label}");
    }
    // A service whose names are not the filter's knows nobody.
    let envoy = envoy(&flow, serve(&runtime, PrincipalHeaders::keyplane()), &json!({ "preset": "kong" }), "mismatch");
    let proxy = envoy.client();
    eventually("the keys are known", || call(&proxy, "GET", "/v1/whoami", &reader) == (200, "nobody".to_owned()));
}
