//! `GET /v1/admin_keys`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::Parameters;
use super::lists::PageQuery;
use super::objects::{AdminKeyObject, Page};
use crate::domain::cursor::Listing;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;

/// Lists admin keys, the newest first
#[utoipa::path(
    get,
    path = "/v1/admin_keys",
    operation_id = "list_admin_keys",
    tag = "Admin keys",
    params(PageQuery),
    responses((status = 200, description = "A page of admin keys, the revoked ones too", body = Page<AdminKeyObject>))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Listing<AdminKeyObject>>, Problem> {
    let page = query.parse()?;
    Ok(Json(read::admin_keys(&app, &by.origin(), page).await?.map(AdminKeyObject::from)))
}
