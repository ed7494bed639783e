//! `PATCH /v1/proxy_tokens/{id}`

use super::super::auth::Authenticated;
use super::super::body::JsonBody;
use super::super::etag::{IfMatch, etag};
use super::super::problem::{Document, Problem};
use super::PathId;
use super::objects::ProxyTokenObject;
use super::rename::Body;
use crate::domain::id::ProxyTokenId;
use crate::service::App;
use crate::service::update_proxy_token::update_proxy_token;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// Renames a proxy token
#[utoipa::path(
    patch,
    path = "/v1/proxy_tokens/{id}",
    operation_id = "update_proxy_token",
    tag = "Proxy tokens",
    params(
        ("id" = uuid::Uuid, Path, description = "Id of the proxy token"),
        ("if-match" = Option<String>, Header, description = "The ETag of an earlier answer: the token is changed only if nobody edited it since"),
    ),
    request_body = Body,
    responses(
        (status = 200, description = "The proxy token", body = ProxyTokenObject, headers(("etag" = String, description = "The version of what can be edited"))),
        (status = 412, description = "Somebody edited the token meanwhile", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<ProxyTokenId>,
    IfMatch(expected): IfMatch,
    JsonBody(body): JsonBody<Body>,
) -> Result<impl IntoResponse, Problem> {
    let token = update_proxy_token(&app, &by.origin(), id, &expected, body.parse()?).await?;
    Ok((etag(token.version()), Json(ProxyTokenObject::from(token))))
}
