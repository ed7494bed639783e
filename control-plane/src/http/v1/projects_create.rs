//! `POST /v1/projects`

use super::super::auth::Authenticated;
use super::super::body::Object;
use super::super::created::CreatedAnswer;
use super::super::post::Post;
use super::super::problem::Problem;
use super::objects::ProjectObject;
use super::texts::{NameText, PrefixText};
use super::{field, id_field};
use crate::domain::name::Name;
use crate::domain::project::Prefixes;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::create_project::{NewProject, create_project};
use crate::service::once::{Once, once};
use axum::extract::State;
use keyplane_contract::key::Prefix;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateProject)]
pub struct Body {
    #[schema(value_type = uuid::Uuid)]
    account_id: String,
    /// For people.
    #[schema(value_type = NameText)]
    name: String,
    /// What its keys begin with, by environment. They must differ.
    #[schema(value_type = PrefixesBody)]
    prefixes: Object<PrefixesBody>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreatePrefixes, example = json!({ "live": "uk_live", "test": "uk_test" }))]
pub struct PrefixesBody {
    #[schema(value_type = PrefixText)]
    live: String,
    #[schema(value_type = PrefixText)]
    test: String,
}

impl PrefixesBody {
    /// Reads them; what is wrong is added to `errors`.
    pub fn parse(&self, errors: &mut Vec<FieldError>) -> Option<Prefixes> {
        let live = field("prefixes.live", Prefix::parse(&self.live), errors);
        let test = field("prefixes.test", Prefix::parse(&self.test), errors);
        let (live, test) = live.zip(test)?;
        Prefixes::new(live, test)
            .map_err(|error| errors.push(FieldError::new(format!("prefixes.{}", error.environment().name()), error)))
            .ok()
    }
}

/// Makes a project in an account
#[utoipa::path(
    post,
    path = "/v1/projects",
    operation_id = "create_project",
    tag = "Projects",
    request_body = Body,
    responses((status = 201, description = "The new project", body = ProjectObject, headers(("location" = String, description = "Its path"))))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Post { body, attempt }: Post<Body>,
) -> Result<Once<CreatedAnswer>, Problem> {
    let work = async {
        let pending = create_project(&app, &by.origin(), parse(&body)?).await?;
        pending.try_map(|project| {
            let location = format!("/v1/projects/{}", project.id);
            CreatedAnswer::new(location, project.version(), &ProjectObject::from(project))
        })
    };
    Ok(once(&app, attempt.as_ref(), work).await?)
}

fn parse(body: &Body) -> Result<NewProject, Error> {
    let mut errors = Vec::new();
    let account_id = id_field("account_id", &body.account_id, &mut errors);
    let name = field("name", Name::parse(&body.name), &mut errors);
    let prefixes = body.prefixes.0.parse(&mut errors);
    match (account_id, name, prefixes) {
        (Some(account_id), Some(name), Some(prefixes)) => Ok(NewProject { account_id, name, prefixes }),
        _ => Err(Error::fields(Code::InvalidRequest, errors)),
    }
}
