//! `GET /v1/projects/{id}`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::PathId;
use super::objects::ProjectObject;
use crate::domain::id::ProjectId;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;

pub async fn handle(
    State(app): State<App>,
    _: Authenticated,
    PathId(id): PathId<ProjectId>,
) -> Result<Json<ProjectObject>, Problem> {
    Ok(Json(read::project(&app, id).await?.into()))
}
