//! `/healthz`: the process runs. `/readyz`: it can do its work now.

use super::problem::Problem;
use crate::error::{Code, Error};
use crate::service::App;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

/// The process runs.
pub async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// The database answers, and the process is not about to stop.
pub async fn ready(State(app): State<App>) -> Result<Json<Value>, Problem> {
    if *app.stopping.borrow() {
        return Err(Error::with_detail(Code::Unavailable, "Keyplane is stopping.").into());
    }
    app.store.ping().await.map_err(|error| Error { cause: Some(error.into()), ..Error::new(Code::Unavailable) })?;
    Ok(Json(json!({ "status": "ok" })))
}
