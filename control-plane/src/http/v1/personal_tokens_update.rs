//! `PATCH /v1/personal_access_tokens/{id}`

use super::super::auth::Authenticated;
use super::super::body::JsonBody;
use super::super::etag::{IfMatch, etag};
use super::super::problem::{Document, Problem};
use super::super::query::Parameters;
use super::PathId;
use super::keys_update::Body;
use super::objects::PersonalTokenObject;
use super::receipts::{WaitQuery, receipt_of};
use crate::domain::id::KeyId;
use crate::domain::key::KeyKind;
use crate::service::App;
use crate::service::receipt::ChangedKey;
use crate::service::update_key::update_key;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// Edits a personal access token
///
/// What is left out stays as it is. Of a revoked token only name and metadata can be changed. With `wait` the answer holds a receipt: how many
/// proxies have the change by now, and which lag.
#[utoipa::path(
    patch,
    path = "/v1/personal_access_tokens/{id}",
    operation_id = "update_personal_access_token",
    tag = "Personal access tokens",
    params(
        ("id" = uuid::Uuid, Path, description = "Id of the token"),
        ("if-match" = Option<String>, Header, description = "The ETag of an earlier answer: the token is changed only if nobody edited it since"),
        WaitQuery,
    ),
    request_body = Body,
    responses(
        (status = 200, description = "The token", body = PersonalTokenObject, headers(("etag" = String, description = "The version of what can be edited"))),
        (status = 409, description = "The token is revoked", body = Document, content_type = "application/problem+json"),
        (status = 412, description = "Somebody edited the token meanwhile", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<KeyId>,
    IfMatch(expected): IfMatch,
    Parameters(query): Parameters<WaitQuery>,
    JsonBody(body): JsonBody<Body>,
) -> Result<impl IntoResponse, Problem> {
    let kind = KeyKind::PersonalToken;
    let wait = query.parse()?;
    let ChangedKey { key, revision } = update_key(&app, &by.origin(), kind, id, &expected, body.parse()?).await?;
    let receipt = receipt_of(&app, &by, revision, wait).await;
    Ok((etag(key.version()), Json(PersonalTokenObject::at(app.now(), key).with(receipt))))
}
