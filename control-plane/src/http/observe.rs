//! What every request gets: an id, a line in the log, security headers, and a problem document when it fails.
//!
//! The log names the route (`/v1/keys/{id}`), never the path or the query: people paste keys into both.

use super::metrics::REQUESTS;
use super::problem::render;
use crate::domain::id::RequestId;
use crate::service::App;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use keyplane_contract::id::Id;
use std::time::Instant;
use tracing::Instrument as _;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id and writes its line. An id that a proxy in front gave is kept when it is a UUID, so that the
/// logs of both can be joined; anything else could carry a secret or a forged line.
pub async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let given = request.headers().get(REQUEST_ID).and_then(|value| RequestId::parse(value.to_str().ok()?));
    // Without random bytes nothing else works either; the request then says so itself.
    let id = given.or_else(|| RequestId::generate(app.now(), &*app.random).ok()).unwrap_or(RequestId(Id::default()));
    request.extensions_mut().insert(id);
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    // Polls and health checks come without end.
    let frequent = matches!(route.as_str(), "/healthz" | "/readyz") || route.starts_with("/sync/");
    let (pattern, method) = (route.clone(), request.method().clone());
    let span = tracing::info_span!("request", request_id = %id, method = %request.method(), route);
    let start = Instant::now();
    async move {
        let mut response = render(next.run(request).await, id);
        if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let (status, took) = (response.status().as_u16(), start.elapsed());
        REQUESTS.count(&method, &pattern, status, took);
        if frequent && response.status().is_success() {
            tracing::debug!(status, micros = micros(took), "answered");
        } else {
            tracing::info!(status, micros = micros(took), "answered");
        }
        response
    }
    .instrument(span)
    .await
}

fn micros(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// Headers that no answer goes without: nothing here is for a browser to guess at, to frame or to keep.
pub async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
