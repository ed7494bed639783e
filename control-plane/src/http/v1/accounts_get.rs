//! `GET /v1/accounts/{id}`

use super::super::auth::Authenticated;
use super::super::etag::etag;
use super::super::problem::Problem;
use super::PathId;
use super::objects::AccountObject;
use crate::domain::id::AccountId;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// Shows an account
#[utoipa::path(
    get,
    path = "/v1/accounts/{id}",
    operation_id = "get_account",
    tag = "Accounts",
    params(("id" = uuid::Uuid, Path, description = "Id of the account")),
    responses((status = 200, description = "The account", body = AccountObject, headers(("etag" = String, description = "The version of what can be edited"))))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<AccountId>,
) -> Result<impl IntoResponse, Problem> {
    let account = read::account(&app, &by.origin(), id).await?;
    Ok((etag(account.version()), Json(AccountObject::from(account))))
}
