//! `GET /v1/accounts`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::{Parameters, page};
use super::objects::AccountObject;
use crate::domain::cursor::Listing;
use crate::error::{Code, Error};
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    limit: Option<String>,
    cursor: Option<String>,
}

pub async fn handle(
    State(app): State<App>,
    _: Authenticated,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Listing<AccountObject>>, Problem> {
    let mut errors = Vec::new();
    let page = page(query.limit.as_deref(), query.cursor.as_deref(), &mut errors);
    if !errors.is_empty() {
        return Err(Error::fields(Code::InvalidQuery, errors).into());
    }
    Ok(Json(read::accounts(&app, page).await?.map(AccountObject::from)))
}
