//! `GET /v1/me`: who calls. For a user it is what people expect of a whoami: `id`, `email`, `name`.

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::objects::{AccessName, KeyObject, UserObject};
use super::texts::NameText;
use crate::domain::id::AdminKeyId;
use crate::domain::name::Name;
use crate::domain::rights::Access;
use crate::service::App;
use crate::service::who::{Who, who};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// Who calls; `kind` says which of these.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = Me)]
pub enum Answer {
    /// The holder of an admin key.
    AdminKey(AdminKeyObject),
    /// The holder of an account's key.
    Key(Box<KeyObject>),
    /// A person, by a personal access token or a JWT.
    User(Box<UserObject>),
}

/// The admin key that a caller holds.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnAdminKey)]
pub struct AdminKeyObject {
    #[schema(value_type = uuid::Uuid)]
    id: AdminKeyId,
    #[schema(value_type = NameText)]
    name: Name,
    #[schema(value_type = AccessName)]
    access: Access,
}

/// Says who calls
#[utoipa::path(
    get,
    path = "/v1/me",
    operation_id = "me",
    tag = "Me",
    responses((status = 200, description = "Who calls", body = Answer))
)]
pub async fn handle(State(app): State<App>, by: Authenticated) -> Result<Json<Answer>, Problem> {
    Ok(Json(match who(&app, &by.origin()).await? {
        Who::AdminKey { id, name, access } => Answer::AdminKey(AdminKeyObject { id, name, access }),
        Who::Key(key) => Answer::Key(Box::new(KeyObject::at(app.now(), *key))),
        Who::User(user) => Answer::User(Box::new((*user).into())),
    }))
}
