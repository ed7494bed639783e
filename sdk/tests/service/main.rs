//! Who calls, in a service: as an argument of axum's handlers, and as a layer of tower.

use axum::body::Body;
use axum::http::HeaderName;
use axum::http::{Request, Response, StatusCode};
use axum::routing::{get, post};
use axum::{Extension, Router};
use keyplane_sdk::{Environment, Principal, PrincipalField, PrincipalHeaders, PrincipalLayer, Refusal};
use serde_json::Value;
use std::convert::Infallible;
use tower::{Service as _, ServiceBuilder, ServiceExt as _, service_fn};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const KEY: [(&str, &str); 4] = [
    ("x-keyplane-key-id", ID),
    ("x-keyplane-account", ID),
    ("x-keyplane-environment", "live"),
    ("x-keyplane-scopes", "files:read"),
];

async fn who(principal: Principal) -> String {
    principal.account().unwrap().to_owned()
}

async fn perhaps(principal: Option<Principal>) -> &'static str {
    if principal.is_some() { "somebody" } else { "nobody" }
}

async fn admin(principal: Principal) -> Result<&'static str, Refusal> {
    principal.require_any_scope(&["admin", "owner"])?;
    Ok("admin")
}

async fn of_the_layer(Extension(principal): Extension<Principal>) -> String {
    principal.scopes().join(",")
}

fn app() -> Router {
    let write = PrincipalLayer::new().scope("files:write").environment(Environment::Live);
    Router::new()
        .route("/who", get(who))
        .route("/perhaps", get(perhaps))
        .route("/admin", get(admin))
        .merge(Router::new().route("/layer", get(of_the_layer)).layer(PrincipalLayer::new()))
        .merge(Router::new().route("/write", post(of_the_layer)).layer(write))
}

async fn call(path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let method = if path == "/write" { "POST" } else { "GET" };
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(answer: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(answer.into_body(), 65536).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Status, code and challenge of a refusal, which is a whole problem document, and in the documentation.
async fn refused(answer: Response<Body>) -> (u16, String, Option<String>) {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let problem: Value = serde_json::from_str(&text(answer).await).unwrap();
    let code = problem["code"].as_str().unwrap().to_owned();
    assert_eq!(problem["status"], status);
    let documented =
        include_str!("../../../docs/errors.md").split_once("## From a Rust service behind Envoy").unwrap().1;
    assert!(documented.contains(&format!("| `{code}` | {status} | ")), "docs/errors.md has no row for {code}");
    assert_eq!(problem["type"], format!("https://keyplane.dev/errors/{code}"));
    assert!(problem["title"].is_string() && problem["detail"].as_str().unwrap().ends_with('.'));
    (status, code, challenge)
}

fn with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    KEY.into_iter().filter(|(other, _)| *other != name).chain([(name, value)]).collect()
}

#[tokio::test]
async fn a_handler_is_told_who_calls() {
    assert_eq!(text(call("/who", &KEY).await).await, ID);
    assert_eq!(text(call("/layer", &KEY).await).await, "files:read");
    assert_eq!(text(call("/perhaps", &KEY).await).await, "somebody");
    assert_eq!(text(call("/perhaps", &[]).await).await, "nobody");
}

#[tokio::test]
async fn nobody_is_refused_with_401_and_a_challenge() {
    for path in ["/who", "/admin", "/layer", "/write"] {
        let bearer = Some("Bearer realm=\"keyplane\"".to_owned());
        assert_eq!(refused(call(path, &[]).await).await, (401, "identity_missing".to_owned(), bearer), "{path}");
    }
}

#[tokio::test]
async fn what_the_filter_cannot_have_written_is_refused_also_where_an_identity_is_optional() {
    let twice: Vec<_> = KEY.into_iter().chain([KEY[1]]).collect();
    let half: Vec<_> = KEY.into_iter().filter(|(name, _)| *name != "x-keyplane-account").collect();
    for headers in [twice, half, with("x-keyplane-environment", "prod"), with("x-keyplane-key-id", "1")] {
        for path in ["/who", "/perhaps", "/admin", "/layer", "/write"] {
            let (status, code, _) = refused(call(path, &headers).await).await;
            assert_eq!((status, code.as_str()), (401, "identity_invalid"), "{path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_scope_is_refused_with_403_and_named() {
    let challenge =
        |scopes: &str| Some(format!("Bearer realm=\"keyplane\", error=\"insufficient_scope\", scope=\"{scopes}\""));
    assert_eq!(refused(call("/admin", &KEY).await).await, (403, "scope_missing".to_owned(), challenge("admin owner")));
    assert_eq!(refused(call("/write", &KEY).await).await, (403, "scope_missing".to_owned(), challenge("files:write")));
    assert_eq!(call("/admin", &with("x-keyplane-scopes", "a owner")).await.status(), 200);
    assert_eq!(call("/write", &with("x-keyplane-scopes", "files:write")).await.status(), 200);
    // No name is a pattern, a prefix or a list.
    for scopes in ["files:*", "files:writer", "files", "FILES:WRITE", "files:write,admin"] {
        assert_eq!(call("/write", &with("x-keyplane-scopes", scopes)).await.status(), 403, "{scopes}");
    }
}

#[tokio::test]
async fn a_key_of_the_other_environment_is_refused_before_its_scopes_are_looked_at() {
    let (status, code, _) = refused(call("/write", &with("x-keyplane-environment", "test")).await).await;
    assert_eq!((status, code.as_str()), (403, "environment_not_allowed"));
}

#[tokio::test]
async fn under_names_of_the_operators_own_extractors_and_layers_know_the_same_caller() {
    let name = HeaderName::from_static("x-tenant-id");
    let names = PrincipalHeaders::keyplane().with(PrincipalField::Account, name);
    let writing = Router::new()
        .route("/inner", get(who).layer(PrincipalLayer::new().scope("files:read")))
        .layer(PrincipalLayer::new().headers(names.clone()));
    // The one outside of all layers has the names too; beside it they were forgotten.
    let known = Router::new().route("/who", get(who)).route("/perhaps", get(perhaps)).layer(Extension(names));
    let forgotten = Router::new().route("/forgotten", get(who)).route("/layer", get(who).layer(PrincipalLayer::new()));
    let app = known.merge(writing).merge(forgotten);
    let call = async |path: &str, account: &str| {
        let headers =
            [("x-keyplane-key-id", ID), ("x-keyplane-environment", "live"), ("x-keyplane-scopes", "files:read")];
        let request = Request::builder().uri(path).header(account, ID);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    for path in ["/who", "/inner"] {
        assert_eq!(text(call(path, "x-tenant-id").await).await, ID, "{path}");
        let (status, code, _) = refused(call(path, "x-keyplane-account").await).await;
        assert_eq!((status, code.as_str()), (401, "identity_invalid"), "{path}");
    }
    assert_eq!(text(call("/perhaps", "x-tenant-id").await).await, "somebody");
    for path in ["/forgotten", "/layer"] {
        assert_eq!(call(path, "x-tenant-id").await.status(), 401, "{path}");
    }
}

#[tokio::test]
async fn any_server_of_tower_can_be_behind_the_layer() {
    let inner = service_fn(|request: Request<()>| {
        let principal = request.extensions().get::<Principal>().unwrap().clone();
        std::future::ready(Ok::<_, Infallible>(Response::new(principal.account().unwrap().to_owned())))
    });
    let layer = PrincipalLayer::new().scope("files:read").any_scope(["admin", "files:read"]);
    let mut service = ServiceBuilder::new().layer(layer).service(inner);
    let request = |headers: &[(&str, &str)]| {
        headers
            .iter()
            .fold(Request::builder(), |request, (name, value)| request.header(*name, *value))
            .body(())
            .unwrap()
    };
    let answer = service.ready().await.unwrap().call(request(&KEY)).await.unwrap();
    assert_eq!((answer.status(), answer.body().as_str()), (StatusCode::OK, ID));
    let answer = service.ready().await.unwrap().call(request(&KEY[..3])).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let nobody = service.ready().await.unwrap().call(request(&[])).await.unwrap();
    assert!(nobody.status() == StatusCode::UNAUTHORIZED && nobody.body().contains("identity_missing"));
}

#[test]
fn a_layer_that_asks_for_one_of_no_scopes_lets_nobody_in() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let inner = service_fn(|_: Request<()>| std::future::ready(Ok::<_, Infallible>(Response::new(String::new()))));
    let service = ServiceBuilder::new().layer(PrincipalLayer::new().any_scope([""; 0])).service(inner);
    let request = KEY.into_iter().fold(Request::builder(), |request, (name, value)| request.header(name, value));
    let answer = runtime.block_on(service.oneshot(request.body(()).unwrap())).unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}
