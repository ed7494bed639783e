//! `GET /v1/projects`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::Parameters;
use super::lists::AccountPageQuery;
use super::objects::{Page, ProjectObject};
use crate::domain::cursor::Listing;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;

/// Lists projects, the newest first
#[utoipa::path(
    get,
    path = "/v1/projects",
    operation_id = "list_projects",
    tag = "Projects",
    params(AccountPageQuery),
    responses((status = 200, description = "A page of projects", body = Page<ProjectObject>))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Parameters(query): Parameters<AccountPageQuery>,
) -> Result<Json<Listing<ProjectObject>>, Problem> {
    let (account, page) = query.parse()?;
    Ok(Json(read::projects(&app, &by.origin(), account, page).await?.map(ProjectObject::from)))
}
