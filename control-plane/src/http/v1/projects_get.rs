//! `GET /v1/projects/{id}`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::PathId;
use super::objects::ProjectObject;
use crate::domain::id::ProjectId;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;

/// Shows a project
#[utoipa::path(
    get,
    path = "/v1/projects/{id}",
    operation_id = "get_project",
    tag = "Projects",
    params(("id" = uuid::Uuid, Path, description = "Id of the project")),
    responses((status = 200, description = "The project", body = ProjectObject))
)]
pub async fn handle(
    State(app): State<App>,
    _: Authenticated,
    PathId(id): PathId<ProjectId>,
) -> Result<Json<ProjectObject>, Problem> {
    Ok(Json(read::project(&app, id).await?.into()))
}
