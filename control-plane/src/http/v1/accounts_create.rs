//! `POST /v1/accounts`

use super::super::auth::Authenticated;
use super::super::body::JsonBody;
use super::super::etag::etag;
use super::super::problem::{Document, Problem};
use super::field;
use super::objects::AccountObject;
use super::texts::{ForeignText, NameText, PlanText};
use crate::domain::account::ExternalId;
use crate::domain::name::Name;
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::create_account::{NewAccount, create_account};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
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
    JsonBody(body): JsonBody<Body>,
) -> Result<impl IntoResponse, Problem> {
    let account = create_account(&app, &by.origin(), parse(body)?).await?;
    let location = format!("/v1/accounts/{}", account.id);
    let tag = etag(account.version());
    Ok((StatusCode::CREATED, [(LOCATION, location)], tag, Json(AccountObject::from(account))))
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
