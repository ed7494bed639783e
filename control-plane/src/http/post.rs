//! The body of a POST, and its `Idempotency-Key` if it carries one.

use super::auth::{Authenticated, presented};
use super::body::{parse, read_json};
use super::problem::Problem;
use crate::domain::actor::Actor;
use crate::domain::idempotency::{Asked, Attempt, IdempotencyKey, IdempotencyKeyError, Sender};
use crate::error::{Code, Error, FieldError};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName};
use serde::de::DeserializeOwned;

/// As it is written in answers and documents.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// What a POST brings. Only behind [`super::auth::require_caller`].
pub struct Post<T> {
    /// The body.
    pub body: T,
    /// The request as one that may have been sent before; `None` when its caller does not say so.
    pub attempt: Option<Attempt>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Post<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
        let by = request.extensions().get::<Authenticated>().copied();
        let actor = by.ok_or_else(|| Error::internal("a route is not behind the authentication layer"))?.origin().actor;
        let value = value(&headers)?;
        let bytes = read_json(request, state).await?;
        let body = parse(&bytes)?;
        let Some(value) = value else { return Ok(Self { body, attempt: None }) };
        let asked = Asked { method: method.as_str(), path: uri.path(), query: uri.query(), body: &bytes };
        let attempt = match actor {
            Actor::User { id, token: None, .. } => attempt(Sender::User(id), value, asked)?,
            _ => attempt(Sender::Credential(&presented(&headers)?), value, asked)?,
        };
        Ok(Self { body, attempt: Some(attempt) })
    }
}

fn attempt(sender: Sender<'_>, value: &[u8], asked: Asked<'_>) -> Result<Attempt, Error> {
    let key = IdempotencyKey::parse(value, sender).map_err(refused)?;
    Attempt::new(sender, &key, asked).map_err(Error::internal)
}

/// The header's one value.
fn value(headers: &HeaderMap) -> Result<Option<&[u8]>, Error> {
    let mut values = headers.get_all(HeaderName::from_static("idempotency-key")).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Error::fields(Code::InvalidHeader, vec![FieldError::new(IDEMPOTENCY_KEY, "is given twice")]));
    }
    Ok(first.map(axum::http::HeaderValue::as_bytes))
}

fn refused(error: IdempotencyKeyError) -> Error {
    Error::fields(Code::InvalidHeader, vec![FieldError::new(IDEMPOTENCY_KEY, error)])
}
