//! The principal as an argument of axum's handlers.

use super::{Principal, PrincipalHeaders, Refusal};
use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

/// Who calls, or a refusal. Behind a [`PrincipalLayer`](super::PrincipalLayer) it is what the layer has read. Elsewhere it is read under the names
/// among the request's extensions ([`PrincipalHeaders`]), and without any under those of the preset `keyplane`.
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let found = parts.extensions.get::<Self>().cloned();
        found.map_or_else(|| PrincipalHeaders::among(&parts.extensions).read(&parts.headers), Ok)
    }
}

/// `None` only when there is no identity at all. One that is not what the filter writes is refused here too.
impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Refusal> {
        match <Self as FromRequestParts<S>>::from_request_parts(parts, state).await {
            Err(refusal) if refusal == Refusal::missing() => Ok(None),
            result => result.map(Some),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.into_response::<Body>()
    }
}
