//! `POST /v1/proxy_tokens`: the answer carries the secret, this once.

use super::super::auth::Authenticated;
use super::super::created::CreatedAnswer;
use super::super::post::Post;
use super::super::problem::{Document, Problem};
use super::field;
use super::objects::ProxyTokenObject;
use super::texts::NameText;
use crate::domain::name::Name;
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::create_proxy_token::{CreatedProxyToken, create_proxy_token};
use crate::service::once::{Once, once};
use axum::extract::State;
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
    Post { body, attempt }: Post<Body>,
) -> Result<Once<CreatedAnswer>, Problem> {
    let work = async {
        let pending = create_proxy_token(&app, &by.origin(), parse(&body)?).await?;
        pending.try_map(|CreatedProxyToken { token, secret }| {
            let (location, version) = (format!("/v1/proxy_tokens/{}", token.id), token.version());
            CreatedAnswer::new(location, version, &Created { object: token.into(), key: secret.expose() })
        })
    };
    Ok(once(&app, attempt.as_ref(), work).await?)
}

fn parse(body: &Body) -> Result<Name, Error> {
    let mut errors = Vec::new();
    let name = field("name", Name::parse(&body.name), &mut errors);
    name.ok_or_else(|| Error::fields(Code::InvalidRequest, errors))
}
