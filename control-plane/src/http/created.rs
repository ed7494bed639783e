//! What a POST that makes something answers: 201, where the new thing is, its version and itself. It can be kept, to be answered again.

use super::etag::etag;
use crate::domain::version::Version;
use crate::error::Error;
use crate::service::once::Once;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// Tells an answer that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The answer. Its body may carry a secret, so it has no `Debug`.
#[derive(Serialize, Deserialize)]
pub struct CreatedAnswer {
    location: String,
    etag: String,
    body: String,
}

impl CreatedAnswer {
    /// The answer that `object` is at `location`.
    pub fn new(location: String, version: Version, object: &impl Serialize) -> Result<Self, Error> {
        let [(_, etag)] = etag(version);
        Ok(Self { location, etag, body: serde_json::to_string(object).map_err(Error::internal)? })
    }
}

impl IntoResponse for Once<CreatedAnswer> {
    fn into_response(self) -> Response {
        let CreatedAnswer { location, etag, body } = self.answer;
        let headers = [(LOCATION, location), (axum::http::header::ETAG, etag)];
        let media_type = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut response = (StatusCode::CREATED, headers, media_type, body).into_response();
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}
