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

pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<KeyId>,
) -> Result<Json<KeyObject>, Problem> {
    Ok(Json(KeyObject::at(app.now(), revoke_key(&app, &by.origin(), id).await?)))
}
