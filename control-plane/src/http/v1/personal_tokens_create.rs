//! `POST /v1/personal_access_tokens`: the answer carries the secret, this once.

use super::super::auth::Authenticated;
use super::super::created::CreatedAnswer;
use super::super::post::Post;
use super::super::problem::Problem;
use super::id_field;
use super::objects::PersonalTokenObject;
use super::terms::TermsFields;
use super::texts::{NameText, NetworkText, ScopeText};
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::create_key::CreatedKey;
use crate::service::create_personal_token::{NewPersonalToken, create_personal_token};
use crate::service::once::{Once, once};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreatePersonalAccessToken)]
pub struct Body {
    /// Whose it is. A user leaves it out, for it can be no one else's; an admin key must say.
    #[schema(value_type = Option<uuid::Uuid>)]
    user_id: Option<String>,
    /// For people.
    #[schema(value_type = NameText)]
    name: String,
    /// What it may be used for behind the proxy. At the management API it has its user's rights.
    #[schema(value_type = Option<Vec<ScopeText>>, max_items = 64)]
    scopes: Option<Vec<String>>,
    /// The networks from which it may be used, such as `203.0.113.0/24`; without them it may be used from everywhere.
    #[schema(value_type = Option<Vec<NetworkText>>, max_items = 32)]
    allowed_cidrs: Option<Vec<String>>,
    /// When it ends, in the future; without it never.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
    /// What its owner keeps with it: at most 4096 bytes of JSON, 4 levels deep.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CreatedPersonalAccessToken)]
struct Created<'a> {
    #[serde(flatten)]
    object: PersonalTokenObject,
    /// The full token, shown this once.
    key: &'a str,
}

/// Makes a personal access token
///
/// The answer is the only one that carries the full token. It acts as its user.
#[utoipa::path(
    post,
    path = "/v1/personal_access_tokens",
    operation_id = "create_personal_access_token",
    tag = "Personal access tokens",
    request_body = Body,
    responses((status = 201, description = "The new token, with its secret", body = Created, headers(("location" = String, description = "Its path"))))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Post { body, attempt }: Post<Body>,
) -> Result<Once<CreatedAnswer>, Problem> {
    let work = async {
        let pending = create_personal_token(&app, &by.origin(), parse(&body)?).await?;
        pending.try_map(|CreatedKey { key, secret }| {
            let (location, version) = (format!("/v1/personal_access_tokens/{}", key.id), key.version());
            let object = PersonalTokenObject::at(app.now(), key);
            CreatedAnswer::new(location, version, &Created { object, key: secret.expose() })
        })
    };
    Ok(once(&app, attempt.as_ref(), work).await?)
}

fn parse(body: &Body) -> Result<NewPersonalToken, Error> {
    let mut errors = Vec::new();
    let user_id = body.user_id.as_deref().and_then(|text| id_field("user_id", text, &mut errors));
    let terms = TermsFields {
        name: &body.name,
        scopes: body.scopes.as_deref(),
        allowed_cidrs: body.allowed_cidrs.as_deref(),
        expires_at: body.expires_at.as_deref(),
        metadata: body.metadata.as_ref(),
    };
    match terms.parse(&mut errors) {
        Some(terms) if errors.is_empty() => Ok(NewPersonalToken { user_id, terms }),
        _ => Err(Error::fields(Code::InvalidRequest, errors)),
    }
}
