//! `GET /v1/proxies`: which proxies are alive, and how far each is. Bounded by itself, so one page holds all.

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use crate::domain::time::Time;
use crate::service::App;
use crate::service::list_proxies::list_proxies;
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
    /// The least of its workers' revisions; null while one of them has no table.
    #[schema(required)]
    revision: Option<u64>,
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
    let data = proxies
        .into_iter()
        .map(|proxy| ProxyObject {
            name: proxy.name,
            // `None` sorts first.
            revision: proxy.workers.iter().map(|worker| worker.poll.acknowledged).min().flatten(),
            workers: proxy
                .workers
                .into_iter()
                .map(|worker| WorkerObject {
                    id: worker.poll.worker.to_string(),
                    filter_version: worker.poll.filter,
                    revision: worker.poll.acknowledged,
                    last_seen_at: worker.seen_at,
                })
                .collect(),
        })
        .collect();
    Ok(Json(Answer { revision, data, next_cursor: None }))
}
