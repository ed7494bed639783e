//! `DELETE /v1/admin_keys/{id}`: revokes, and answers with the key. Once more changes nothing.

use super::super::auth::Authenticated;
use super::super::etag::{IfMatch, etag};
use super::super::problem::{Document, Problem};
use super::PathId;
use super::objects::AdminKeyObject;
use crate::domain::id::AdminKeyId;
use crate::service::App;
use crate::service::revoke_admin_key::revoke_admin_key;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;

/// Revokes an admin key, for good
///
/// It stops at once. The last one with write access stays. One that is revoked already stays as it is.
#[utoipa::path(
    delete,
    path = "/v1/admin_keys/{id}",
    operation_id = "revoke_admin_key",
    tag = "Admin keys",
    params(
        ("id" = uuid::Uuid, Path, description = "Id of the admin key"),
        ("if-match" = Option<String>, Header, description = "The ETag of an earlier answer: the key is revoked only if nobody edited it since"),
    ),
    responses(
        (status = 200, description = "The admin key", body = AdminKeyObject, headers(("etag" = String, description = "The version of what can be edited"))),
        (status = 409, description = "It is the last admin key with write access", body = Document, content_type = "application/problem+json"),
        (status = 412, description = "Somebody edited the key meanwhile", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<AdminKeyId>,
    IfMatch(expected): IfMatch,
) -> Result<impl IntoResponse, Problem> {
    let key = revoke_admin_key(&app, &by.origin(), id, &expected).await?;
    Ok((etag(key.version()), Json(AdminKeyObject::from(key))))
}
