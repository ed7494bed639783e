//! `POST /v1/proxy_tokens`: the answer carries the secret, this once.

use super::super::auth::Authenticated;
use super::super::body::JsonBody;
use super::super::etag::etag;
use super::super::problem::{Document, Problem};
use super::field;
use super::objects::ProxyTokenObject;
use super::texts::NameText;
use crate::domain::name::Name;
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::create_proxy_token::create_proxy_token;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateProxyToken)]
pub struct Body {
    /// For people: when it was made, or where it is used.
    #[schema(value_type = NameText)]
    name: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CreatedProxyToken)]
struct Created<'a> {
    #[serde(flatten)]
    object: ProxyTokenObject,
    /// The full token, shown this once.
    key: &'a str,
}

/// Makes a proxy token, the successor of the one in use
///
/// The answer is the only one that carries the full token. At most two are valid at once: give the new one to every proxy, then
/// revoke the old one.
#[utoipa::path(
    post,
    path = "/v1/proxy_tokens",
    operation_id = "create_proxy_token",
    tag = "Proxy tokens",
    request_body = Body,
    responses(
        (status = 201, description = "The new token, with its secret", body = Created, headers(("location" = String, description = "Its path"))),
        (status = 409, description = "Two are valid already", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    JsonBody(body): JsonBody<Body>,
) -> Result<impl IntoResponse, Problem> {
    let mut errors = Vec::new();
    let name = field("name", Name::parse(&body.name), &mut errors);
    let name = name.ok_or_else(|| Error::fields(Code::InvalidRequest, errors))?;
    let created = create_proxy_token(&app, &by.origin(), name).await?;
    let location = format!("/v1/proxy_tokens/{}", created.token.id);
    let tag = etag(created.token.version());
    let answer = Json(Created { object: created.token.into(), key: created.secret.expose() }).into_response();
    Ok((StatusCode::CREATED, [(LOCATION, location)], tag, answer))
}
