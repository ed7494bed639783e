//! `GET /v1/keys/{id}/sources`: who still uses a key that is being replaced. Bounded by itself, so one page holds all.

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::PathId;
use super::objects::Page;
use crate::domain::cursor::Listing;
use crate::domain::id::KeyId;
use crate::domain::source::Source;
use crate::domain::time::Time;
use crate::service::{App, read};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use std::net::IpAddr;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = KeySource)]
pub struct SourceObject {
    /// Address of the caller as Envoy sees it (behind a load balancer that needs `xff_num_trusted_hops`). Null: all uses whose
    /// address the proxies did not tell, because they did not know it or it was one of too many.
    #[schema(value_type = Option<String>, required)]
    source: Option<IpAddr>,
    /// Requests with the key, allowed or refused.
    count: u64,
    #[schema(value_type = String, format = DateTime)]
    first_seen_at: Time,
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Time,
}

impl From<Source> for SourceObject {
    fn from(source: Source) -> Self {
        let Source { address, count, first_seen_at, last_seen_at } = source;
        Self { source: address.0, count, first_seen_at, last_seen_at }
    }
}

/// Lists where a rotated key was used from, the last use first
///
/// Proxies report addresses of a key from its rotation on, within seconds; for a key that was never rotated the list is empty. The
/// 64 sources used last are kept. Who is listed here has not changed over to the new key.
#[utoipa::path(
    get,
    path = "/v1/keys/{id}/sources",
    operation_id = "list_key_sources",
    tag = "Keys",
    params(("id" = uuid::Uuid, Path, description = "Id of the key")),
    responses((status = 200, description = "All sources; `next_cursor` is always null", body = Page<SourceObject>))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<KeyId>,
) -> Result<Json<Listing<SourceObject>>, Problem> {
    let data = read::key_sources(&app, &by.origin(), id).await?.into_iter().map(SourceObject::from).collect();
    Ok(Json(Listing { data, next_cursor: None }))
}
