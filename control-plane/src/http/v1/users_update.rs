//! `PATCH /v1/users/{id}`

use super::super::auth::Authenticated;
use super::super::body::{JsonBody, Object, given};
use super::super::etag::{IfMatch, etag};
use super::super::problem::{Document, Problem};
use super::objects::{RoleName, UserObject};
use super::texts::{EmailText, NameText};
use super::users_create::IdentityBody;
use super::{PathId, field, role_field};
use crate::domain::id::UserId;
use crate::domain::name::Name;
use crate::domain::user::Email;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::update_user::{UserChange, update_user};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UpdateUser, min_properties = 1)]
#[expect(clippy::option_option, reason = "left out, null and an identity are three answers")]
pub struct Body {
    /// The only one of this address in the account.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = EmailText, required = false)]
    email: Option<String>,
    /// For people.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = NameText, required = false)]
    name: Option<String>,
    /// What they are in the account.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = RoleName, required = false)]
    role: Option<String>,
    /// Who they are to an issuer of JWTs; null for nobody.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<IdentityBody>, required = false)]
    identity: Option<Option<Object<IdentityBody>>>,
}

/// Edits a user
///
/// What is left out stays as it is. Only owners and the operator make and change owners.
#[utoipa::path(
    patch,
    path = "/v1/users/{id}",
    operation_id = "update_user",
    tag = "Users",
    params(
        ("id" = uuid::Uuid, Path, description = "Id of the user"),
        ("if-match" = Option<String>, Header, description = "The ETag of an earlier answer: the user is changed only if nobody edited it since"),
    ),
    request_body = Body,
    responses(
        (status = 200, description = "The user", body = UserObject, headers(("etag" = String, description = "The version of what can be edited"))),
        (status = 409, description = "Another user of the account has the address or the identity", body = Document, content_type = "application/problem+json"),
        (status = 412, description = "Somebody edited the user meanwhile", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<UserId>,
    IfMatch(expected): IfMatch,
    JsonBody(body): JsonBody<Body>,
) -> Result<impl IntoResponse, Problem> {
    let user = update_user(&app, &by.origin(), id, &expected, parse(&body)?).await?;
    Ok((etag(user.version()), Json(UserObject::from(user))))
}

fn parse(body: &Body) -> Result<UserChange, Error> {
    let mut errors = Vec::new();
    let email = body.email.as_deref().and_then(|text| field("email", Email::parse(text), &mut errors));
    let name = body.name.as_deref().and_then(|text| field("name", Name::parse(text), &mut errors));
    let role = body.role.as_deref().and_then(|text| role_field("role", text, &mut errors));
    let identity = body
        .identity
        .as_ref()
        .map(|identity| identity.as_ref().and_then(|Object(identity)| identity.parse(&mut errors)));
    let change = UserChange { email, name, role, identity };
    if errors.is_empty() && change == UserChange::default() {
        errors.push(FieldError::new("body", "must have at least one of email, name, role and identity"));
    }
    if errors.is_empty() { Ok(change) } else { Err(Error::fields(Code::InvalidRequest, errors)) }
}
