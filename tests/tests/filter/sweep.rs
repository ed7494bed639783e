//! Each hostcall fails, in turn, with each status, at each point of start, sync and request: nobody gets in who would not, nothing
//! traps, and the next good request is right. Under the usual configuration, and under one that uses every feature.
//!
//! * [`requests`]: one request of each kind, on a worker that is in order
//! * [`lives`]: from the start of a VM to requests, updates and the end of a configuration
//! * [`order`]: callbacks in an order that no right proxy has

mod lives;
mod order;
mod requests;

use std::collections::BTreeMap;

use keyplane_tests::host::{ContextId, Fault, Host, Plugin, Status, Stream, Verdict, Vm};

use super::{
    bench::Bench,
    control_plane::{ControlPlane, secret},
    jwt::metadata,
};

/// Every feature in one configuration.
const EVERYTHING: &str = r#"{
    "control_plane": {"cluster": "keyplane"},
    "credentials": [{"header": "X-API-Key"}, {"bearer": "Authorization"}, {"query": "api_key"}, {"cookie": "key"}],
    "accept": "either",
    "jwt": {"providers": [{"issuer": "https://a", "account": "org"}]},
    "rules": [
        {"name": "open", "paths": ["/open/**"], "access": "public"},
        {"name": "admin", "paths": ["/admin/**"], "scopes": {"all": ["admin"]}},
        {"name": "test", "paths": ["/test/**"], "environment": "test"},
        {"name": "keys", "paths": ["/keys/**"], "accept": "key", "when_stale": "serve"},
        {"name": "hook", "paths": ["/hook"], "methods": ["POST"], "forward_credential": true}
    ],
    "identity": {
        "preset": "kong", "headers": {"scopes": "x-scopes"}, "metadata": {"plan": "x-plan"},
        "filter_state": ["key_id", "reason", "rule", "account", "metadata.plan"]
    },
    "answers": {"401": {"body": {"message": "Unauthorized"}}},
    "staleness": {"max_seconds": 3600},
    "guessing": {"failures": 3, "seconds": 60}
}"#;
const DEBUG_TOKEN: &str = "kp_debug_testtest";
/// Where every request comes from.
const ADDRESS: &str = "192.0.2.7:1";

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.metadata = b"\x04plan\x03\0pro".to_vec();
    plane.policy(1, "jobs:read");
    plane.issue_with(1, |key| key.policy = 1);
    plane.revoke(2);
    plane.issue_with(4, |key| key.expires_at = 1);
    // Allowed here, and not allowed here.
    plane.policy_with(2, "jobs:read", &["192.0.2.0/24"]);
    plane.issue_with(5, |key| key.policy = 2);
    plane.policy_with(3, "jobs:read", &["198.51.100.0/24"]);
    plane.issue_with(6, |key| key.policy = 3);
    plane
}

/// A host that tells the debug token, too.
fn with_debug_token(host: Host) -> Host {
    host.set_env("KEYPLANE_DEBUG_TOKEN", DEBUG_TOKEN);
    host
}

/// A root with this configuration; `None` if it did not come about.
fn root(vm: &mut Vm, config: &str) -> Option<ContextId> {
    let root = vm.create_root(Plugin::new(config).property(&["plugin_name"], "keyplane")).ok()?;
    vm.configure(root).unwrap().then_some(root)
}

/// What a hostcall may answer: each status of the ABI, and two numbers that have no meaning.
fn statuses() -> impl Iterator<Item = u32> {
    Status::FAILURES.into_iter().map(|s| s as u32).chain([77, u32::MAX])
}

/// A request of a sweep.
struct Sent {
    name: &'static str,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    /// What `jwt_authn` has verified.
    claims: &'static [(&'static str, &'static str)],
    /// Whether it passes when nothing fails.
    passes: bool,
}

impl Sent {
    fn get(name: &'static str, path: &str, passes: bool) -> Self {
        Self { name, method: "GET", path: path.to_owned(), headers: Vec::new(), claims: &[], passes }
    }

    fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    fn with_key(self, number: u64) -> Self {
        self.with("x-api-key", secret(number))
    }

    /// Names that only the filter may set, in some spellings.
    fn forged(self) -> Self {
        let forged =
            self.with("x-keyplane-key-id", "forged").with("x_consumer_id", "forged").with("x-scopes", "forged");
        forged.with("connection", "upgrade, x-consumer-id")
    }

    fn send(&self, vm: &mut Vm, root: ContextId) -> ContextId {
        let usual = [(":method", self.method), (":path", &self.path), (":authority", "api.example.com")];
        let headers = usual.into_iter().chain(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        let stream = vm.stream(root, &headers.collect::<Vec<_>>()).unwrap();
        vm.set_stream_property(stream, &["source", "address"], ADDRESS).unwrap();
        let claims = if self.claims.is_empty() { Vec::new() } else { metadata(self.claims) };
        vm.set_stream_property(stream, &["metadata"], claims).unwrap();
        vm.request_headers(stream, true).unwrap();
        stream
    }
}

/// What a request has become.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// Sorted: the order in which the filter sets them is its own.
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Seen {
    fn of(stream: &Stream) -> Self {
        let mut headers = stream.request_headers.entries().to_vec();
        headers.sort();
        Self { headers, state: stream.filter_state.clone() }
    }
}

/// A request that did not pass was answered, or could not be answered and waits for ever; both are closed.
fn assert_closed(verdict: &Verdict, fault: &Fault) {
    let unanswered = *verdict == Verdict::Held && fault.call == "proxy_send_local_response";
    assert!(unanswered || matches!(verdict, Verdict::Refused(_)), "{fault:?}: {verdict:?}");
}
