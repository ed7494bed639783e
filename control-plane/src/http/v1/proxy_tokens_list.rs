//! `GET /v1/proxy_tokens`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::Parameters;
use super::lists::PageQuery;
use super::objects::{Page, ProxyTokenObject};
use crate::domain::cursor::Listing;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;

/// Lists proxy tokens, the newest first
#[utoipa::path(
    get,
    path = "/v1/proxy_tokens",
    operation_id = "list_proxy_tokens",
    tag = "Proxy tokens",
    params(PageQuery),
    responses((status = 200, description = "A page of proxy tokens, the revoked ones too", body = Page<ProxyTokenObject>))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Listing<ProxyTokenObject>>, Problem> {
    let page = query.parse()?;
    Ok(Json(read::proxy_tokens(&app, &by.origin(), page).await?.map(ProxyTokenObject::from)))
}
