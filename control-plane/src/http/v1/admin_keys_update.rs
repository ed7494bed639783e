//! `PATCH /v1/admin_keys/{id}`

use super::super::auth::Authenticated;
use super::super::body::JsonBody;
use super::super::etag::{IfMatch, etag};
use super::super::problem::{Document, Problem};
use super::PathId;
use super::objects::AdminKeyObject;
use super::rename::Body;
use crate::domain::id::AdminKeyId;
use crate::service::App;
use crate::service::update_admin_key::update_admin_key;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// Renames an admin key
#[utoipa::path(
    patch,
    path = "/v1/admin_keys/{id}",
    operation_id = "update_admin_key",
    tag = "Admin keys",
    params(
        ("id" = uuid::Uuid, Path, description = "Id of the admin key"),
        ("if-match" = Option<String>, Header, description = "The ETag of an earlier answer: the key is changed only if nobody edited it since"),
    ),
    request_body = Body,
    responses(
        (status = 200, description = "The admin key", body = AdminKeyObject, headers(("etag" = String, description = "The version of what can be edited"))),
        (status = 412, description = "Somebody edited the key meanwhile", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<AdminKeyId>,
    IfMatch(expected): IfMatch,
    JsonBody(body): JsonBody<Body>,
) -> Result<impl IntoResponse, Problem> {
    let key = update_admin_key(&app, &by.origin(), id, &expected, body.parse()?).await?;
    Ok((etag(key.version()), Json(AdminKeyObject::from(key))))
}
