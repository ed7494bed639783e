//! `GET /v1/keys/{id}`

use super::super::auth::Authenticated;
use super::super::etag::etag;
use super::super::problem::Problem;
use super::PathId;
use super::objects::KeyObject;
use crate::domain::id::KeyId;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// Shows a key
#[utoipa::path(
    get,
    path = "/v1/keys/{id}",
    operation_id = "get_key",
    tag = "Keys",
    params(("id" = uuid::Uuid, Path, description = "Id of the key")),
    responses((status = 200, description = "The key", body = KeyObject, headers(("etag" = String, description = "The version of what can be edited"))))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<KeyId>,
) -> Result<impl IntoResponse, Problem> {
    let key = read::key(&app, &by.origin(), id).await?;
    Ok((etag(key.version()), Json(KeyObject::at(app.now(), key))))
}
