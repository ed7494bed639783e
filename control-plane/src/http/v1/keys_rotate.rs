//! `POST /v1/keys/{id}/rotate`: the other answer that carries a secret.

use super::super::auth::Authenticated;
use super::super::body::whole;
use super::super::created::CreatedAnswer;
use super::super::post::Post;
use super::super::problem::{Document, Problem};
use super::super::query::Parameters;
use super::PathId;
use super::objects::KeyObject;
use super::receipts::WaitQuery;
use crate::domain::id::KeyId;
use crate::domain::time::Time;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::create_key::CreatedKey;
use crate::service::once::{Once, once};
use crate::service::rotate_key::{Handover, RotatedKey, rotate_key};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// How long the old key works when the caller does not say: a working day and the night after it.
const DEFAULT_GRACE: u64 = 24 * 60 * 60;
/// The longest grace, in seconds: 90 days.
const MAX_GRACE: u64 = 90 * 24 * 60 * 60;
const HOUR: u64 = 60 * 60;
/// The longest time without a use that can be waited for, in hours: 90 days.
const MAX_IDLE: u64 = 90 * 24;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RotateKey)]
pub struct Body {
    /// How long the old key works beside the new one at most, in seconds; 0 revokes it at once. Without it 24 hours, or no fixed end if
    /// `retire_when_idle_hours` is given.
    #[serde(default, deserialize_with = "whole")]
    #[schema(value_type = u64, minimum = 0, maximum = 7_776_000, required = false)]
    grace_seconds: Option<u64>,
    /// Revokes the old key by itself once no proxy has seen it for so many hours, counted from the rotation on. A grace beside it is the
    /// latest end.
    #[serde(default, deserialize_with = "whole")]
    #[schema(value_type = u64, minimum = 1, maximum = 2160, required = false)]
    retire_when_idle_hours: Option<u64>,
}

impl Body {
    fn handover(&self) -> Result<Handover, Error> {
        let (grace, idle) = (self.grace_seconds, self.retire_when_idle_hours);
        let mut errors = Vec::new();
        if grace.is_some_and(|grace| grace > MAX_GRACE) {
            errors.push(FieldError::new("grace_seconds", format!("must be at most {MAX_GRACE}, which is 90 days")));
        }
        if idle.is_some_and(|idle| !(1..=MAX_IDLE).contains(&idle)) {
            let message = format!("must be from 1 to {MAX_IDLE}, which is 90 days");
            errors.push(FieldError::new("retire_when_idle_hours", message));
        }
        if !errors.is_empty() {
            return Err(Error::fields(Code::InvalidRequest, errors));
        }
        let grace = if idle.is_some() { grace } else { Some(grace.unwrap_or(DEFAULT_GRACE)) };
        Ok(Handover {
            grace: grace.map(Duration::from_secs),
            idle_limit: idle.map(|hours| Duration::from_secs(hours * HOUR)),
        })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = RotatedKey)]
struct Rotated<'a> {
    #[serde(flatten)]
    object: KeyObject,
    /// The full new key, shown this once.
    key: &'a str,
    /// The old key as it is now.
    replaces: KeyObject,
    /// Until when the old key works at the latest; null when it works until it is idle.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    grace_ends_at: Option<Time>,
}

/// Replaces a key by a new one with the same attributes
///
/// Both work until the grace ends, or until no proxy has seen the old key for `retire_when_idle_hours`: then it is revoked by itself.
/// Meanwhile `GET /v1/keys/{id}/sources` tells who still uses the old key. A key that would end sooner anyway keeps its end. With `wait` the
/// answer holds a receipt: how many proxies know the new key and the old one's end by now, and which lag.
#[utoipa::path(
    post,
    path = "/v1/keys/{id}/rotate",
    operation_id = "rotate_key",
    tag = "Keys",
    params(("id" = uuid::Uuid, Path, description = "Id of the key to replace"), WaitQuery),
    request_body = Body,
    responses(
        (status = 201, description = "The new key, with its secret, and the old one", body = Rotated, headers(("location" = String, description = "Path of the new key"))),
        (status = 409, description = "The key does not work now, so there is nothing to hand over", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<KeyId>,
    Parameters(query): Parameters<WaitQuery>,
    Post { body, attempt }: Post<Body>,
) -> Result<Once<CreatedAnswer>, Problem> {
    let wait = query.parse()?;
    let work = async {
        let pending = rotate_key(&app, &by.origin(), id, body.handover()?).await?;
        pending.try_map(|RotatedKey { new: CreatedKey { key, secret }, old, grace_ends_at, revision }| {
            let now = app.now();
            let (location, version) = (format!("/v1/keys/{}", key.id), key.version());
            let (object, replaces) = (KeyObject::at(now, key), KeyObject::at(now, old));
            let rotated = Rotated { object, key: secret.expose(), replaces, grace_ends_at };
            Ok(CreatedAnswer::new(location, version, &rotated)?.at(revision))
        })
    };
    let Once { answer, replayed } = once(&app, attempt.as_ref(), work).await?;
    Ok(Once { answer: answer.with_receipt(&app, &by, wait).await?, replayed })
}
