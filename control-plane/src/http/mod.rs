//! The two listeners' routes. A handler reads the request into domain types, calls one operation and writes its answer.
//!
//! Whatever goes wrong, also inside axum, leaves as one problem document; see [`problem`].

pub(crate) mod auth;
mod body;
mod created;
mod docs;
mod etag;
mod filter;
mod health;
mod metrics;
mod observe;
pub mod openapi;
mod post;
pub(crate) mod problem;
mod query;
mod sync;
pub(crate) mod v1;

use crate::dashboard;
use crate::error::Code;
use crate::service::App;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use problem::Problem;

/// The longest body of a management request, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// The management listener: the dashboard at `/`, `/v1`, `/metrics`, `/healthz`, `/readyz`, what tells of it: `/docs`, `/errors`, `/openapi.json`, `/llms.txt`, and the filter under `/filter`.
pub fn management(app: &App) -> Router {
    let metrics = Router::new()
        .route("/metrics", get(metrics::handle))
        .route_layer(from_fn_with_state(app.clone(), auth::require_caller));
    let routes = v1::routes(app).merge(metrics).merge(docs::routes()).merge(filter::routes());
    finish(app, routes.merge(dashboard::routes(app)).fallback(dashboard::missing))
}

/// The sync listener: `/sync/v1`, `/filter`, `/healthz`, `/readyz`.
pub fn sync(app: &App) -> Router {
    finish(app, sync::routes(app).merge(filter::routes()).fallback(async || Problem::from(Code::NotFound)))
}

fn finish(app: &App, routes: Router<App>) -> Router {
    routes
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(async || Problem::from(Code::MethodNotAllowed))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(problem::of_panic))
        .layer(from_fn_with_state(app.clone(), observe::observe))
        .layer(from_fn(observe::security_headers))
        .with_state(app.clone())
}
