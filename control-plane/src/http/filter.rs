//! `/filter`: the filter's module, for Envoy to fetch and for people to download.
//!
//! No credential is needed, as Envoy sends none when it fetches code; the module is the same for all and holds no secret. What
//! Envoy runs is decided by the digest in its own configuration. Offered by both listeners: proxies reach the sync listener
//! anyway, and over the same connection settings.

use super::problem::Problem;
use crate::error::{Code, Error};
use crate::modules::Module;
use crate::service::App;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// The current module may be another one after the next start.
const ASK_AGAIN: &str = "no-cache";
/// What is named by its digest never changes.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/filter/keyplane.wasm", get(current))
        .route("/filter/keyplane.wasm.sha256", get(digest))
        .route("/filter/{sha256}/keyplane.wasm", get(by_digest))
}

async fn current(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    Ok(answer(find_current(&app)?, &headers, ASK_AGAIN))
}

/// In the form of `sha256sum --check`.
async fn digest(State(app): State<App>) -> Result<Response, Problem> {
    let text = format!("{}  keyplane.wasm\n", find_current(&app)?.sha256);
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, ASK_AGAIN)], text).into_response())
}

async fn by_digest(
    State(app): State<App>,
    Path(sha256): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let detail =
        "This control plane has no filter module of this digest; the setting `filter_modules` names what it has.";
    let module = app.modules.with_digest(&sha256).ok_or_else(|| Error::with_detail(Code::NotFound, detail))?;
    Ok(answer(module, &headers, FOR_GOOD))
}

fn find_current(app: &App) -> Result<&Module, Problem> {
    let detail = "This control plane has no filter module: put keyplane.wasm beside the program, or name it in the setting \
                  `filter_modules`, and start again.";
    app.modules.current().ok_or_else(|| Error::with_detail(Code::NotFound, detail).into())
}

fn answer(module: &Module, headers: &HeaderMap, keep: &'static str) -> Response {
    let tag = format!("\"{}\"", module.sha256);
    let has = |value: &str| value.split(',').map(str::trim).any(|known| known.trim_start_matches("W/") == tag);
    let has_it = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(has);
    let kept = [(ETAG, tag), (CACHE_CONTROL, keep.to_owned())];
    if has_it {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    (kept, [(CONTENT_TYPE, "application/wasm")], module.bytes.clone()).into_response()
}
