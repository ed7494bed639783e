//! `DELETE /v1/keys/{id}`: revokes, and answers with the key. Once more changes nothing.

use super::super::auth::Authenticated;
use super::super::etag::{IfMatch, etag};
use super::super::problem::{Document, Problem};
use super::super::query::Parameters;
use super::objects::KeyObject;
use super::texts::ReasonText;
use super::{PathId, field};
use crate::domain::id::KeyId;
use crate::domain::key::{KeyKind, RevokeReason};
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::revoke_key::revoke_key;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// Why, in a line of 1 to 200 characters. It is kept with the key and in the audit log.
    #[param(value_type = Option<ReasonText>)]
    reason: Option<String>,
}

impl Query {
    /// The reason, if there is one.
    pub fn parse(&self) -> Result<Option<RevokeReason>, Error> {
        let mut errors = Vec::new();
        let reason = self.reason.as_deref().and_then(|text| field("reason", RevokeReason::parse(text), &mut errors));
        if errors.is_empty() { Ok(reason) } else { Err(Error::fields(Code::InvalidQuery, errors)) }
    }
}

/// Revokes a key, for good
///
/// One that is revoked already stays as it is.
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    operation_id = "revoke_key",
    tag = "Keys",
    params(
        ("id" = uuid::Uuid, Path, description = "Id of the key"),
        ("if-match" = Option<String>, Header, description = "The ETag of an earlier answer: the key is revoked only if nobody edited it since"),
        Query,
    ),
    responses(
        (status = 200, description = "The key", body = KeyObject),
        (status = 412, description = "Somebody edited the key meanwhile", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<KeyId>,
    IfMatch(expected): IfMatch,
    Parameters(query): Parameters<Query>,
) -> Result<impl IntoResponse, Problem> {
    let key = revoke_key(&app, &by.origin(), KeyKind::Key, id, &expected, query.parse()?).await?;
    Ok((etag(key.version()), Json(KeyObject::at(app.now(), key))))
}
