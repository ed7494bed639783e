//! The synced table of one VM and one control plane, with the polls that keep it and the usage that goes back.
//!
//! All plugin configurations of a VM that name the same control plane in the same way share one feed: one table, one poll. So a
//! configuration that comes while others serve (a second listener, or an update of the first) has the table at once. A feed calls in the
//! context of one of its roots; when that root goes, the host drops the call and another root's tick makes it anew (docs/decisions/0007).

use crate::abi::{self, BufferType, LogLevel, MapType};
use crate::metrics::{Gauge, Metrics};
use crate::request::Effective;
use crate::wasi;
use keyplane_contract::header;
use keyplane_contract::id::Id;
use keyplane_contract::sync::MAX_BYTES;
use keyplane_filter_engine::config::ControlPlane;
use keyplane_filter_engine::host::source;
use keyplane_filter_engine::request::Outcome;
use keyplane_filter_engine::sync::{Poll, PollAnswer, Progress, Sync, SyncFault};
use keyplane_filter_engine::table::Retired;
use keyplane_filter_engine::usage::Usage;
use std::hint::black_box;
use std::rc::Rc;

/// Where the proxy token comes from: never from the configuration, which Envoy shows in its config dump.
const TOKEN_VARIABLE: &str = "KEYPLANE_PROXY_TOKEN";
/// How long the control plane may take to accept a batch of usage.
const USAGE_TIMEOUT_MILLISECONDS: u64 = 5_000;
/// A page of at least so many bytes is one of many, as a rule: a table is being loaded.
const LARGE_PAGE: usize = 128 * 1024;
/// By how much memory grows then, at least.
const GROWTH: usize = 1024 * 1024;
/// The longest proxy name that is told to the control plane.
const MAX_PROXY_NAME: usize = 128;

/// A call to the control plane that waits for its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
struct InFlight {
    token: u32,
    /// The root context it was made in, and ends with.
    root: u32,
}

/// One control plane, as one VM knows it.
pub struct Feed {
    control_plane: ControlPlane,
    authorization: Vec<u8>,
    proxy: Vec<u8>,
    worker: Id,
    sync: Sync,
    usage: Usage,
    usage_lost: u64,
    sources_lost: u64,
    metrics: Rc<Metrics>,
    poll: Option<InFlight>,
    probe: Option<InFlight>,
    usage_call: Option<InFlight>,
    /// The clock as of the last callback that read it; a second late at most.
    now: u64,
    last_fault: Option<SyncFault>,
    /// Whether it waits for the VM's first request before it asks for a table.
    asleep: bool,
}

impl Feed {
    /// Reads the environment. The error is a sentence for the operator's log.
    pub fn new(control_plane: ControlPlane, metrics: Rc<Metrics>, asleep: bool) -> Result<Self, String> {
        let token = wasi::environment_variable(TOKEN_VARIABLE.as_bytes()).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| {
            format!(
                "{TOKEN_VARIABLE} is not set: put the proxy token into Envoy's environment and name the variable in \
                 vm_config.environment_variables.host_env_keys"
            )
        })?;
        if !token.iter().all(u8::is_ascii_graphic) {
            return Err(format!("{TOKEN_VARIABLE} has characters that no token has; look for white space or quotes"));
        }
        let random = wasi::random::<24>().ok_or("the host gives no random bytes")?;
        let (worker, seed) = random.split_first_chunk::<16>().ok_or("the host gives no random bytes")?;
        let seed = seed.first_chunk::<8>().map_or(0, |seed| u64::from_le_bytes(*seed));
        let now = abi::now_milliseconds().map_err(|_| "the host gives no time")?;
        Ok(Self {
            authorization: [b"Bearer ", token.as_slice()].concat(),
            proxy: proxy_name(),
            worker: Id(*worker),
            sync: Sync::new(&control_plane, now, seed),
            usage: Usage::new(Id(*worker)),
            usage_lost: 0,
            sources_lost: 0,
            metrics,
            poll: None,
            probe: None,
            usage_call: None,
            now,
            last_fault: None,
            asleep,
            control_plane,
        })
    }

    /// Whether it comes from this control plane, reached in this way.
    pub fn is_from(&self, control_plane: &ControlPlane) -> bool {
        self.control_plane == *control_plane
    }

    /// The state of sync: the table that requests are decided by, and what may be waited for.
    pub const fn sync(&self) -> &Sync {
        &self.sync
    }

    /// How old the table is, in milliseconds, as of the last tick or answer.
    pub fn age(&self) -> u64 {
        self.sync.age().milliseconds().unwrap_or(0)
    }

    /// The clock as of the last callback that read it; a second late at most.
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// A request that has just come waits for its key.
    pub fn want(&mut self) {
        self.sync.want();
    }

    /// A request that waited for its key has got it.
    pub fn reward_probe(&mut self) {
        self.sync.reward_probe(self.now);
    }

    /// Counts a decision about the request of the effective context, and the use of the key if one was recognised.
    pub fn count(&mut self, outcome: &Outcome) {
        self.metrics.decided(outcome.reason);
        if let Some(key) = outcome.key {
            self.usage.count(key.id, outcome.reason, self.now);
            // Asking the host takes time, so only for the few keys that are being replaced.
            if key.reports_sources {
                self.usage.count_source(key.id, source(&Effective), self.now);
            }
        }
    }

    /// Whether time brings something soon: a poll to make, or the first table.
    pub fn is_waiting(&self) -> bool {
        !self.asleep && (self.sync.table().is_none() || self.poll.is_none())
    }

    /// The VM has got a request, so it needs a table.
    pub fn wake(&mut self) {
        self.asleep = false;
    }

    /// A root context has gone, and with it the calls that were made in it.
    pub fn root_gone(&mut self, root: u32) {
        if self.poll.take_if(|poll| poll.root == root).is_some() {
            self.sync.cancelled(self.now);
        }
        if self.probe.take_if(|probe| probe.root == root).is_some() {
            self.sync.probe_cancelled();
        }
        if self.usage_call.take_if(|call| call.root == root).is_some() {
            self.usage.answered(self.now, false);
        }
    }

    /// The end of it: its tables, to be given back in small steps.
    pub fn into_retired(self) -> Retired {
        self.sync.into_retired()
    }

    /// Time has passed.
    pub fn observe(&mut self, now: u64) {
        self.now = now;
        self.sync.observe(now);
    }

    /// What time brings: the next poll, usage, gauges. Calls are made in this root, which is the effective context.
    pub fn tick(&mut self, root: u32) {
        if self.asleep {
            return;
        }
        self.ask(root);
        self.send_usage(root);
        self.metrics.set(Gauge::TableAge, self.age());
    }

    /// Starts the next poll and the next probe, if they are due. This root must be the effective context.
    pub fn ask(&mut self, root: u32) {
        self.poll(root);
        self.probe(root);
    }

    fn poll(&mut self, root: u32) {
        let random = random();
        let Some(Poll { path, timeout_milliseconds }) = self.sync.poll_due(self.now, random) else { return };
        match self.call("GET", path.as_bytes(), &[], timeout_milliseconds, true) {
            Ok(token) => self.poll = Some(InFlight { token, root }),
            Err(_) => self.polled(PollAnswer::Unreachable),
        }
    }

    fn probe(&mut self, root: u32) {
        let Some(Poll { path, timeout_milliseconds }) = self.sync.probe_due(self.now) else { return };
        self.metrics.probed();
        match self.call("GET", path.as_bytes(), &[], timeout_milliseconds, false) {
            Ok(token) => self.probe = Some(InFlight { token, root }),
            Err(_) => self.probed(PollAnswer::Unreachable),
        }
    }

    /// Sends the batch of usage that is due, if any.
    fn send_usage(&mut self, root: u32) {
        let (lost, sources_lost) = (self.usage.lost(), self.usage.sources_lost());
        self.metrics.usage_lost(lost - self.usage_lost);
        self.metrics.sources_lost(sources_lost - self.sources_lost);
        (self.usage_lost, self.sources_lost) = (lost, sources_lost);
        let Some(batch) = self.usage.due(self.now) else { return };
        match self.call("POST", b"/sync/v1/usage", &batch, USAGE_TIMEOUT_MILLISECONDS, true) {
            Ok(token) => self.usage_call = Some(InFlight { token, root }),
            Err(_) => self.usage.answered(self.now, false),
        }
    }

    /// Calls the control plane, in the worker's name or, for what acknowledges nothing, in none.
    fn call(&self, method: &str, path: &[u8], body: &[u8], timeout: u64, in_name: bool) -> abi::Call<u32> {
        let worker = self.worker.to_text();
        let headers: [(&[u8], &[u8]); 9] = [
            (b":method", method.as_bytes()),
            (b":scheme", b"http"),
            (b":path", path),
            (b":authority", self.control_plane.authority.as_bytes()),
            (b"authorization", &self.authorization),
            (b"content-type", header::SYNC_MEDIA_TYPE.as_bytes()),
            (header::WORKER.as_bytes(), &worker),
            (header::PROXY.as_bytes(), &self.proxy),
            (header::FILTER_VERSION.as_bytes(), env!("CARGO_PKG_VERSION").as_bytes()),
        ];
        let headers = if in_name {
            headers.as_slice()
        } else {
            headers.split_last_chunk::<3>().map_or(&[][..], |(these, _)| these)
        };
        abi::http_call(self.control_plane.cluster.as_bytes(), headers, body, timeout)
    }

    /// The answer to a call of this feed's, or of another: tokens are a VM's own. Whether it was a poll or a probe; then the
    /// caller decides what waited for it and calls [`Feed::ask`].
    pub fn call_answered(&mut self, token: u32, header_count: usize, body_size: usize) -> bool {
        let is_it = |call: &mut InFlight| call.token == token;
        let (polled, probed) = (self.poll.take_if(is_it).is_some(), self.probe.take_if(is_it).is_some());
        if polled || probed {
            self.read_clock();
            let status = status(header_count);
            if body_size >= LARGE_PAGE {
                grow();
            }
            let body = if status == Some(200) {
                abi::buffer(BufferType::HttpCallResponseBody, body_size.min(MAX_BYTES + 1))
            } else {
                Ok(Vec::new())
            };
            let answer = match (status, &body) {
                (Some(200), Ok(page)) => PollAnswer::Page(page),
                (Some(status), Ok(_)) => PollAnswer::Status(status),
                (None, _) | (_, Err(_)) => PollAnswer::Unreachable,
            };
            if polled {
                self.polled(answer);
            } else {
                self.probed(answer);
            }
            return true;
        }
        if self.usage_call.take_if(is_it).is_some() {
            self.read_clock();
            // A batch that is refused as malformed would be refused again; everything else is worth another try.
            let settled = matches!(status(header_count), Some(200..=299 | 400 | 413 | 422));
            self.usage.answered(self.now, settled);
        }
        false
    }

    /// Reads the clock, for what cannot be a second late.
    pub fn read_clock(&mut self) {
        if let Ok(now) = abi::now_milliseconds() {
            self.observe(now);
        }
    }

    /// Takes the answer to a poll.
    fn polled(&mut self, answer: PollAnswer<'_>) {
        let progress = self.sync.answered(self.now, random(), answer);
        self.note(progress);
    }

    /// Takes the answer to a probe.
    fn probed(&mut self, answer: PollAnswer<'_>) {
        let progress = self.sync.probed(self.now, answer);
        self.note(progress);
    }

    /// Shows operators what an answer has changed.
    fn note(&mut self, progress: Progress) {
        match progress {
            Progress::Complete => {
                if self.last_fault.take().is_some() {
                    abi::log(LogLevel::Info, "keyplane: sync works again");
                }
                self.show_table();
            }
            Progress::Partial | Progress::Dropped => {}
            Progress::Failed(fault) => {
                self.metrics.sync_fault(fault);
                // Once for each kind of fault in a row: a control plane that is down for hours must not fill the log.
                if self.last_fault != Some(fault) {
                    abi::log(LogLevel::Warn, &format!("keyplane: sync failed ({}): {fault}", fault.name()));
                }
                self.last_fault = Some(fault);
            }
        }
    }

    fn show_table(&self) {
        let Some(table) = self.sync.table() else { return };
        self.metrics.set(Gauge::Synced, 1);
        self.metrics.set(Gauge::TableKeys, table.keys.len() as u64);
        self.metrics.set(Gauge::TableBytes, table.keys.bytes() as u64);
        self.metrics.set(Gauge::Revision, table.revision);
        self.metrics.set(Gauge::TableAge, 0);
    }
}

/// Sees to it that memory grows in large steps, or not at all. Left to the allocator it would grow by 64 KiB a time, and V8 looks for garbage whenever memory
/// has grown: while a million keys are loaded that takes twice as long as to apply the pages.
fn grow() {
    // What is given back stays with the allocator.
    drop(black_box(Vec::<u8>::with_capacity(GROWTH)));
}

/// `:status` of the answer; `None` when there is none. Asked for only when there are headers: a failed call has none.
fn status(header_count: usize) -> Option<u16> {
    if header_count == 0 {
        return None;
    }
    let status = abi::header(MapType::CallResponse, b":status").ok()?;
    std::str::from_utf8(&status).ok()?.parse().ok()
}

/// For pauses only: without random bytes they are merely regular.
fn random() -> u64 {
    wasi::random::<8>().map_or(0, u64::from_le_bytes)
}

/// The proxy's own name, as its node id says, in characters that a header may carry.
fn proxy_name() -> Vec<u8> {
    let name = abi::property(b"xds\0node\0id").unwrap_or_default();
    name.into_iter().filter(u8::is_ascii_graphic).take(MAX_PROXY_NAME).collect()
}
