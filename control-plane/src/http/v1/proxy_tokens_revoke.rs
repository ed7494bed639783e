//! `DELETE /v1/proxy_tokens/{id}`: revokes, and answers with the token. Once more changes nothing.

use super::super::auth::Authenticated;
use super::super::etag::{IfMatch, etag};
use super::super::problem::{Document, Problem};
use super::PathId;
use super::objects::ProxyTokenObject;
use crate::domain::id::ProxyTokenId;
use crate::service::App;
use crate::service::revoke_proxy_token::revoke_proxy_token;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// Revokes a proxy token, for good
///
/// It stops at once, and waiting polls end. Proxies without a valid token go on with the keys that they have, and hear of no
/// change: give them the new token first. One that is revoked already stays as it is.
#[utoipa::path(
    delete,
    path = "/v1/proxy_tokens/{id}",
    operation_id = "revoke_proxy_token",
    tag = "Proxy tokens",
    params(
        ("id" = uuid::Uuid, Path, description = "Id of the proxy token"),
        ("if-match" = Option<String>, Header, description = "The ETag of an earlier answer: the token is revoked only if nobody edited it since"),
    ),
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
) -> Result<impl IntoResponse, Problem> {
    let token = revoke_proxy_token(&app, &by.origin(), id, &expected).await?;
    Ok((etag(token.version()), Json(ProxyTokenObject::from(token))))
}
