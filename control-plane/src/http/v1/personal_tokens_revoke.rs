//! `DELETE /v1/personal_access_tokens/{id}`: revokes, and answers with the token. Once more changes nothing.

use super::super::auth::Authenticated;
use super::super::etag::{IfMatch, etag};
use super::super::problem::{Document, Problem};
use super::super::query::Parameters;
use super::PathId;
use super::keys_revoke::Query;
use super::objects::PersonalTokenObject;
use super::receipts::receipt_of;
use crate::domain::id::KeyId;
use crate::domain::key::KeyKind;
use crate::service::App;
use crate::service::receipt::ChangedKey;
use crate::service::revoke_key::revoke_key;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// Revokes a personal access token, for good
///
/// One that is revoked already stays as it is. A token may revoke itself. With `wait` the answer holds a receipt: how many
/// proxies refuse it by now, and which lag.
#[utoipa::path(
    delete,
    path = "/v1/personal_access_tokens/{id}",
    operation_id = "revoke_personal_access_token",
    tag = "Personal access tokens",
    params(
        ("id" = uuid::Uuid, Path, description = "Id of the token"),
        ("if-match" = Option<String>, Header, description = "The ETag of an earlier answer: the token is revoked only if nobody edited it since"),
        Query,
    ),
    responses(
        (status = 200, description = "The token", body = PersonalTokenObject, headers(("etag" = String, description = "The version of what can be edited"))),
        (status = 412, description = "Somebody edited the token meanwhile", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<KeyId>,
    IfMatch(expected): IfMatch,
    Parameters(query): Parameters<Query>,
) -> Result<impl IntoResponse, Problem> {
    let kind = KeyKind::PersonalToken;
    let (reason, wait) = query.parse()?;
    let ChangedKey { key, revision } = revoke_key(&app, &by.origin(), kind, id, &expected, reason).await?;
    let receipt = receipt_of(&app, &by, revision, wait).await;
    Ok((etag(key.version()), Json(PersonalTokenObject::at(app.now(), key).with(receipt))))
}
