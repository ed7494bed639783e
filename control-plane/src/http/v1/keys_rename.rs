//! `PATCH /v1/keys/{id}`

use super::super::auth::Authenticated;
use super::super::body::JsonBody;
use super::super::problem::Problem;
use super::PathId;
use super::objects::KeyObject;
use crate::domain::id::KeyId;
use crate::domain::name::Name;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::rename_key::rename_key;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UpdateKey)]
pub struct Body {
    /// For people.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// Gives a key another name
///
/// Revoked keys too.
#[utoipa::path(
    patch,
    path = "/v1/keys/{id}",
    operation_id = "update_key",
    tag = "Keys",
    params(("id" = uuid::Uuid, Path, description = "Id of the key")),
    request_body = Body,
    responses((status = 200, description = "The key", body = KeyObject))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<KeyId>,
    JsonBody(body): JsonBody<Body>,
) -> Result<Json<KeyObject>, Problem> {
    let name = Name::parse(&body.name)
        .map_err(|error| Error::fields(Code::InvalidRequest, vec![FieldError::new("name", error)]))?;
    Ok(Json(KeyObject::at(app.now(), rename_key(&app, &by.origin(), id, name).await?)))
}
