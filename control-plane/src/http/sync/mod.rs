//! What proxies speak with: the feed, and batches of usage. `docs/protocol.md` has the bytes.

mod changes;
mod usage;

use super::auth::require_proxy;
use crate::service::App;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use keyplane_contract::sync::MAX_BYTES;

/// All routes under `/sync/v1`, behind the proxy token.
pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/sync/v1/changes", get(changes::handle))
        .route("/sync/v1/usage", post(usage::handle).layer(DefaultBodyLimit::max(MAX_BYTES)))
        .route_layer(from_fn_with_state(app.clone(), require_proxy))
}
