//! `GET /v1/projects/{id}`

use super::super::auth::Authenticated;
use super::super::etag::etag;
use super::super::problem::Problem;
use super::PathId;
use super::objects::ProjectObject;
use crate::domain::id::ProjectId;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// Shows a project
#[utoipa::path(
    get,
    path = "/v1/projects/{id}",
    operation_id = "get_project",
    tag = "Projects",
    params(("id" = uuid::Uuid, Path, description = "Id of the project")),
    responses((status = 200, description = "The project", body = ProjectObject, headers(("etag" = String, description = "The version of what can be edited"))))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<ProjectId>,
) -> Result<impl IntoResponse, Problem> {
    let project = read::project(&app, &by.origin(), id).await?;
    Ok((etag(project.version()), Json(ProjectObject::from(project))))
}
