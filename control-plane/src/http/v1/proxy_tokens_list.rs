//! `GET /v1/proxy_tokens`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::{Parameters, page};
use super::objects::{Page, ProxyTokenObject};
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
    /// The most objects on the page.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<CursorText>)]
    cursor: Option<String>,
}

/// Lists proxy tokens, the newest first
#[utoipa::path(
    get,
    path = "/v1/proxy_tokens",
    operation_id = "list_proxy_tokens",
    tag = "Proxy tokens",
    params(Query),
    responses((status = 200, description = "A page of proxy tokens, the revoked ones too", body = Page<ProxyTokenObject>))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Listing<ProxyTokenObject>>, Problem> {
    let mut errors = Vec::new();
    let page = page(query.limit.as_deref(), query.cursor.as_deref(), &mut errors);
    if !errors.is_empty() {
        return Err(Error::fields(Code::InvalidQuery, errors).into());
    }
    Ok(Json(read::proxy_tokens(&app, &by.origin(), page).await?.map(ProxyTokenObject::from)))
}
