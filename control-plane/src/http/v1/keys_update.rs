//! `PATCH /v1/keys/{id}`

use super::super::auth::Authenticated;
use super::super::body::{JsonBody, given};
use super::super::etag::{IfMatch, etag};
use super::super::problem::{Document, Problem};
use super::super::query::Parameters;
use super::objects::KeyObject;
use super::receipts::{WaitQuery, receipt_of};
use super::texts::{NameText, NetworkText, ScopeText};
use super::{PathId, field, networks_field, scopes_field};
use crate::domain::id::KeyId;
use crate::domain::key::KeyKind;
use crate::domain::metadata::Metadata;
use crate::domain::name::Name;
use crate::domain::time::Time;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::receipt::ChangedKey;
use crate::service::update_key::{KeyChange, update_key};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UpdateKey, min_properties = 1)]
#[expect(clippy::option_option, reason = "left out, null and a time are three answers")]
pub struct Body {
    /// For people.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = NameText, required = false)]
    name: Option<String>,
    /// What it may be used for: the whole new list.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<ScopeText>, max_items = 64, required = false)]
    scopes: Option<Vec<String>>,
    /// The networks from which it may be used: the whole new list; an empty one for everywhere.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<NetworkText>, required = false, max_items = 32)]
    allowed_cidrs: Option<Vec<String>>,
    /// What its owner keeps with it: the whole new object.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Object, required = false)]
    metadata: Option<Value>,
    /// When it ends, in the future; null for never.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-15T10:30:00Z", required = false)]
    expires_at: Option<Option<String>>,
    /// Whether it is switched on. A key that is switched off is refused until it is switched on again.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool, required = false)]
    enabled: Option<bool>,
}

/// Edits a key
///
/// What is left out stays as it is. Of a revoked key only name and metadata can be changed. With `wait` the answer holds a receipt: how many
/// proxies have the change by now, and which lag.
#[utoipa::path(
    patch,
    path = "/v1/keys/{id}",
    operation_id = "update_key",
    tag = "Keys",
    params(
        ("id" = uuid::Uuid, Path, description = "Id of the key"),
        ("if-match" = Option<String>, Header, description = "The ETag of an earlier answer: the key is changed only if nobody edited it since"),
        WaitQuery,
    ),
    request_body = Body,
    responses(
        (status = 200, description = "The key", body = KeyObject, headers(("etag" = String, description = "The version of what can be edited"))),
        (status = 409, description = "The key is revoked", body = Document, content_type = "application/problem+json"),
        (status = 412, description = "Somebody edited the key meanwhile", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<KeyId>,
    IfMatch(expected): IfMatch,
    Parameters(query): Parameters<WaitQuery>,
    JsonBody(body): JsonBody<Body>,
) -> Result<impl IntoResponse, Problem> {
    let wait = query.parse()?;
    let ChangedKey { key, revision } =
        update_key(&app, &by.origin(), KeyKind::Key, id, &expected, body.parse()?).await?;
    let receipt = receipt_of(&app, &by, revision, wait).await;
    Ok((etag(key.version()), Json(KeyObject::at(app.now(), key).with(receipt))))
}

impl Body {
    /// What is to change.
    pub fn parse(&self) -> Result<KeyChange, Error> {
        let mut errors = Vec::new();
        let name = self.name.as_deref().and_then(|text| field("name", Name::parse(text), &mut errors));
        let scopes = self.scopes.as_deref().and_then(|texts| scopes_field(texts, &mut errors));
        let networks = self.allowed_cidrs.as_deref().and_then(|texts| networks_field(texts, &mut errors));
        let metadata = self.metadata.clone().and_then(|value| field("metadata", Metadata::new(value), &mut errors));
        let expires_at = self
            .expires_at
            .as_ref()
            .map(|end| end.as_deref().and_then(|text| field("expires_at", Time::parse(text), &mut errors)));
        let change = KeyChange { name, scopes, networks, metadata, expires_at, enabled: self.enabled };
        if errors.is_empty() && change == KeyChange::default() {
            let fields = "name, scopes, allowed_cidrs, metadata, expires_at and enabled";
            errors.push(FieldError::new("body", format!("must have at least one of {fields}")));
        }
        if errors.is_empty() { Ok(change) } else { Err(Error::fields(Code::InvalidRequest, errors)) }
    }
}
