//! `GET /v1/users`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::{Parameters, page};
use super::id_field;
use super::objects::{Page, UserObject};
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
    /// Only of this account.
    #[param(value_type = Option<uuid::Uuid>)]
    account_id: Option<String>,
    /// The most objects on the page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<CursorText>)]
    cursor: Option<String>,
}

/// Lists users, the newest first
#[utoipa::path(
    get,
    path = "/v1/users",
    operation_id = "list_users",
    tag = "Users",
    params(Query),
    responses((status = 200, description = "A page of users", body = Page<UserObject>))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Listing<UserObject>>, Problem> {
    let mut errors = Vec::new();
    let account = query.account_id.as_deref().and_then(|text| id_field("account_id", text, &mut errors));
    let page = page(query.limit.as_deref(), query.cursor.as_deref(), &mut errors);
    if !errors.is_empty() {
        return Err(Error::fields(Code::InvalidQuery, errors).into());
    }
    Ok(Json(read::users(&app, &by.origin(), account, page).await?.map(UserObject::from)))
}
