//! `GET /sync/v1/changes?epoch=E&after=R&wait=S`: long poll of the feed.
//!
//! Parameters that this version does not know are ignored: a newer filter may speak to an older control plane.

use super::super::problem::Problem;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::changes::{PollRequest, ROWS_PER_PAGE, changes};
use crate::service::workers::Poll;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use keyplane_contract::header::{FILTER_VERSION, PROXY, SYNC_MEDIA_TYPE, WORKER};
use keyplane_contract::id::Id;
use serde::Deserialize;
use std::time::Duration;

/// The longest name of a proxy or a version that is remembered, in bytes.
const MAX_NAME: usize = 128;

#[derive(Deserialize)]
pub struct Parameters {
    epoch: Option<String>,
    after: Option<String>,
    wait: Option<String>,
}

pub async fn handle(
    State(app): State<App>,
    headers: HeaderMap,
    query: Result<Query<Parameters>, axum::extract::rejection::QueryRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Query(parameters) = query.map_err(|_| Error::new(Code::InvalidQuery))?;
    // An epoch that cannot be read is another epoch: the worker starts over.
    let epoch = parameters.epoch.as_deref().and_then(|text| Id::parse(text.as_bytes()));
    let after = number("after", parameters.after.as_deref())?;
    let wait = Duration::from_secs(number("wait", parameters.wait.as_deref())?);
    note(&app, &headers, epoch, after);
    let page = changes(&app, PollRequest { epoch, after, wait, rows: ROWS_PER_PAGE }).await?;
    Ok(([(CONTENT_TYPE, SYNC_MEDIA_TYPE)], page))
}

fn number(name: &'static str, text: Option<&str>) -> Result<u64, Error> {
    let parsed = text.map_or(Some(0), |text| text.parse().ok());
    parsed.ok_or_else(|| {
        Error::fields(Code::InvalidQuery, vec![FieldError::new(name, "must be a whole number from 0 on")])
    })
}

fn note(app: &App, headers: &HeaderMap, epoch: Option<Id>, after: u64) {
    let text = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // Visible ASCII only (`to_str`), so any byte is a place to cut.
        value.get(..value.len().min(MAX_NAME)).unwrap_or_default().to_owned()
    };
    let Some(worker) = headers.get(WORKER).and_then(|value| Id::parse(value.as_bytes())) else { return };
    let acknowledged = (epoch == Some(app.store.epoch()) && after <= *app.store.head().borrow()).then_some(after);
    app.workers.note(Poll { worker, proxy: text(PROXY), filter: text(FILTER_VERSION), acknowledged }, app.now());
}
