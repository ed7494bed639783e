//! `GET /v1/projects`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::{Parameters, page};
use super::id_field;
use super::objects::ProjectObject;
use crate::domain::cursor::Listing;
use crate::error::{Code, Error};
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    account_id: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

pub async fn handle(
    State(app): State<App>,
    _: Authenticated,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Listing<ProjectObject>>, Problem> {
    let mut errors = Vec::new();
    let account = query.account_id.as_deref().and_then(|text| id_field("account_id", text, &mut errors));
    let page = page(query.limit.as_deref(), query.cursor.as_deref(), &mut errors);
    if !errors.is_empty() {
        return Err(Error::fields(Code::InvalidQuery, errors).into());
    }
    Ok(Json(read::projects(&app, account, page).await?.map(ProjectObject::from)))
}
