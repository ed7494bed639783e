//! `GET /v1/accounts`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::Parameters;
use super::lists::PageQuery;
use super::objects::{AccountObject, Page};
use crate::domain::cursor::Listing;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;

/// Lists accounts, the newest first
#[utoipa::path(
    get,
    path = "/v1/accounts",
    operation_id = "list_accounts",
    tag = "Accounts",
    params(PageQuery),
    responses((status = 200, description = "A page of accounts", body = Page<AccountObject>))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Listing<AccountObject>>, Problem> {
    let page = query.parse()?;
    Ok(Json(read::accounts(&app, &by.origin(), page).await?.map(AccountObject::from)))
}
