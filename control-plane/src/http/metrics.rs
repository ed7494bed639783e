//! `GET /metrics`, in the text format of Prometheus (version 0.0.4).
//!
//! It takes an admin key. Loopback is no exception: behind a reverse proxy on the same machine every caller is loopback.
//!
//! Labels are bounded: a route is the pattern that matched, never the path, and a method is one of a few. Requests are counted
//! for the process as a whole, both listeners together. They are few enough for one lock, and counted by hand because the
//! usual recorder keeps every sample until somebody asks for it.

use super::auth::Authenticated;
use super::problem::Problem;
use crate::domain::rights::{Resource, Right};
use crate::error::Error;
use crate::service::App;
use crate::service::list_proxies::list_proxies;
use axum::extract::State;
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper ends of the histogram's buckets, in microseconds.
const BUCKETS: [u64; 12] =
    [250, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];

/// A long poll takes as long as it is quiet: its time says nothing.
const LONG_POLL: &str = "/sync/v1/changes";

/// What is known of the requests so far.
#[derive(Debug, Default)]
pub struct Requests {
    routes: Mutex<BTreeMap<(&'static str, String), Route>>,
}

/// Of one method and route pattern.
#[derive(Debug, Default)]
struct Route {
    by_status: BTreeMap<u16, u64>,
    buckets: [u64; BUCKETS.len()],
    microseconds: u64,
}

/// The requests of this process.
pub static REQUESTS: Requests = Requests { routes: Mutex::new(BTreeMap::new()) };

impl Requests {
    /// Counts a request. `route` is the pattern that matched; empty when none did.
    pub fn count(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            Method::OPTIONS => "OPTIONS",
            _ => "other",
        };
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = routes.entry((method, route.to_owned())).or_default();
        *counted.by_status.entry(status).or_default() += 1;
        counted.microseconds = counted.microseconds.saturating_add(took);
        for (bucket, end) in counted.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(took <= end);
        }
    }

    /// Writes the requests in the text format.
    fn write(&self, text: &mut String) {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        family(text, "keyplane_http_requests_total", "counter", "Requests answered, by method, route and status.");
        for ((method, route), counted) in routes.iter() {
            for (status, count) in &counted.by_status {
                let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
                let _ = writeln!(text, "keyplane_http_requests_total{{{labels}}} {count}");
            }
        }
        let name = "keyplane_http_request_duration_seconds";
        family(text, name, "histogram", "Time from a request's head to its answer's head; without long polls.");
        for ((method, route), counted) in routes.iter().filter(|((_, route), _)| route != LONG_POLL) {
            let labels = format!("method=\"{method}\",route=\"{route}\"");
            for (end, count) in BUCKETS.iter().zip(counted.buckets) {
                let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{}\"}} {count}", seconds(*end));
            }
            let all: u64 = counted.by_status.values().sum();
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {all}");
            let _ = writeln!(text, "{name}_sum{{{labels}}} {}", seconds(counted.microseconds));
            let _ = writeln!(text, "{name}_count{{{labels}}} {all}");
        }
    }
}

/// `GET /metrics`
pub async fn handle(State(app): State<App>, by: Authenticated) -> Result<impl IntoResponse, Problem> {
    by.origin().may(Right::read(Resource::Metrics))?;
    let status = app.store.status().await.map_err(Error::from)?;
    let (head, proxies) = list_proxies(&app, &by.origin())?;
    let workers = || proxies.iter().flat_map(|proxy| &proxy.workers);
    let lagging = workers().filter(|worker| worker.lags(head)).count();
    let proxies_lagging = proxies.iter().filter(|proxy| proxy.lags(head)).count();
    let mut text = String::new();
    let gauges: [(&str, &str, u64); 7] = [
        ("keyplane_feed_keys", "Keys in the feed; revoked ones too until they leave it.", status.keys),
        ("keyplane_revision", "Number of the last change.", head),
        ("keyplane_proxies", "Proxies that polled lately.", count(proxies.len())),
        (
            "keyplane_proxies_lagging",
            "Of these, those with a worker that has not acknowledged the last change.",
            count(proxies_lagging),
        ),
        ("keyplane_workers", "Workers of proxies that polled lately.", count(workers().count())),
        ("keyplane_workers_lagging", "Of these, those that have not acknowledged the last change.", count(lagging)),
        ("keyplane_database_bytes", "Size of the database file, without its log.", status.bytes),
    ];
    for (name, help, value) in gauges {
        family(&mut text, name, "gauge", help);
        let _ = writeln!(text, "{name} {value}");
    }
    let writes = app.store.writes();
    let counters = [
        ("keyplane_database_operations_total", "Operations that were committed.", writes.operations),
        (
            "keyplane_database_commits_total",
            "Commits that this took: operations at the same time share one.",
            writes.commits,
        ),
        (
            "keyplane_feed_pages_made_total",
            "Pages of the feed that were read from the database: polls for the same page share one.",
            app.pages.made(),
        ),
    ];
    for (name, help, value) in counters {
        family(&mut text, name, "counter", help);
        let _ = writeln!(text, "{name} {value}");
    }
    family(&mut text, "keyplane_build_info", "gauge", "Always 1; its label is the version that runs.");
    let _ = writeln!(text, "keyplane_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    REQUESTS.write(&mut text);
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Microseconds as decimal seconds, exactly.
fn seconds(microseconds: u64) -> String {
    let text = format!("{}.{:06}", microseconds / 1_000_000, microseconds % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_in_its_bucket_and_all_above() {
        let requests = Requests::default();
        requests.count(&Method::GET, "/v1/keys/{id}", 200, Duration::from_millis(3));
        requests.count(&Method::GET, "/v1/keys/{id}", 404, Duration::from_secs(9));
        requests.count(&Method::GET, LONG_POLL, 200, Duration::from_secs(55));
        let mut text = String::new();
        requests.write(&mut text);
        for line in [
            r#"keyplane_http_requests_total{method="GET",route="/v1/keys/{id}",status="404"} 1"#,
            r#"keyplane_http_request_duration_seconds_bucket{method="GET",route="/v1/keys/{id}",le="0.0025"} 0"#,
            r#"keyplane_http_request_duration_seconds_bucket{method="GET",route="/v1/keys/{id}",le="0.005"} 1"#,
            r#"keyplane_http_request_duration_seconds_bucket{method="GET",route="/v1/keys/{id}",le="5"} 1"#,
            r#"keyplane_http_request_duration_seconds_bucket{method="GET",route="/v1/keys/{id}",le="+Inf"} 2"#,
            r#"keyplane_http_request_duration_seconds_sum{method="GET",route="/v1/keys/{id}"} 9.003"#,
            r#"keyplane_http_requests_total{method="GET",route="/sync/v1/changes",status="200"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("seconds_count{method=\"GET\",route=\"/sync"), "{text}");
    }

    #[test]
    fn invented_methods_are_one_label() {
        let requests = Requests::default();
        for name in ["A", "B", "C"] {
            requests.count(&Method::from_bytes(name.as_bytes()).unwrap(), "", 405, Duration::ZERO);
        }
        assert_eq!(requests.routes.lock().unwrap().len(), 1);
    }
}
