//! A worker with the real filter, driven through time. Each test says what arrives and what must come of it.
//!
//! When a bench is dropped it checks what must hold in every test: the guest never asked for what a proxy cannot do, and
//! no log line or metric name carries a secret.

use std::{thread, time::Duration};

use keyplane_contract::sync::UsageBatch;
use keyplane_tests::host::{
    Answer, Callout, ContextId, Host, LocalResponse, Metric, Module, Plugin, Stream, Verdict, Vm,
};

use super::control_plane::{ControlPlane, Poll, TOKEN, secret};

/// An unknown key is refused at once here; how it waits is told in `unknown_keys`.
pub const CONFIG: &str = r#"{"control_plane": {"cluster": "keyplane"}, "unknown_keys": {"wait_milliseconds": 0}, "guessing": {"failures": 0}}"#;

/// Longest that a test waits for the filter to do something of itself, in its own time.
const PATIENCE: Duration = Duration::from_mins(1);
const STEP: Duration = Duration::from_millis(50);

pub struct Bench {
    pub host: Host,
    pub vm: Vm,
    pub root: ContextId,
    until_tick: Duration,
}

/// Where the filter's VMs draw their numbers.
pub const NUMBERS: &[u8] = concat!("keyplane.vms/", env!("CARGO_PKG_VERSION")).as_bytes();

/// An Envoy process that runs the filter, with the two VMs that get no request behind it: the next VM is a worker.
pub fn host() -> Host {
    let host = new_host();
    host.set_shared_data(NUMBERS, &2_u32.to_le_bytes());
    host
}

/// An Envoy process that could run the filter; no VM yet.
pub fn new_host() -> Host {
    let module = Module::filter().unwrap_or_else(|e| panic!("{e}"));
    let host = Host::new(&module);
    host.add_cluster("keyplane");
    host.set_env("KEYPLANE_PROXY_TOKEN", TOKEN);
    host.set_property(&["xds", "node", "id"], "proxy-1");
    host
}

impl Bench {
    /// A configured worker that has no table yet.
    pub fn new() -> Self {
        Self::with_config(CONFIG)
    }

    pub fn with_config(config: &str) -> Self {
        Self::on(host(), config)
    }

    /// One more worker of this process.
    pub fn on(host: Host, config: &str) -> Self {
        let mut vm = host.start_vm().unwrap();
        let root = vm.create_root(Plugin::new(config).property(&["plugin_name"], "keyplane")).unwrap();
        assert!(vm.configure(root).unwrap(), "refused: {:?}", host.logs());
        Self::of(host, vm, root)
    }

    /// A worker that a test has started itself.
    pub fn of(host: Host, vm: Vm, root: ContextId) -> Self {
        Self { host, vm, root, until_tick: Duration::MAX }
    }

    /// A worker that has all of this control plane's rows.
    pub fn synced(plane: &ControlPlane) -> Self {
        let mut bench = Self::new();
        bench.catch_up(plane);
        bench
    }

    /// Time passes; the worker is ticked whenever its period is over.
    pub fn pass(&mut self, time: Duration) {
        let mut left = time;
        loop {
            let period = self.vm.tick_period_ms(self.root).unwrap_or(0);
            let period = Duration::from_millis(u64::from(period));
            if period.is_zero() {
                self.host.advance(left);
                return;
            }
            self.until_tick = self.until_tick.min(period);
            let step = self.until_tick.min(left);
            self.host.advance(step);
            self.until_tick -= step;
            left -= step;
            if self.until_tick.is_zero() {
                self.until_tick = period;
                self.vm.tick(self.root).unwrap();
            }
            if left.is_zero() {
                return;
            }
        }
    }

    /// The callout to this path that waits, or the next one within the test's patience.
    fn callout_to(&mut self, path: &str) -> Callout {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(callout) = self.waiting(path) {
                return callout;
            }
            assert!(waited < PATIENCE, "no callout to {path}; logs: {:#?}", self.host.logs());
            self.pass(STEP);
            waited += STEP;
        }
    }

    /// The callout to this path that waits now.
    pub fn waiting(&self, path: &str) -> Option<Callout> {
        let mut callouts = self.vm.callouts().iter();
        callouts.find(|c| c.header(":path").starts_with(path)).cloned()
    }

    /// The next poll.
    pub fn poll(&mut self) -> Callout {
        self.callout_to("/sync/v1/changes")
    }

    /// The next batch of usage.
    pub fn usage(&mut self) -> (Callout, UsageBatch) {
        let callout = self.callout_to("/sync/v1/usage");
        let batch = UsageBatch::decode(&callout.body).unwrap();
        (callout, batch)
    }

    pub fn answer(&mut self, callout: &Callout, answer: Answer) {
        self.vm.answer_callout(callout.token, answer).unwrap();
    }

    /// Answers the next poll.
    pub fn answer_poll(&mut self, answer: Answer) {
        let poll = self.poll();
        self.answer(&poll, answer);
    }

    /// Answers polls until the filter has told that it has all of these rows.
    pub fn catch_up(&mut self, plane: &ControlPlane) {
        for _ in 0..1000 {
            let callout = self.poll();
            let poll = Poll::of(&callout);
            if (poll.epoch, poll.after) == (Some(plane.epoch), plane.head) {
                return;
            }
            self.answer(&callout, plane.answer(&callout));
        }
        panic!("does not catch up; logs: {:#?}", self.host.logs());
    }

    /// What the next poll acknowledges.
    pub fn acknowledged(&mut self) -> Poll {
        Poll::of(&self.poll())
    }

    /// A request with these headers beside the usual ones.
    pub fn send<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, headers: &[(N, V)]) -> ContextId {
        self.send_from(None, headers)
    }

    /// The same from this address, as Envoy writes it.
    pub fn send_from<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        address: Option<&str>,
        headers: &[(N, V)],
    ) -> ContextId {
        let usual = [(":method", "GET"), (":path", "/"), (":authority", "api.example.com"), (":scheme", "https")];
        let mut all: Vec<(&[u8], &[u8])> = usual.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        all.extend(headers.iter().map(|(n, v)| (n.as_ref(), v.as_ref())));
        let stream = self.vm.stream(self.root, &all).unwrap();
        if let Some(address) = address {
            self.vm.set_stream_property(stream, &["source", "address"], address).unwrap();
        }
        self.vm.request_headers(stream, true).unwrap();
        stream
    }

    pub fn state(&self, stream: ContextId) -> &Stream {
        self.vm.state(stream).unwrap()
    }

    pub fn verdict(&self, stream: ContextId) -> Verdict {
        self.state(stream).verdict()
    }

    /// Sends a request with the key of this number and returns it.
    pub fn send_key(&mut self, number: u64) -> ContextId {
        self.send(&[("x-api-key", secret(number))])
    }

    /// The same from this address, as Envoy writes it.
    pub fn send_key_from(&mut self, number: u64, address: &str) -> ContextId {
        self.send_from(Some(address), &[("x-api-key", secret(number))])
    }

    /// Whether a request with the key of this number is let through. It must be decided at once.
    pub fn allows(&mut self, number: u64) -> bool {
        let stream = self.send_key(number);
        match self.verdict(stream) {
            Verdict::Allowed => true,
            Verdict::Refused(answer) => {
                assert_problem(&answer, 401, "credential_invalid");
                false
            }
            other => panic!("not decided: {other:?}"),
        }
    }

    /// The request must have been answered with this problem.
    pub fn assert_refused(&self, stream: ContextId, status: u32, code: &str) -> LocalResponse {
        match self.verdict(stream) {
            Verdict::Refused(answer) => {
                assert_problem(&answer, status, code);
                answer
            }
            other => panic!("not refused with {status} {code}: {other:?}"),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        assert_eq!(self.vm.misuse(), [] as [&str; 0]);
        let mut texts: Vec<String> = self.host.logs().into_iter().map(|l| l.message).collect();
        texts.extend(self.host.metrics().into_iter().map(|(name, _)| name));
        for text in texts {
            assert!(!text.contains(TOKEN), "a secret is told: {text}");
            assert!((0..10).all(|n| !text.contains(&secret(n))), "a secret is told: {text}");
        }
    }
}

/// An answer must be exactly this problem.
pub fn assert_problem(answer: &LocalResponse, status: u32, code: &str) {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, body["code"].as_str()), (status, Some(code)), "{body}");
    assert_eq!(body["status"], status);
    assert_eq!(body["type"], format!("https://keyplane.dev/errors/{code}"));
    assert_eq!(answer.headers.get_all("content-type"), [b"application/problem+json"]);
    let challenge = answer.headers.get("www-authenticate");
    let is_about_credentials = status == 401 || matches!(code, "multiple_credentials" | "scope_missing");
    assert_eq!(challenge.is_some(), is_about_credentials, "{challenge:?}");
}

/// Sum of all counters whose name contains this.
pub fn counters(host: &Host, part: &str) -> u64 {
    let metrics = host.metrics().into_iter().filter(|(name, _)| name.contains(part));
    metrics
        .map(|(_, metric)| match metric {
            Metric::Counter(value) => value,
            _ => 0,
        })
        .sum()
}
