//! `POST /v1/accounts`

use super::super::auth::Authenticated;
use super::super::body::JsonBody;
use super::super::problem::Problem;
use super::objects::AccountObject;
use super::texts::NameText;
use crate::domain::name::Name;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::create_account::create_account;
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
    responses((status = 201, description = "The new account", body = AccountObject, headers(("location" = String, description = "Its path"))))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    JsonBody(body): JsonBody<Body>,
) -> Result<impl IntoResponse, Problem> {
    let name = Name::parse(&body.name)
        .map_err(|error| Error::fields(Code::InvalidRequest, vec![FieldError::new("name", error)]))?;
    let account = create_account(&app, &by.origin(), name).await?;
    let location = format!("/v1/accounts/{}", account.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(AccountObject::from(account))))
}
