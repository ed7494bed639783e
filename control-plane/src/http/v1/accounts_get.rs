//! `GET /v1/accounts/{id}`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::PathId;
use super::objects::AccountObject;
use crate::domain::id::AccountId;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;

/// Shows an account
#[utoipa::path(
    get,
    path = "/v1/accounts/{id}",
    operation_id = "get_account",
    tag = "Accounts",
    params(("id" = uuid::Uuid, Path, description = "Id of the account")),
    responses((status = 200, description = "The account", body = AccountObject))
)]
pub async fn handle(
    State(app): State<App>,
    _: Authenticated,
    PathId(id): PathId<AccountId>,
) -> Result<Json<AccountObject>, Problem> {
    Ok(Json(read::account(&app, id).await?.into()))
}
