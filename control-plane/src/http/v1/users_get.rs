//! `GET /v1/users/{id}`

use super::super::auth::Authenticated;
use super::super::etag::etag;
use super::super::problem::Problem;
use super::PathId;
use super::objects::UserObject;
use crate::domain::id::UserId;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// Shows a user
#[utoipa::path(
    get,
    path = "/v1/users/{id}",
    operation_id = "get_user",
    tag = "Users",
    params(("id" = uuid::Uuid, Path, description = "Id of the user")),
    responses((status = 200, description = "The user", body = UserObject, headers(("etag" = String, description = "The version of what can be edited"))))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<UserId>,
) -> Result<impl IntoResponse, Problem> {
    let user = read::user(&app, &by.origin(), id).await?;
    Ok((etag(user.version()), Json(UserObject::from(user))))
}
