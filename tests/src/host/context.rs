//! Contexts of one VM: plugin roots and streams, with what a test may see of them.

use std::collections::BTreeMap;

use super::headers::{Header, HeaderMap};

/// Number of a context within its VM, as the guest knows it.
pub type ContextId = u32;

/// One plugin configuration: each makes a root context.
#[derive(Clone, Debug, Default)]
pub struct Plugin {
    pub(crate) configuration: Vec<u8>,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Plugin {
    /// A plugin with this configuration string.
    #[must_use]
    pub fn new(configuration: impl AsRef<[u8]>) -> Self {
        Self { configuration: configuration.as_ref().to_vec(), properties: BTreeMap::new() }
    }

    /// Adds a property that this root and its streams see, as `["plugin_name"]`.
    #[must_use]
    pub fn property(mut self, path: &[&str], value: impl AsRef<[u8]>) -> Self {
        self.properties.insert(super::joined(path), value.as_ref().to_vec());
        self
    }
}

/// What the proxy does after a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Go on to the next filter.
    Continue,
    /// Wait: for a continuation, or because an answer was sent.
    Pause,
}

/// An answer that the guest gave in place of the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalResponse {
    /// HTTP status.
    pub status: u32,
    /// Response code details for access logs.
    pub details: Vec<u8>,
    /// Headers added to the answer.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
    /// gRPC status, if the guest set one (the ABI's -1 is none).
    pub grpc_status: Option<u32>,
}

/// How a request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to the upstream.
    Allowed,
    /// It waits.
    Held,
    /// It was answered.
    Refused(LocalResponse),
    /// The guest asked for what no proxy can do; the reason. Envoy may crash on it.
    Contradiction(String),
}

/// One request, with all that happened to it.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Its plugin's root.
    pub root: ContextId,
    /// Request headers; after a continuation, as the next filter got them.
    pub request_headers: HeaderMap,
    /// Response headers, once there are some.
    pub response_headers: Option<HeaderMap>,
    /// What the request callback returned.
    pub action: Option<Action>,
    /// How often the guest let the paused request go on.
    pub continued: usize,
    /// Answers that the guest sent.
    pub local_responses: Vec<LocalResponse>,
    /// Filter state that the guest wrote with `proxy_set_property`.
    pub filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What the guest asked for at a moment when no proxy can do it.
    pub misuse: Vec<String>,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) request_open: bool,
    pub(crate) response_open: bool,
}

impl Stream {
    /// Where the request stands now.
    pub fn verdict(&self) -> Verdict {
        if let Some(misuse) = self.misuse.first() {
            return Verdict::Contradiction(misuse.clone());
        }
        let held = self.action == Some(Action::Pause);
        match (self.local_responses.as_slice(), self.continued) {
            ([], 0) if self.action == Some(Action::Continue) => Verdict::Allowed,
            ([], 0) => Verdict::Held,
            ([], 1) if held => Verdict::Allowed,
            ([one], 0) if held => Verdict::Refused(one.clone()),
            (answers, continued) => Verdict::Contradiction(format!(
                "action {:?}, {} answers, {continued} continuations",
                self.action,
                answers.len()
            )),
        }
    }
}

/// A plugin's root context.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) plugin: Plugin,
    pub(crate) configuration_open: bool,
    pub(crate) tick_period_ms: Option<u32>,
    /// The callout answer being delivered. Only readable within that callback.
    pub(crate) answer: Option<CallResponse>,
}

#[derive(Debug, Default)]
pub(crate) struct CallResponse {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

/// A request that the guest sends through the proxy and that the test answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callout {
    /// Number the guest got for it.
    pub token: u32,
    /// Root that is called back.
    pub root: ContextId,
    /// Cluster name.
    pub cluster: String,
    /// Headers, `:method`, `:path` and `:authority` among them.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
    /// Timeout in milliseconds; `None` for none.
    pub timeout_ms: Option<u32>,
}

impl Callout {
    /// A header as text; empty when missing or not UTF-8.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| std::str::from_utf8(v).ok()).unwrap_or_default()
    }
}

/// How a test answers a callout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A complete response.
    Response {
        /// Headers with `:status`.
        headers: Vec<Header>,
        /// Body.
        body: Vec<u8>,
    },
    /// The connection was reset, or the body was over Envoy's limit: the guest sees zero headers.
    Failure,
}

impl Answer {
    /// A response with this status, these headers and this body.
    pub fn response(status: u32, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let mut all = vec![(b":status".to_vec(), status.to_string().into_bytes())];
        all.extend(headers.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())));
        Self::Response { headers: all, body: body.as_ref().to_vec() }
    }

    /// What Envoy makes of a callout that ran into its timeout: a response of its own.
    pub fn timeout() -> Self {
        Self::response(504, &[("content-type", "text/plain")], "upstream request timeout")
    }

    /// What Envoy makes of a cluster that takes no connection.
    pub fn unavailable() -> Self {
        Self::response(
            503,
            &[("content-type", "text/plain")],
            "upstream connect error or disconnect/reset before headers",
        )
    }
}
