//! `/healthz`: the process runs. `/readyz`: it can do its work now.

use super::problem::Problem;
use crate::error::{Code, Error};
use crate::service::App;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// The answer of both.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what the answer looks like")]
pub struct Health {
    /// `ok`; anything else is a problem.
    status: String,
}

/// The process runs.
#[utoipa::path(get, path = "/healthz", operation_id = "alive", tag = "Health", responses((status = 200, description = "It runs", body = Health)))]
pub async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The database answers, and the process is not about to stop.
#[utoipa::path(get, path = "/readyz", operation_id = "ready", tag = "Health", responses((status = 200, description = "It is ready", body = Health)))]
pub async fn ready(State(app): State<App>) -> Result<Json<Value>, Problem> {
    if *app.stopping.borrow() {
        return Err(Error::with_detail(Code::Unavailable, "Keyplane is stopping.").into());
    }
    app.store.ping().await.map_err(|error| Error { cause: Some(error.into()), ..Error::new(Code::Unavailable) })?;
    Ok(Json(json!({ "status": "ok" })))
}
