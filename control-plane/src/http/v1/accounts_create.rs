//! `POST /v1/accounts`

use super::super::auth::Authenticated;
use super::super::created::CreatedAnswer;
use super::super::post::Post;
use super::super::problem::{Document, Problem};
use super::field;
use super::objects::AccountObject;
use super::texts::{ForeignText, NameText, PlanText};
use crate::domain::account::ExternalId;
use crate::domain::name::Name;
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::create_account::{NewAccount, create_account};
use crate::service::once::{Once, once};
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateAccount)]
pub struct Body {
    /// For people.
    #[schema(value_type = NameText)]
    name: String,
    /// One of the operator's plans; without it the default one.
    #[schema(value_type = Option<PlanText>)]
    plan: Option<String>,
    /// What issuers of JWTs call it, such as Clerk's `org_id`. No two accounts share one.
    #[schema(value_type = Option<ForeignText>)]
    external_id: Option<String>,
}

/// Makes an account
///
/// Names need not be unique.
#[utoipa::path(
    post,
    path = "/v1/accounts",
    operation_id = "create_account",
    tag = "Accounts",
    request_body = Body,
    responses(
        (status = 201, description = "The new account", body = AccountObject, headers(("location" = String, description = "Its path"))),
        (status = 409, description = "Another account has the external id", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Post { body, attempt }: Post<Body>,
) -> Result<Once<CreatedAnswer>, Problem> {
    let work = async {
        let pending = create_account(&app, &by.origin(), parse(body)?).await?;
        pending.try_map(|account| {
            let location = format!("/v1/accounts/{}", account.id);
            CreatedAnswer::new(location, account.version(), &AccountObject::from(account))
        })
    };
    Ok(once(&app, attempt.as_ref(), work).await?)
}

fn parse(body: Body) -> Result<NewAccount, Error> {
    let mut errors = Vec::new();
    let name = field("name", Name::parse(&body.name), &mut errors);
    let external_id = body.external_id.map(|text| field("external_id", ExternalId::parse(&text), &mut errors));
    match name {
        Some(name) if errors.is_empty() => Ok(NewAccount { name, plan: body.plan, external_id: external_id.flatten() }),
        _ => Err(Error::fields(Code::InvalidRequest, errors)),
    }
}
