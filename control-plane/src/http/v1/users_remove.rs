//! `DELETE /v1/users/{id}`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::Parameters;
use super::PathId;
use super::objects::UserObject;
use super::receipts::{WaitQuery, receipt_of};
use crate::domain::id::UserId;
use crate::service::App;
use crate::service::remove_user::{RemovedUser, remove_user};
use axum::Json;
use axum::extract::State;

/// Removes a user from its account
///
/// Their personal access tokens are revoked in the same moment. Keys of projects stay: they belong to the account. With `wait` the answer
/// holds a receipt: how many proxies refuse the tokens by now, and which lag.
#[utoipa::path(
    delete,
    path = "/v1/users/{id}",
    operation_id = "remove_user",
    tag = "Users",
    params(("id" = uuid::Uuid, Path, description = "Id of the user"), WaitQuery),
    responses((status = 200, description = "The user, as it was", body = UserObject))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<UserId>,
    Parameters(query): Parameters<WaitQuery>,
) -> Result<Json<UserObject>, Problem> {
    let wait = query.parse()?;
    let RemovedUser { user, revision } = remove_user(&app, &by.origin(), id).await?;
    let receipt = receipt_of(&app, &by, revision, wait).await;
    Ok(Json(UserObject::from(user).with(receipt)))
}
