//! `GET /v1/keys`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::{Parameters, page};
use super::objects::{EnvironmentName, KeyObject, Page};
use super::texts::CursorText;
use super::{environment_field, id_field};
use crate::domain::cursor::Listing;
use crate::error::{Code, Error};
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// Only of this project.
    #[param(value_type = Option<uuid::Uuid>)]
    project_id: Option<String>,
    /// Only of this environment.
    #[param(value_type = Option<EnvironmentName>)]
    environment: Option<String>,
    /// The most objects on the page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<CursorText>)]
    cursor: Option<String>,
}

/// Lists keys, the newest first
#[utoipa::path(
    get,
    path = "/v1/keys",
    operation_id = "list_keys",
    tag = "Keys",
    params(Query),
    responses((status = 200, description = "A page of keys", body = Page<KeyObject>))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
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
    Ok(Json(read::keys(&app, &by.origin(), project, environment, page).await?.map(|key| KeyObject::at(now, key))))
}
