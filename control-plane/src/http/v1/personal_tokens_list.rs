//! `GET /v1/personal_access_tokens`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::{Parameters, page};
use super::id_field;
use super::objects::{Page, PersonalTokenObject};
use super::texts::CursorText;
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
    /// Only of this user. Without it a user sees their own.
    #[param(value_type = Option<uuid::Uuid>)]
    user_id: Option<String>,
    /// The most objects on the page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<CursorText>)]
    cursor: Option<String>,
}

/// Lists personal access tokens, the newest first
#[utoipa::path(
    get,
    path = "/v1/personal_access_tokens",
    operation_id = "list_personal_access_tokens",
    tag = "Personal access tokens",
    params(Query),
    responses((status = 200, description = "A page of personal access tokens", body = Page<PersonalTokenObject>))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Listing<PersonalTokenObject>>, Problem> {
    let mut errors = Vec::new();
    let user = query.user_id.as_deref().and_then(|text| id_field("user_id", text, &mut errors));
    let page = page(query.limit.as_deref(), query.cursor.as_deref(), &mut errors);
    if !errors.is_empty() {
        return Err(Error::fields(Code::InvalidQuery, errors).into());
    }
    let now = app.now();
    let found = read::personal_tokens(&app, &by.origin(), user, page).await?;
    Ok(Json(found.map(|key| PersonalTokenObject::at(now, key))))
}
