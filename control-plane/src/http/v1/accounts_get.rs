//! `GET /v1/accounts/{id}`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::PathId;
use super::objects::AccountObject;
use crate::domain::id::AccountId;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;

pub async fn handle(
    State(app): State<App>,
    _: Authenticated,
    PathId(id): PathId<AccountId>,
) -> Result<Json<AccountObject>, Problem> {
    Ok(Json(read::account(&app, id).await?.into()))
}
