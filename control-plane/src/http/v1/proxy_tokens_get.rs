//! `GET /v1/proxy_tokens/{id}`

use super::super::auth::Authenticated;
use super::super::etag::etag;
use super::super::problem::Problem;
use super::PathId;
use super::objects::ProxyTokenObject;
use crate::domain::id::ProxyTokenId;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// Shows a proxy token
#[utoipa::path(
    get,
    path = "/v1/proxy_tokens/{id}",
    operation_id = "get_proxy_token",
    tag = "Proxy tokens",
    params(("id" = uuid::Uuid, Path, description = "Id of the proxy token")),
    responses((status = 200, description = "The proxy token", body = ProxyTokenObject, headers(("etag" = String, description = "The version of what can be edited"))))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<ProxyTokenId>,
) -> Result<impl IntoResponse, Problem> {
    let token = read::proxy_token(&app, &by.origin(), id).await?;
    Ok((etag(token.version()), Json(ProxyTokenObject::from(token))))
}
