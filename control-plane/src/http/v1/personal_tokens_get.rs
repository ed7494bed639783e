//! `GET /v1/personal_access_tokens/{id}`

use super::super::auth::Authenticated;
use super::super::etag::etag;
use super::super::problem::Problem;
use super::PathId;
use super::objects::PersonalTokenObject;
use crate::domain::id::KeyId;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// Shows a personal access token
#[utoipa::path(
    get,
    path = "/v1/personal_access_tokens/{id}",
    operation_id = "get_personal_access_token",
    tag = "Personal access tokens",
    params(("id" = uuid::Uuid, Path, description = "Id of the token")),
    responses((status = 200, description = "The token", body = PersonalTokenObject, headers(("etag" = String, description = "The version of what can be edited"))))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<KeyId>,
) -> Result<impl IntoResponse, Problem> {
    let key = read::personal_token(&app, &by.origin(), id).await?;
    Ok((etag(key.version()), Json(PersonalTokenObject::at(app.now(), key))))
}
