//! `POST /v1/keys`: the only answer that carries a secret.

use super::super::auth::Authenticated;
use super::super::created::CreatedAnswer;
use super::super::post::Post;
use super::super::problem::{Document, Problem};
use super::objects::{EnvironmentName, KeyObject};
use super::terms::TermsFields;
use super::texts::{NameText, NetworkText, ScopeText};
use super::{environment_field, id_field};
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::create_key::{CreatedKey, NewKey, create_key};
use crate::service::once::{Once, once};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateKey)]
pub struct Body {
    #[schema(value_type = uuid::Uuid)]
    project_id: String,
    #[schema(value_type = EnvironmentName)]
    environment: String,
    /// For people.
    #[schema(value_type = NameText)]
    name: String,
    /// What it may be used for.
    #[schema(value_type = Option<Vec<ScopeText>>, max_items = 64)]
    scopes: Option<Vec<String>>,
    /// The networks from which it may be used, such as `203.0.113.0/24`; without them it may be used from everywhere.
    #[schema(value_type = Option<Vec<NetworkText>>, max_items = 32)]
    allowed_cidrs: Option<Vec<String>>,
    /// When it ends, in the future; without it never.
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-15T10:30:00Z")]
    expires_at: Option<String>,
    /// What its owner keeps with it: at most 4096 bytes of JSON, 4 levels deep.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CreatedKey)]
struct Created<'a> {
    #[serde(flatten)]
    object: KeyObject,
    /// The full key, shown this once.
    key: &'a str,
}

/// Makes a key
///
/// The answer is the only one that carries the full key.
#[utoipa::path(
    post,
    path = "/v1/keys",
    operation_id = "create_key",
    tag = "Keys",
    request_body = Body,
    responses(
        (status = 201, description = "The new key, with its secret", body = Created, headers(("location" = String, description = "Its path"))),
        (status = 409, description = "The plan allows no more keys", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Post { body, attempt }: Post<Body>,
) -> Result<Once<CreatedAnswer>, Problem> {
    let work = async {
        let pending = create_key(&app, &by.origin(), parse(&body)?).await?;
        pending.try_map(|CreatedKey { key, secret }| {
            let (location, version) = (format!("/v1/keys/{}", key.id), key.version());
            let object = KeyObject::at(app.now(), key);
            CreatedAnswer::new(location, version, &Created { object, key: secret.expose() })
        })
    };
    Ok(once(&app, attempt.as_ref(), work).await?)
}

fn parse(body: &Body) -> Result<NewKey, Error> {
    let mut errors = Vec::new();
    let project_id = id_field("project_id", &body.project_id, &mut errors);
    let environment = environment_field("environment", &body.environment, &mut errors);
    let terms = TermsFields {
        name: &body.name,
        scopes: body.scopes.as_deref(),
        allowed_cidrs: body.allowed_cidrs.as_deref(),
        expires_at: body.expires_at.as_deref(),
        metadata: body.metadata.as_ref(),
    };
    let terms = terms.parse(&mut errors);
    match (project_id, environment, terms) {
        (Some(project_id), Some(environment), Some(terms)) => Ok(NewKey { project_id, environment, terms }),
        _ => Err(Error::fields(Code::InvalidRequest, errors)),
    }
}
