//! A service behind Envoy that knows who calls: public pages, pages of an account, and a route that asks for a scope.
//!
//! ```text
//! cargo run -p keyplane-sdk --features axum --example axum_service -- 127.0.0.1:9000
//! ```
//!
//! It has no credential and calls nobody: the filter in Envoy has decided before a request gets here. It listens on loopback, where only
//! an Envoy on the same machine comes: whoever reaches it past Envoy can say to be anybody.

use axum::routing::{get, post};
use axum::{Extension, Router};
use keyplane_sdk::{Principal, PrincipalLayer, Refusal};
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app()).await?;
    Ok(())
}

fn app() -> Router {
    // Who lacks the scope gets a 403 that names it, before the handler runs.
    let writing = Router::new().route("/v1/files", post(upload)).layer(PrincipalLayer::new().scope("files:write"));
    Router::new()
        .route("/", get(welcome))
        .route("/v1/whoami", get(whoami))
        .route("/v1/report", get(report))
        .merge(writing)
}

/// Everybody may see it; those who are known are greeted.
async fn welcome(principal: Option<Principal>) -> String {
    let name = principal.as_ref().and_then(Principal::account).unwrap_or("stranger");
    format!("welcome, {name}\n")
}

/// The argument is enough: a request without an identity gets a 401.
async fn whoami(principal: Principal) -> String {
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    format!(
        "account {}\nproject {}\nkey {}\nenvironment {}\nscopes {}\n",
        text(principal.account().map(str::to_owned)),
        text(principal.project_id().map(|id| id.to_string())),
        text(principal.key_id().map(|id| id.to_string())),
        text(principal.environment().map(|environment| environment.to_string())),
        principal.scopes().join(" "),
    )
}

/// Scopes can also be asked for inside, where they depend on more than the route.
async fn report(principal: Principal) -> Result<&'static str, Refusal> {
    principal.require_any_scope(&["reports:read", "admin"])?;
    Ok("the report\n")
}

async fn upload(Extension(principal): Extension<Principal>) -> String {
    format!("stored for {}\n", principal.account().unwrap_or("nobody"))
}
