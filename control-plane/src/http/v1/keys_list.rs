//! `GET /v1/keys`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::{Parameters, page};
use super::objects::KeyObject;
use super::{environment_field, id_field};
use crate::domain::cursor::Listing;
use crate::error::{Code, Error};
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    project_id: Option<String>,
    environment: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

pub async fn handle(
    State(app): State<App>,
    _: Authenticated,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Listing<KeyObject>>, Problem> {
    let mut errors = Vec::new();
    let project = query.project_id.as_deref().and_then(|text| id_field("project_id", text, &mut errors));
    let environment = query.environment.as_deref().and_then(|text| environment_field("environment", text, &mut errors));
    let page = page(query.limit.as_deref(), query.cursor.as_deref(), &mut errors);
    if !errors.is_empty() {
        return Err(Error::fields(Code::InvalidQuery, errors).into());
    }
    let now = app.now();
    Ok(Json(read::keys(&app, project, environment, page).await?.map(|key| KeyObject::at(now, key))))
}
