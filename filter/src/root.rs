//! One plugin configuration in one VM: its engine, its calls to the control plane, the requests it holds.

use crate::abi::{self, Action, BufferType, LogLevel, MapType};
use crate::metrics::{Gauge, Metrics};
use crate::request::{self, Effective};
use crate::wasi;
use keyplane_contract::code::Reason;
use keyplane_contract::header;
use keyplane_contract::id::Id;
use keyplane_contract::sync::MAX_BYTES;
use keyplane_filter_engine::host::source;
use keyplane_filter_engine::request::Outcome;
use keyplane_filter_engine::settings::Settings;
use keyplane_filter_engine::sync::{Poll, PollAnswer, Progress, Sync, SyncFault};
use keyplane_filter_engine::usage::Usage;
use keyplane_filter_engine::worker::Worker;
use std::collections::VecDeque;

/// Where the proxy token comes from: never from the configuration, which Envoy shows in its config dump.
const TOKEN_VARIABLE: &str = "KEYPLANE_PROXY_TOKEN";
/// Tick while something is waited for ...
const FAST_TICK_MILLISECONDS: u32 = 20;
/// ... and when all is well: a poll is in flight and only usage and gauges need time.
const SLOW_TICK_MILLISECONDS: u32 = 1_000;
/// How long the control plane may take to accept a batch of usage.
const USAGE_TIMEOUT_MILLISECONDS: u64 = 5_000;
/// The longest proxy name that is told to the control plane.
const MAX_PROXY_NAME: usize = 128;

/// A request that waits for the first table.
struct Held {
    context: u32,
    until: u64,
}

/// One plugin configuration.
pub struct Root {
    context: u32,
    settings: Settings,
    authorization: Vec<u8>,
    proxy: Vec<u8>,
    worker: Id,
    sync: Sync,
    usage: Usage,
    usage_lost: u64,
    sources_lost: u64,
    metrics: Metrics,
    poll_token: Option<u32>,
    usage_token: Option<u32>,
    held: VecDeque<Held>,
    tick_milliseconds: u32,
    /// The clock as of the last callback that read it; a second late at most.
    now: u64,
    last_fault: Option<SyncFault>,
}

impl Root {
    /// Reads and checks the configuration and the environment. The error is a sentence for the operator's log.
    pub fn configure(context: u32, configuration_size: usize) -> Result<Self, String> {
        let json = abi::buffer(BufferType::PluginConfiguration, configuration_size).map_err(|failure| {
            format!("the host does not hand over the plugin configuration (status {})", failure.0)
        })?;
        let settings = Settings::parse(&json).map_err(|error| error.to_string())?;
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
        abi::set_tick_period(FAST_TICK_MILLISECONDS).map_err(|_| "the host gives no timer")?;
        let root = Self {
            context,
            authorization: [b"Bearer ", token.as_slice()].concat(),
            proxy: proxy_name(),
            worker: Id(*worker),
            sync: Sync::new(&settings.control_plane, now, seed),
            usage: Usage::new(Id(*worker)),
            usage_lost: 0,
            sources_lost: 0,
            metrics: Metrics::define(),
            poll_token: None,
            usage_token: None,
            held: VecDeque::new(),
            tick_milliseconds: FAST_TICK_MILLISECONDS,
            now,
            last_fault: None,
            settings,
        };
        abi::log(LogLevel::Info, &format!("keyplane: filter {} configured", env!("CARGO_PKG_VERSION")));
        Ok(root)
    }

    /// Takes over from the configuration that this one replaces: requests that it held wait on here, and what it counted is sent.
    pub fn take_over(&mut self, old: Self) {
        self.held.extend(old.held);
        (self.worker, self.usage, self.usage_token) = (old.worker, old.usage, old.usage_token);
        (self.usage_lost, self.sources_lost) = (old.usage_lost, old.sources_lost);
    }

    /// Decides a request whose headers have just arrived.
    pub fn request_headers(&mut self, context: u32) -> Action {
        let outcome = self.handle();
        if outcome.reason == Reason::NotReady && self.hold(context) {
            return Action::Pause;
        }
        self.count(&outcome);
        if outcome.reason.is_allowed() { Action::Continue } else { self.refuse(outcome.reason) }
    }

    fn handle(&self) -> Outcome {
        request::handle(&self.settings, &mut Worker::with_table(self.sync.table()))
    }

    fn refuse(&self, reason: Reason) -> Action {
        request::refuse(&self.settings.answers, reason)
    }

    /// Whether the request may wait for the first table.
    fn hold(&mut self, context: u32) -> bool {
        let room = usize::try_from(self.settings.hold.requests).unwrap_or(usize::MAX);
        if self.settings.hold.milliseconds == 0 || self.held.len() >= room {
            return false;
        }
        let Ok(now) = abi::now_milliseconds() else { return false };
        self.now = now;
        self.held.push_back(Held { context, until: now + u64::from(self.settings.hold.milliseconds) });
        self.metrics.set(Gauge::Held, self.held.len() as u64);
        true
    }

    /// Counts a decision about the request of the effective context, and the use of the key if one was recognised.
    fn count(&mut self, outcome: &Outcome) {
        self.metrics.decided(outcome.reason);
        if let Some(key) = outcome.key {
            self.usage.count(key.id, outcome.reason, self.now);
            // Asking the host takes time, so only for the few keys that are being replaced.
            if key.reports_sources {
                self.usage.count_source(key.id, source(&Effective), self.now);
            }
        }
    }

    /// Decides the held requests that are `due`, oldest first. Leaves the effective context at this root.
    fn release(&mut self, due: impl Fn(&Held) -> bool) {
        if self.held.is_empty() {
            return;
        }
        while let Some(held) = self.held.pop_front_if(|held| due(held)) {
            // A caller that went away: its context is gone, and what follows would be about another request.
            if abi::set_effective_context(held.context).is_err() {
                continue;
            }
            let outcome = self.handle();
            self.count(&outcome);
            if !outcome.reason.is_allowed() || abi::continue_request().is_err() {
                self.refuse(if outcome.reason.is_allowed() { Reason::Fault } else { outcome.reason });
            }
        }
        let _ = abi::set_effective_context(self.context);
        self.metrics.set(Gauge::Held, self.held.len() as u64);
    }

    /// A request has ended, whatever became of it.
    pub fn request_ended(&mut self, context: u32) {
        if !self.held.is_empty() {
            self.held.retain(|held| held.context != context);
            self.metrics.set(Gauge::Held, self.held.len() as u64);
        }
    }

    /// Time has passed: requests held too long, the next poll, usage, gauges.
    pub fn tick(&mut self) {
        let Ok(now) = abi::now_milliseconds() else { return };
        self.now = now;
        self.release(|held| held.until <= now);
        self.poll();
        self.send_usage();
        let age = self.sync.fresh_at().map_or(0, |fresh_at| now.saturating_sub(fresh_at));
        self.metrics.set(Gauge::TableAge, age);
        self.adjust_tick();
    }

    fn adjust_tick(&mut self) {
        let waiting = self.sync.table().is_none() || !self.held.is_empty() || self.poll_token.is_none();
        let period = if waiting { FAST_TICK_MILLISECONDS } else { SLOW_TICK_MILLISECONDS };
        if period != self.tick_milliseconds && abi::set_tick_period(period).is_ok() {
            self.tick_milliseconds = period;
        }
    }

    /// Starts the next poll if one is due.
    fn poll(&mut self) {
        let random = random();
        let Some(Poll { path, timeout_milliseconds }) = self.sync.poll_due(self.now, random) else { return };
        match self.call("GET", path.as_bytes(), &[], timeout_milliseconds) {
            Ok(token) => self.poll_token = Some(token),
            Err(_) => self.polled(PollAnswer::Unreachable),
        }
    }

    /// Sends the batch of usage that is due, if any.
    fn send_usage(&mut self) {
        let (lost, sources_lost) = (self.usage.lost(), self.usage.sources_lost());
        self.metrics.usage_lost(lost - self.usage_lost);
        self.metrics.sources_lost(sources_lost - self.sources_lost);
        (self.usage_lost, self.sources_lost) = (lost, sources_lost);
        let Some(batch) = self.usage.due(self.now) else { return };
        match self.call("POST", b"/sync/v1/usage", &batch, USAGE_TIMEOUT_MILLISECONDS) {
            Ok(token) => self.usage_token = Some(token),
            Err(_) => self.usage.answered(self.now, false),
        }
    }

    fn call(&self, method: &str, path: &[u8], body: &[u8], timeout_milliseconds: u64) -> abi::Call<u32> {
        let control_plane = &self.settings.control_plane;
        let worker = self.worker.to_text();
        let headers: [(&[u8], &[u8]); 9] = [
            (b":method", method.as_bytes()),
            (b":scheme", b"http"),
            (b":path", path),
            (b":authority", control_plane.authority.as_bytes()),
            (b"authorization", &self.authorization),
            (b"content-type", header::SYNC_MEDIA_TYPE.as_bytes()),
            (header::WORKER.as_bytes(), &worker),
            (header::PROXY.as_bytes(), &self.proxy),
            (header::FILTER_VERSION.as_bytes(), env!("CARGO_PKG_VERSION").as_bytes()),
        ];
        abi::http_call(control_plane.cluster.as_bytes(), &headers, body, timeout_milliseconds)
    }

    /// The answer to a call of ours.
    pub fn call_answered(&mut self, token: u32, header_count: usize, body_size: usize) {
        if let Ok(now) = abi::now_milliseconds() {
            self.now = now;
        }
        if self.poll_token == Some(token) {
            self.poll_token = None;
            let status = status(header_count);
            let body = if status == Some(200) {
                abi::buffer(BufferType::HttpCallResponseBody, body_size.min(MAX_BYTES + 1))
            } else {
                Ok(Vec::new())
            };
            match (status, &body) {
                (Some(200), Ok(page)) => self.polled(PollAnswer::Page(page)),
                (Some(status), Ok(_)) => self.polled(PollAnswer::Status(status)),
                (None, _) | (_, Err(_)) => self.polled(PollAnswer::Unreachable),
            }
        } else if self.usage_token == Some(token) {
            self.usage_token = None;
            // A batch that is refused as malformed would be refused again; everything else is worth another try.
            let settled = matches!(status(header_count), Some(200..=299 | 400 | 413 | 422));
            self.usage.answered(self.now, settled);
        }
    }

    /// Takes the answer to a poll, decides what waited for it, and polls on.
    fn polled(&mut self, answer: PollAnswer<'_>) {
        match self.sync.answered(self.now, random(), answer) {
            Progress::Complete => {
                if self.last_fault.take().is_some() {
                    abi::log(LogLevel::Info, "keyplane: sync works again");
                }
                self.show_table();
                self.release(|_| true);
                self.poll();
            }
            Progress::Partial | Progress::Dropped => self.poll(),
            Progress::Failed(fault) => {
                self.metrics.sync_fault(fault);
                // Once for each kind of fault in a row: a control plane that is down for hours must not fill the log.
                if self.last_fault != Some(fault) {
                    abi::log(LogLevel::Warn, &format!("keyplane: sync failed ({}): {fault}", fault.name()));
                }
                self.last_fault = Some(fault);
            }
        }
        self.adjust_tick();
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

/// `:status` of the answer; `None` when there is none. Asked for only when there are headers: a failed call has none.
fn status(header_count: usize) -> Option<u16> {
    if header_count == 0 {
        return None;
    }
    let status = abi::header(MapType::HttpCallResponseHeaders, b":status").ok()?;
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
