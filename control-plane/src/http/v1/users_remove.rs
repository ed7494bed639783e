//! `DELETE /v1/users/{id}`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::PathId;
use super::objects::UserObject;
use crate::domain::id::UserId;
use crate::service::App;
use crate::service::remove_user::remove_user;
use axum::Json;
use axum::extract::State;

/// Removes a user from its account
///
/// Their personal access tokens are revoked in the same moment. Keys of projects stay: they belong to the account.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}",
    operation_id = "remove_user",
    tag = "Users",
    params(("id" = uuid::Uuid, Path, description = "Id of the user")),
    responses((status = 200, description = "The user, as it was", body = UserObject))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<UserId>,
) -> Result<Json<UserObject>, Problem> {
    Ok(Json(remove_user(&app, &by.origin(), id).await?.into()))
}
