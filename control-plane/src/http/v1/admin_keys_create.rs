//! `POST /v1/admin_keys`: the answer carries the secret, this once.

use super::super::auth::Authenticated;
use super::super::created::CreatedAnswer;
use super::super::post::Post;
use super::super::problem::Problem;
use super::field;
use super::objects::{AccessName, AdminKeyObject};
use super::texts::NameText;
use crate::domain::name::Name;
use crate::domain::rights::Access;
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::create_admin_key::{CreatedAdminKey, create_admin_key};
use crate::service::once::{Once, once};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateAdminKey)]
pub struct Body {
    /// For people: who or what holds it.
    #[schema(value_type = NameText)]
    name: String,
    /// `read` changes nothing.
    #[schema(value_type = AccessName)]
    access: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CreatedAdminKey)]
struct Created<'a> {
    #[serde(flatten)]
    object: AdminKeyObject,
    /// The full key, shown this once.
    key: &'a str,
}

/// Makes an admin key
///
/// The answer is the only one that carries the full key. Make one for each person and program, so that each can be revoked alone.
#[utoipa::path(
    post,
    path = "/v1/admin_keys",
    operation_id = "create_admin_key",
    tag = "Admin keys",
    request_body = Body,
    responses(
        (status = 201, description = "The new key, with its secret", body = Created, headers(("location" = String, description = "Its path"))),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Post { body, attempt }: Post<Body>,
) -> Result<Once<CreatedAnswer>, Problem> {
    let work = async {
        let (name, access) = parse(&body)?;
        let pending = create_admin_key(&app, &by.origin(), name, access).await?;
        pending.try_map(|CreatedAdminKey { key, secret }| {
            let (location, version) = (format!("/v1/admin_keys/{}", key.id), key.version());
            CreatedAnswer::new(location, version, &Created { object: key.into(), key: secret.expose() })
        })
    };
    Ok(once(&app, attempt.as_ref(), work).await?)
}

fn parse(body: &Body) -> Result<(Name, Access), Error> {
    let mut errors = Vec::new();
    let name = field("name", Name::parse(&body.name), &mut errors);
    let access = field("access", Access::from_name(&body.access).ok_or("must be `read` or `write`"), &mut errors);
    match (name, access) {
        (Some(name), Some(access)) => Ok((name, access)),
        _ => Err(Error::fields(Code::InvalidRequest, errors)),
    }
}
