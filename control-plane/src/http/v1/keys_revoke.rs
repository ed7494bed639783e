//! `DELETE /v1/keys/{id}`: revokes, and answers with the key. Once more changes nothing.

use super::super::auth::Authenticated;
use super::super::etag::{IfMatch, etag};
use super::super::problem::{Document, Problem};
use super::super::query::Parameters;
use super::objects::KeyObject;
use super::receipts::{receipt_of, wait_field};
use super::texts::{ReasonText, WaitText};
use super::{PathId, field};
use crate::domain::id::KeyId;
use crate::domain::key::{KeyKind, RevokeReason};
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::receipt::ChangedKey;
use crate::service::revoke_key::revoke_key;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// Why, in a line of 1 to 200 characters. It is kept with the key and in the audit log.
    #[param(value_type = Option<ReasonText>)]
    reason: Option<String>,
    /// Waits until every live proxy refuses it, for at most so long, and then answers with a receipt.
    #[param(value_type = Option<WaitText>)]
    wait: Option<String>,
}

impl Query {
    /// The reason, and how long to wait for a receipt, if they are given.
    pub fn parse(&self) -> Result<(Option<RevokeReason>, Option<Duration>), Error> {
        let mut errors = Vec::new();
        let reason = self.reason.as_deref().and_then(|text| field("reason", RevokeReason::parse(text), &mut errors));
        let wait = wait_field(self.wait.as_deref(), &mut errors);
        if errors.is_empty() { Ok((reason, wait)) } else { Err(Error::fields(Code::InvalidQuery, errors)) }
    }
}

/// Revokes a key, for good
///
/// One that is revoked already stays as it is. With `wait` the answer holds a receipt: how many proxies refuse it by now, and which
/// lag.
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    operation_id = "revoke_key",
    tag = "Keys",
    params(
        ("id" = uuid::Uuid, Path, description = "Id of the key"),
        ("if-match" = Option<String>, Header, description = "The ETag of an earlier answer: the key is revoked only if nobody edited it since"),
        Query,
    ),
    responses(
        (status = 200, description = "The key", body = KeyObject, headers(("etag" = String, description = "The version of what can be edited"))),
        (status = 412, description = "Somebody edited the key meanwhile", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<KeyId>,
    IfMatch(expected): IfMatch,
    Parameters(query): Parameters<Query>,
) -> Result<impl IntoResponse, Problem> {
    let (reason, wait) = query.parse()?;
    let ChangedKey { key, revision } = revoke_key(&app, &by.origin(), KeyKind::Key, id, &expected, reason).await?;
    let receipt = receipt_of(&app, &by, revision, wait).await;
    Ok((etag(key.version()), Json(KeyObject::at(app.now(), key).with(receipt))))
}
