//! `PATCH /v1/projects/{id}`

use super::super::auth::Authenticated;
use super::super::body::{JsonBody, Object, given};
use super::super::etag::{IfMatch, etag};
use super::super::problem::{Document, Problem};
use super::objects::ProjectObject;
use super::projects_create::PrefixesBody;
use super::texts::NameText;
use super::{PathId, field};
use crate::domain::id::ProjectId;
use crate::domain::name::Name;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::update_project::{ProjectChange, update_project};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UpdateProject, min_properties = 1)]
pub struct Body {
    /// For people.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = NameText, required = false)]
    name: Option<String>,
    /// What new keys begin with; keys that are there keep theirs.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = PrefixesBody, required = false)]
    prefixes: Option<Object<PrefixesBody>>,
}

/// Edits a project
///
/// What is left out stays as it is.
#[utoipa::path(
    patch,
    path = "/v1/projects/{id}",
    operation_id = "update_project",
    tag = "Projects",
    params(
        ("id" = uuid::Uuid, Path, description = "Id of the project"),
        ("if-match" = Option<String>, Header, description = "The ETag of an earlier answer: the project is changed only if nobody edited it since"),
    ),
    request_body = Body,
    responses(
        (status = 200, description = "The project", body = ProjectObject, headers(("etag" = String, description = "The version of what can be edited"))),
        (status = 412, description = "Somebody edited the project meanwhile", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<ProjectId>,
    IfMatch(expected): IfMatch,
    JsonBody(body): JsonBody<Body>,
) -> Result<impl IntoResponse, Problem> {
    let project = update_project(&app, &by.origin(), id, &expected, parse(&body)?).await?;
    Ok((etag(project.version()), Json(ProjectObject::from(project))))
}

fn parse(body: &Body) -> Result<ProjectChange, Error> {
    let mut errors = Vec::new();
    let name = body.name.as_deref().and_then(|text| field("name", Name::parse(text), &mut errors));
    let prefixes = body.prefixes.as_ref().and_then(|Object(prefixes)| prefixes.parse(&mut errors));
    let change = ProjectChange { name, prefixes };
    if errors.is_empty() && change == ProjectChange::default() {
        errors.push(FieldError::new("body", "must have at least one of name and prefixes"));
    }
    if errors.is_empty() { Ok(change) } else { Err(Error::fields(Code::InvalidRequest, errors)) }
}
