//! `GET /sync/v1/changes?epoch=E&after=R&wait=S&closed=1`: long poll of the feed.
//!
//! A closed page may be kept by HTTP caches in front, if the reader says that one will do. They keep it for each token apart (`Vary`), so
//! whoever has none is sent on to the control plane, which refuses.
//!
//! Parameters that this version does not know are ignored: a newer filter may speak to an older control plane.

use super::super::problem::Problem;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::changes::{Answer, PollRequest, ROWS_PER_PAGE, changes};
use crate::service::pages::CLOSED_FOR;
use crate::service::workers::{OpenPoll, Poll, Says};
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
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
    closed: Option<String>,
}

pub async fn handle(
    State(app): State<App>,
    headers: HeaderMap,
    query: Result<Query<Parameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Problem> {
    let Query(parameters) = query.map_err(|_| Error::new(Code::InvalidQuery))?;
    // An epoch that cannot be read is another epoch: the worker starts over.
    let epoch = parameters.epoch.as_deref().and_then(|text| Id::parse(text.as_bytes()));
    let after = number("after", parameters.after.as_deref())?;
    let wait = Duration::from_secs(number("wait", parameters.wait.as_deref())?);
    let poll = note(&app, &headers, says(&app, parameters.epoch.is_some(), epoch, after, wait));
    let closed_will_do = parameters.closed.as_deref() == Some("1");
    let request = PollRequest { epoch, after, wait, rows: ROWS_PER_PAGE, closed_will_do };
    let takes_gzip = takes_gzip(&headers);
    // They hold the buffer that the request was read into, and the answer may be a minute away.
    drop(headers);
    let answer = changes(&app, request).await;
    // An error is an answer too.
    if let Some(poll) = poll {
        poll.answered();
    }
    Ok(respond(answer?, takes_gzip).await)
}

async fn respond(answer: Answer, takes_gzip: bool) -> Response {
    let Answer { page, cacheable } = answer;
    let compressed = if takes_gzip { page.gzip().await } else { None };
    let is_compressed = compressed.is_some();
    let mut response = compressed.unwrap_or_else(|| page.bytes.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(SYNC_MEDIA_TYPE));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding, authorization"));
    if is_compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    // What is not said to be cacheable here gets `no-store`, as every answer.
    if cacheable && let Ok(value) = HeaderValue::try_from(format!("public, max-age={}", CLOSED_FOR.as_secs())) {
        headers.insert(CACHE_CONTROL, value);
    }
    response
}

/// Whether the client names gzip among what it takes (RFC 9110, section 12.5.3). One that does not is sent the page as it is.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        is_gzip && weight.is_none_or(|weight| weight.parse().is_ok_and(|weight: f32| weight > 0.0))
    })
}

fn number(name: &'static str, text: Option<&str>) -> Result<u64, Error> {
    let parsed = text.map_or(Some(0), |text| text.parse().ok());
    parsed.ok_or_else(|| {
        Error::fields(Code::InvalidQuery, vec![FieldError::new(name, "must be a whole number from 0 on")])
    })
}

/// What these parameters say of the table of the worker that asks.
fn says(app: &App, has_table: bool, epoch: Option<Id>, after: u64, wait: Duration) -> Says {
    let known = epoch == Some(app.store.epoch()) && after <= *app.store.head().borrow();
    match (known, has_table, wait) {
        (false, false, _) => Says::Nothing,
        (false, true, _) => Says::Other,
        // A worker that decides by the table that it asks about would wait for the next change.
        (true, _, Duration::ZERO) => Says::Loading,
        (true, _, _) => Says::Revision(after),
    }
}

/// Takes note of a worker's poll; `None` for a probe.
fn note(app: &App, headers: &HeaderMap, says: Says) -> Option<OpenPoll> {
    let text = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // Visible ASCII only (`to_str`), so any byte is a place to cut.
        value.get(..value.len().min(MAX_NAME)).unwrap_or_default().to_owned()
    };
    let worker = headers.get(WORKER).and_then(|value| Id::parse(value.as_bytes()))?;
    let poll = Poll { worker, proxy: text(PROXY), filter: text(FILTER_VERSION), says };
    let head = *app.store.head().borrow();
    Some(app.workers.begin(poll, head, &app.clock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_name_it() {
        let takes = |values: &[&'static str]| {
            let pairs = values.iter().map(|value| (ACCEPT_ENCODING, HeaderValue::from_static(value)));
            takes_gzip(&pairs.collect())
        };
        for values in [&["gzip"][..], &["br, GZIP;q=0.5"], &["deflate", "gzip ; Q=1"]] {
            assert!(takes(values), "{values:?}");
        }
        for values in [&[][..], &[""], &["*"], &["gzip;q=0"], &["gzip;q=0.000"], &["gzip;q=x"], &["x-gzipped, br"]] {
            assert!(!takes(values), "{values:?}");
        }
    }
}
