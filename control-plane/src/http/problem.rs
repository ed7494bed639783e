//! Failures as RFC 9457 problem documents.
//!
//! A handler's [`Problem`] is an empty answer that carries the error; [`super::observe`] turns it into the document, because
//! it knows the request id, and tells the log the cause. An error status that some layer made by itself becomes a
//! document too.

use crate::domain::id::RequestId;
use crate::error::{Code, Error, FieldError};
use axum::Json;
use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error on its way to the caller.
#[derive(Clone, Debug)]
pub struct Problem(Arc<Error>);

/// Marks an answer that says all for itself, whatever its status: a page for people.
#[derive(Clone, Copy, Debug)]
pub struct Rendered;

impl Problem {
    /// What went wrong.
    pub fn error(&self) -> &Error {
        &self.0
    }
}

impl<E: Into<Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(Arc::new(error.into()))
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = status(self.0.code).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Why a request failed (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Document<'a> {
    /// Address of the code's page.
    r#type: String,
    title: &'static str,
    status: u16,
    /// What went wrong and what to do, for people. The text may change.
    detail: &'a str,
    /// What went wrong, for programs. It never changes its meaning.
    code: &'static str,
    /// Leads to the cause in the log.
    #[schema(value_type = uuid::Uuid)]
    request_id: RequestId,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

/// Turns a failed answer into its document, keeping headers such as `Allow`; any other answer stays as it is.
pub fn render(mut response: Response, request_id: RequestId) -> Response {
    if response.extensions_mut().remove::<Rendered>().is_some() {
        return response;
    }
    let found = response.extensions_mut().remove::<Problem>();
    let bare = response.status().is_client_error() || response.status().is_server_error();
    let error = match found {
        Some(Problem(error)) => error,
        None if bare => Arc::new(Error::new(Code::of_status(response.status().as_u16()))),
        None => return response,
    };
    log(&error);
    let document = Document {
        r#type: format!("https://keyplane.dev/errors/{}", error.code.name()),
        title: error.code.title(),
        status: error.code.status(),
        detail: &error.detail,
        code: error.code.name(),
        request_id,
        errors: &error.fields,
    };
    let mut headers = std::mem::take(response.headers_mut());
    headers.remove(CONTENT_LENGTH);
    *response.body_mut() = Json(document).into_response().into_body();
    *response.status_mut() = status(error.code);
    headers.insert(CONTENT_TYPE, MEDIA_TYPE);
    match error.code {
        Code::CredentialMissing => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"keyplane\""));
        }
        Code::CredentialInvalid => {
            let challenge = HeaderValue::from_static("Bearer realm=\"keyplane\", error=\"invalid_token\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        _ => {}
    }
    let retry_after = error.retry_after.or((error.code == Code::Unavailable).then_some(Duration::from_secs(1)));
    if let Some(wait) = retry_after {
        // Whole seconds (RFC 9110, section 10.2.3), rounded up.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    *response.headers_mut() = headers;
    response
}

/// Tells the log the cause.
pub fn log(error: &Error) {
    if let Some(cause) = &error.cause {
        tracing::error!(code = error.code.name(), cause = %chain(&**cause), "request failed");
    }
}

/// What a panic in a handler becomes. Its message may carry anything, so it goes nowhere.
pub fn of_panic(_: Box<dyn Any + Send + 'static>) -> Response<Body> {
    Problem::from(Error::internal("a handler panicked")).into_response()
}

fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An error and what led to it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Transparent errors repeat their source.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
