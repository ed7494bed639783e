//! What a POST that makes something answers: 201, where the new thing is, its version and itself. It can be kept, to be answered again.

use super::auth::Authenticated;
use super::etag::etag;
use super::v1::receipts::receipt_of;
use crate::domain::version::Version;
use crate::error::Error;
use crate::service::App;
use crate::service::once::Once;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Tells an answer that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The answer. Its body may carry a secret, so it has no `Debug`.
#[derive(Serialize, Deserialize)]
pub struct CreatedAnswer {
    location: String,
    etag: String,
    body: String,
    /// The revision of the change, where it may be waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
}

impl CreatedAnswer {
    /// The answer that `object` is at `location`.
    pub fn new(location: String, version: Version, object: &impl Serialize) -> Result<Self, Error> {
        let [(_, etag)] = etag(version);
        Ok(Self { location, etag, body: serde_json::to_string(object).map_err(Error::internal)?, revision: None })
    }

    /// The same, of a change that has this revision.
    pub fn at(self, revision: u64) -> Self {
        Self { revision: Some(revision), ..self }
    }

    /// The same with a receipt, if one was asked for by `wait`. Also of an answer that was kept: who has the change by now is told anew.
    pub async fn with_receipt(self, app: &App, by: &Authenticated, wait: Option<Duration>) -> Result<Self, Error> {
        let Some(revision) = self.revision else { return Ok(self) };
        let Some(receipt) = receipt_of(app, by, revision, wait).await else { return Ok(self) };
        let receipt = serde_json::to_string(&receipt).map_err(Error::internal)?;
        let object = self.body.strip_suffix('}').ok_or_else(|| Error::internal("an answer that is no object"))?;
        Ok(Self { body: format!("{object},\"receipt\":{receipt}}}"), ..self })
    }
}

impl IntoResponse for Once<CreatedAnswer> {
    fn into_response(self) -> Response {
        let CreatedAnswer { location, etag, body, revision: _ } = self.answer;
        let headers = [(LOCATION, location), (axum::http::header::ETAG, etag)];
        let media_type = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        let mut response = (StatusCode::CREATED, headers, media_type, body).into_response();
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}
