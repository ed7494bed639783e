//! `GET /v1/keys/{id}`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::PathId;
use super::objects::KeyObject;
use crate::domain::id::KeyId;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;

pub async fn handle(
    State(app): State<App>,
    _: Authenticated,
    PathId(id): PathId<KeyId>,
) -> Result<Json<KeyObject>, Problem> {
    Ok(Json(KeyObject::at(app.now(), read::key(&app, id).await?)))
}
