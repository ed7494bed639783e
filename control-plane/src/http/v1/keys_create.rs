//! `POST /v1/keys`: the only answer that carries a secret.

use super::super::auth::Authenticated;
use super::super::body::JsonBody;
use super::super::etag::of_key;
use super::super::problem::Problem;
use super::objects::{EnvironmentName, KeyObject};
use super::texts::{NameText, ScopeText};
use super::{environment_field, field, id_field, scopes_field};
use crate::domain::name::Name;
use crate::domain::time::Time;
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::create_key::{NewKey, create_key};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
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
    /// When it ends, in the future; without it never.
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-15T10:30:00Z")]
    expires_at: Option<String>,
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
    responses((status = 201, description = "The new key, with its secret", body = Created, headers(("location" = String, description = "Its path"))))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    JsonBody(body): JsonBody<Body>,
) -> Result<impl IntoResponse, Problem> {
    let created = create_key(&app, &by.origin(), parse(&body)?).await?;
    let location = format!("/v1/keys/{}", created.key.id);
    let tag = of_key(&created.key);
    let object = KeyObject::at(app.now(), created.key);
    let answer = Json(Created { object, key: created.secret.expose() }).into_response();
    Ok((StatusCode::CREATED, [(LOCATION, location)], tag, answer))
}

fn parse(body: &Body) -> Result<NewKey, Error> {
    let mut errors = Vec::new();
    let project_id = id_field("project_id", &body.project_id, &mut errors);
    let environment = environment_field("environment", &body.environment, &mut errors);
    let name = field("name", Name::parse(&body.name), &mut errors);
    let scopes = scopes_field(body.scopes.as_deref().unwrap_or_default(), &mut errors);
    let expires_at = body.expires_at.as_deref().map(|text| field("expires_at", Time::parse(text), &mut errors));
    match (project_id, environment, name, scopes) {
        (Some(project_id), Some(environment), Some(name), Some(scopes)) if errors.is_empty() => {
            Ok(NewKey { project_id, environment, name, scopes, expires_at: expires_at.flatten() })
        }
        _ => Err(Error::fields(Code::InvalidRequest, errors)),
    }
}
