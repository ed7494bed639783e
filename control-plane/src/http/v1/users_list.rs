//! `GET /v1/users`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::Parameters;
use super::lists::AccountPageQuery;
use super::objects::{Page, UserObject};
use crate::domain::cursor::Listing;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;

/// Lists users, the newest first
#[utoipa::path(
    get,
    path = "/v1/users",
    operation_id = "list_users",
    tag = "Users",
    params(AccountPageQuery),
    responses((status = 200, description = "A page of users", body = Page<UserObject>))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Parameters(query): Parameters<AccountPageQuery>,
) -> Result<Json<Listing<UserObject>>, Problem> {
    let (account, page) = query.parse()?;
    Ok(Json(read::users(&app, &by.origin(), account, page).await?.map(UserObject::from)))
}
