//! `POST /sync/v1/usage`: a batch of usage. 204 means that the worker may forget it, also when it had come before.

use super::super::body::read;
use super::super::problem::Problem;
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::record_usage::record_usage;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use keyplane_contract::header::SYNC_MEDIA_TYPE;
use keyplane_contract::sync::UsageBatch;

pub async fn handle(State(app): State<App>, request: Request) -> Result<StatusCode, Problem> {
    if request.headers().get(CONTENT_TYPE).is_none_or(|value| value != SYNC_MEDIA_TYPE) {
        let detail = format!("Send the batch with the header Content-Type: {SYNC_MEDIA_TYPE}.");
        return Err(Error::with_detail(Code::UnsupportedMediaType, detail).into());
    }
    let bytes = read(request, &app).await?;
    let batch = UsageBatch::decode(&bytes)
        .map_err(|error| Error::with_detail(Code::InvalidBatch, format!("The usage batch cannot be read: {error}.")))?;
    record_usage(&app, &batch).await?;
    Ok(StatusCode::NO_CONTENT)
}
