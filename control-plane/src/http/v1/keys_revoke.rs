//! `DELETE /v1/keys/{id}`: revokes, and answers with the key. Once more changes nothing.

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::PathId;
use super::objects::KeyObject;
use crate::domain::id::KeyId;
use crate::service::App;
use crate::service::revoke_key::revoke_key;
use axum::Json;
use axum::extract::State;

/// Revokes a key, for good
///
/// One that is revoked already stays as it is.
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    operation_id = "revoke_key",
    tag = "Keys",
    params(("id" = uuid::Uuid, Path, description = "Id of the key")),
    responses((status = 200, description = "The key", body = KeyObject))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<KeyId>,
) -> Result<Json<KeyObject>, Problem> {
    Ok(Json(KeyObject::at(app.now(), revoke_key(&app, &by.origin(), id).await?)))
}
