//! `GET /v1/admin_keys/{id}`

use super::super::auth::Authenticated;
use super::super::etag::etag;
use super::super::problem::Problem;
use super::PathId;
use super::objects::AdminKeyObject;
use crate::domain::id::AdminKeyId;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// Shows an admin key
#[utoipa::path(
    get,
    path = "/v1/admin_keys/{id}",
    operation_id = "get_admin_key",
    tag = "Admin keys",
    params(("id" = uuid::Uuid, Path, description = "Id of the admin key")),
    responses((status = 200, description = "The admin key", body = AdminKeyObject, headers(("etag" = String, description = "The version of what can be edited"))))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<AdminKeyId>,
) -> Result<impl IntoResponse, Problem> {
    let key = read::admin_key(&app, &by.origin(), id).await?;
    Ok((etag(key.version()), Json(AdminKeyObject::from(key))))
}
