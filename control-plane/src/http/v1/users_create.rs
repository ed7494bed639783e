//! `POST /v1/users`

use super::super::auth::Authenticated;
use super::super::body::Object;
use super::super::created::CreatedAnswer;
use super::super::post::Post;
use super::super::problem::{Document, Problem};
use super::objects::{RoleName, UserObject};
use super::texts::{EmailText, ForeignText, NameText};
use super::{field, id_field, role_field};
use crate::domain::name::Name;
use crate::domain::user::{Email, Identity};
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::create_user::{NewUser, create_user};
use crate::service::once::{Once, once};
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateUser)]
pub struct Body {
    #[schema(value_type = uuid::Uuid)]
    account_id: String,
    /// The only one of this address in the account. No mail is sent.
    #[schema(value_type = EmailText)]
    email: String,
    /// For people.
    #[schema(value_type = NameText)]
    name: String,
    /// Without it a member.
    #[schema(value_type = Option<RoleName>)]
    role: Option<String>,
    /// Who they are to an issuer of JWTs.
    #[schema(value_type = Option<IdentityBody>)]
    identity: Option<Object<IdentityBody>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SetIdentity)]
pub struct IdentityBody {
    /// The issuer (`iss`), as in the setting `jwt`.
    #[schema(value_type = ForeignText)]
    issuer: String,
    /// The user's id there (`sub`).
    #[schema(value_type = ForeignText)]
    subject: String,
}

impl IdentityBody {
    /// Reads it; what is wrong is added to `errors`.
    pub fn parse(&self, errors: &mut Vec<FieldError>) -> Option<Identity> {
        Identity::new(&self.issuer, &self.subject)
            .map_err(|error| errors.push(FieldError::new(format!("identity.{}", error.field), error)))
            .ok()
    }
}

/// Adds a person to an account
#[utoipa::path(
    post,
    path = "/v1/users",
    operation_id = "create_user",
    tag = "Users",
    request_body = Body,
    responses(
        (status = 201, description = "The new user", body = UserObject, headers(("location" = String, description = "Its path"))),
        (status = 409, description = "Another user of the account has the address or the identity", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Post { body, attempt }: Post<Body>,
) -> Result<Once<CreatedAnswer>, Problem> {
    let work = async {
        let pending = create_user(&app, &by.origin(), parse(&body)?).await?;
        pending.try_map(|user| {
            let location = format!("/v1/users/{}", user.id);
            CreatedAnswer::new(location, user.version(), &UserObject::from(user))
        })
    };
    Ok(once(&app, attempt.as_ref(), work).await?)
}

fn parse(body: &Body) -> Result<NewUser, Error> {
    let mut errors = Vec::new();
    let account_id = id_field("account_id", &body.account_id, &mut errors);
    let email = field("email", Email::parse(&body.email), &mut errors);
    let name = field("name", Name::parse(&body.name), &mut errors);
    let role = role_field("role", body.role.as_deref().unwrap_or("member"), &mut errors);
    let identity = body.identity.as_ref().and_then(|Object(identity)| identity.parse(&mut errors));
    match (account_id, email, name, role) {
        (Some(account_id), Some(email), Some(name), Some(role)) if errors.is_empty() => {
            Ok(NewUser { account_id, email, name, role, identity })
        }
        _ => Err(Error::fields(Code::InvalidRequest, errors)),
    }
}
