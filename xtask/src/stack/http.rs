//! A small blocking HTTP client for flows.
//!
//! Each request uses a new connection: Envoy spreads connections over its workers, so a series of requests reaches all of
//! them, where one kept connection would only ever ask a single worker. A status is an answer here, never an error.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use ureq::http::{HeaderMap, Request};

const REQUEST_LIMIT: Duration = Duration::from_mins(1);

/// Where to send requests, and the credential that goes with each.
#[derive(Debug, Clone)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
    bearer: Option<SecretString>,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names in lower case.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// From before connecting until the last byte.
    pub took: Duration,
}

impl Client {
    /// A client for `http://127.0.0.1:<port>`, without a credential.
    pub fn new(port: u16) -> Self {
        Self::keeping(port, 0)
    }

    /// The same, but with up to so many connections that are kept and used again: for benchmarks.
    pub fn keeping(port: u16, connections: usize) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .max_redirects(0)
            // The shell's proxy settings are not meant for loopback.
            .proxy(None)
            .timeout_global(Some(REQUEST_LIMIT))
            .allow_non_standard_methods(true)
            .build()
            .new_agent();
        Self { agent, base: format!("http://127.0.0.1:{port}"), bearer: None }
    }

    /// The same, with `Authorization: Bearer` on each request.
    #[must_use]
    pub fn bearer(mut self, credential: SecretString) -> Self {
        self.bearer = Some(credential);
        self
    }

    /// The address that requests go to, such as `http://127.0.0.1:10000`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request. `path` starts with `/`; a header may be given several times.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", format!("Bearer {}", bearer.expose_secret()));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // The header values may be secrets, so errors name only the method and path.
        let failed = || format!("{method} {}{path}", self.base);
        let started = Instant::now();
        let answer = if body.is_empty() {
            self.agent.run(request.body(()).with_context(failed)?)
        } else {
            self.agent.run(request.body(body).with_context(failed)?)
        };
        let mut answer = answer.with_context(failed)?;
        let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec().with_context(failed)?;
        let took = started.elapsed();
        Ok(Response { status: answer.status().as_u16(), headers: answer.headers().clone(), body, took })
    }

    /// `GET` with these headers.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
        self.send("GET", path, headers, &[])
    }

    /// `POST` with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Result<Response> {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// `PATCH` with a JSON body.
    pub fn patch(&self, path: &str, body: &Value) -> Result<Response> {
        self.send("PATCH", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// `DELETE`.
    pub fn delete(&self, path: &str) -> Result<Response> {
        self.send("DELETE", path, &[], &[])
    }
}

impl Response {
    /// The body as JSON; `Null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text. Bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's first value, when it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }
}
