//! `GET /v1/proxies`: which proxies are alive, and how far each is. Bounded by itself, so one page holds all.

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::millis;
use crate::domain::time::Time;
use crate::service::App;
use crate::service::list_proxies::{Proxy, list_proxies};
use crate::service::workers::Worker;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = Proxies)]
pub struct Answer {
    /// The revision that a proxy has which does not lag.
    revision: u64,
    data: Vec<ProxyObject>,
    /// Always null: this page holds all.
    #[schema(required)]
    next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Proxy)]
struct ProxyObject {
    name: String,
    /// The least of its workers' revisions; null while one of them has no table of this history.
    #[schema(required)]
    revision: Option<u64>,
    /// Whether a worker of it lags.
    lagging: bool,
    /// The greatest age of its workers, in milliseconds.
    age_ms: u64,
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Time,
    workers: Vec<WorkerObject>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Worker)]
struct WorkerObject {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    filter_version: String,
    #[schema(required)]
    revision: Option<u64>,
    /// Whether it has not acknowledged the last change.
    lagging: bool,
    /// How long ago it had all there was, in milliseconds; 0 while it has.
    age_ms: u64,
    /// When its last poll began.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Time,
}

/// Lists the live proxies and how far each is
#[utoipa::path(
    get,
    path = "/v1/proxies",
    operation_id = "list_proxies",
    tag = "Proxies",
    responses((status = 200, description = "All live proxies", body = Answer))
)]
pub async fn handle(State(app): State<App>, by: Authenticated) -> Result<Json<Answer>, Problem> {
    let (revision, proxies) = list_proxies(&app, &by.origin())?;
    let now = app.now();
    let data = proxies.into_iter().map(|proxy| ProxyObject::at(now, revision, proxy)).collect();
    Ok(Json(Answer { revision, data, next_cursor: None }))
}

impl ProxyObject {
    /// The proxy as it is at `now`, when `head` is the last change.
    fn at(now: Time, head: u64, proxy: Proxy) -> Self {
        let lagging = proxy.lags(head);
        let Proxy { name, workers } = proxy;
        let workers: Vec<_> = workers.into_iter().map(|worker| WorkerObject::at(now, head, worker)).collect();
        Self {
            name,
            // `None` sorts first.
            revision: workers.iter().map(|worker| worker.revision).min().flatten(),
            lagging,
            age_ms: workers.iter().map(|worker| worker.age_ms).max().unwrap_or_default(),
            // A proxy is listed for its workers, so there is one.
            last_seen_at: workers.iter().map(|worker| worker.last_seen_at).max().unwrap_or(now),
            workers,
        }
    }
}

impl WorkerObject {
    fn at(now: Time, head: u64, worker: Worker) -> Self {
        Self {
            id: worker.id.to_string(),
            revision: worker.revision(),
            lagging: worker.lags(head),
            age_ms: millis(worker.age(head, now)),
            last_seen_at: worker.seen_at,
            filter_version: worker.filter,
        }
    }
}
