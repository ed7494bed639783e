//! One plugin configuration in one VM: its settings, and the requests it holds. The table is its feed's.

use crate::abi::{self, Action, BufferType};
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::request;
use crate::wasi;
use crate::whys::Whys;
use keyplane_contract::code::Reason;
use keyplane_filter_engine::guessing::Guessing;
use keyplane_filter_engine::request::Outcome;
use keyplane_filter_engine::settings::Settings;
use keyplane_filter_engine::waiting::Waiting;
use keyplane_filter_engine::worker::{Attempts, Worker};
use std::rc::Rc;

/// Tick while something is waited for ...
const FAST_TICK_MILLISECONDS: u32 = 20;
/// ... and when all is well: a poll is in flight and only usage and gauges need time.
const SLOW_TICK_MILLISECONDS: u32 = 1_000;

/// One plugin configuration.
pub struct Root {
    context: u32,
    settings: Settings,
    metrics: Rc<Metrics>,
    /// Number of its feed in the VM.
    feed: usize,
    waiting: Waiting,
    guessing: Guessing,
    whys: Whys,
    tick_milliseconds: u32,
    /// When it was last ticked.
    ticked_at: u64,
}

/// What the host shall do with a request whose headers have come.
pub struct Decided {
    /// This.
    pub action: Action,
    /// Whether nothing will be asked about it again: it does not wait, and its answer is not to be explained.
    pub is_over: bool,
}

/// Reads and checks the configuration that the host holds ready. The error is a sentence for the operator's log.
pub fn read_settings(size: usize) -> Result<Settings, String> {
    let json = abi::buffer(BufferType::PluginConfiguration, size)
        .map_err(|failure| format!("the host does not hand over the plugin configuration (status {})", failure.0))?;
    Settings::parse(&json).map_err(|error| error.to_string())
}

impl Root {
    /// A root whose timer runs, so that its feed gets started.
    pub fn new(context: u32, settings: Settings, feed: usize, metrics: Rc<Metrics>) -> Result<Self, String> {
        abi::set_tick_period(FAST_TICK_MILLISECONDS).map_err(|_| "the host gives no timer")?;
        let seed = wasi::random::<8>().map_or(0, u64::from_le_bytes);
        Ok(Self {
            context,
            guessing: Guessing::new(settings.guessing, seed),
            settings,
            metrics,
            feed,
            waiting: Waiting::default(),
            whys: Whys::default(),
            tick_milliseconds: FAST_TICK_MILLISECONDS,
            ticked_at: 0,
        })
    }

    /// Number of its feed in the VM.
    pub const fn feed(&self) -> usize {
        self.feed
    }

    /// Takes over from the configuration that this one replaces: requests that it held wait on here, and who was above the limit still is.
    pub fn take_over(&mut self, mut old: Self) {
        self.waiting.take_over(std::mem::take(&mut old.waiting));
        self.whys.take_over(&mut old.whys);
        if old.guessing.limit() == self.guessing.limit() {
            std::mem::swap(&mut self.guessing, &mut old.guessing);
        }
    }

    /// Decides a request whose headers have just arrived. `is_whole`: nothing follows them.
    pub fn request_headers(&mut self, context: u32, is_whole: bool, feed: &mut Feed) -> Decided {
        let outcome = self.handle(is_whole, false, Some(context), feed);
        if outcome.waits || (outcome.reason == Reason::NotReady && outcome.rule.is_some() && self.hold(context, feed)) {
            if outcome.why.is_some() {
                self.whys.wait(context);
            }
            self.pause(&outcome, feed);
            return Decided { action: Action::Pause, is_over: false };
        }
        feed.count(&outcome);
        if outcome.reason.is_allowed() {
            let is_over = outcome.why.is_none();
            self.whys.keep(context, outcome.why);
            Decided { action: Action::Continue, is_over }
        } else {
            Decided { action: self.refuse(&outcome), is_over: true }
        }
    }

    /// Handles the request of the effective context. `patient` is its number, if it may wait for its key.
    fn handle(&mut self, is_whole: bool, asked_why: bool, patient: Option<u32>, feed: &Feed) -> Outcome {
        let (waiting, sync, bounds) = (&mut self.waiting, feed.sync(), self.settings.unknown_keys);
        let before = waiting.len();
        let mut wait = |digest, source| {
            // The feed's time is a second late at most, which is as long as this may wait.
            let now = abi::now_milliseconds().ok();
            patient.zip(now).is_some_and(|(context, now)| waiting.for_key(context, bounds, (digest, source), sync, now))
        };
        let wait: Option<&mut dyn FnMut(_, _) -> bool> =
            if patient.is_some() && bounds.is_on() { Some(&mut wait) } else { None };
        let attempts = Attempts { guessing: &mut self.guessing, now: feed.now(), wait };
        let mut worker = Worker { table: sync.table(), age: feed.age(), attempts: Some(attempts), asked_why };
        let outcome = request::handle(&self.settings, is_whole, &mut worker);
        self.metrics.held(before, self.waiting.len());
        outcome
    }

    fn refuse(&self, outcome: &Outcome) -> Action {
        request::clean_path(&self.settings);
        request::refuse(self.settings.answer(outcome).as_deref(), outcome.reason, outcome.why.as_deref())
    }

    /// The answer to a request is on its way.
    pub fn response_headers(&mut self, context: u32) {
        self.whys.tell(context);
    }

    /// Whether the request may wait for the first table.
    fn hold(&mut self, context: u32, feed: &Feed) -> bool {
        let Ok(now) = abi::now_milliseconds() else { return false };
        let before = self.waiting.len();
        let waits = self.waiting.for_table(context, &self.settings.hold, feed.sync(), now);
        self.metrics.held(before, self.waiting.len());
        waits
    }

    /// A request that has just come waits: sees to it that it need not wait for long, and decides the one whose place it took.
    fn pause(&mut self, outcome: &Outcome, feed: &mut Feed) {
        if outcome.waits {
            feed.want();
            feed.read_clock();
            // A call made in the context of a request would end with it.
            if abi::set_effective_context(self.context).is_ok() {
                feed.ask(self.context);
            }
            self.release(feed);
        }
        self.adjust_tick(feed);
    }

    /// Decides the waiting requests that are ready, oldest first. Leaves the effective context at this root if there was any.
    pub fn release(&mut self, feed: &mut Feed) {
        if self.waiting.is_empty() {
            return;
        }
        while let Some(held) = self.waiting.next(feed.now(), feed.sync()) {
            self.metrics.held(self.waiting.len() + 1, self.waiting.len());
            // A caller that went away: its context is gone, and what follows would be about another request.
            if abi::set_effective_context(held.context).is_err() {
                continue;
            }
            // What passes because it is whole was never held.
            let may_wait = held.may_wait_for_key(feed.sync()).then_some(held.context);
            let outcome = self.handle(false, self.whys.waits(held.context), may_wait, feed);
            if outcome.waits {
                feed.want();
                continue;
            }
            if held.waited_for_key() && outcome.key.is_some() {
                feed.reward_probe();
            }
            feed.count(&outcome);
            if !outcome.reason.is_allowed() {
                self.refuse(&outcome);
            } else if abi::continue_request().is_err() {
                self.refuse(&Outcome::of(Reason::Fault));
            } else {
                self.whys.keep(held.context, outcome.why);
            }
        }
        let _ = abi::set_effective_context(self.context);
    }

    /// A request has ended, whatever became of it.
    pub fn request_ended(&mut self, context: u32) {
        self.whys.forget(context);
        if self.waiting.forget(context) {
            self.metrics.held(self.waiting.len() + 1, self.waiting.len());
        }
    }

    /// Time has passed: requests that waited too long, and what the feed does with time.
    pub fn tick(&mut self, feed: &mut Feed) {
        let Ok(now) = abi::now_milliseconds() else { return };
        feed.observe(now);
        self.release(feed);
        feed.tick(self.context);
        self.count_stale(now, feed);
        self.adjust_tick(feed);
    }

    /// Counts the time since the last tick if the table is too old; the clock may have jumped, so no more than a tick can have been late.
    fn count_stale(&mut self, now: u64, feed: &Feed) {
        let passed = now.saturating_sub(self.ticked_at).min(2 * u64::from(SLOW_TICK_MILLISECONDS));
        if self.settings.staleness.is_some_and(|staleness| feed.age() > staleness.max_milliseconds()) {
            self.metrics.stale(passed);
        }
        self.ticked_at = now;
    }

    /// Another root that shared the feed has gone, perhaps with a poll. Leaves the effective context here.
    pub fn take_turn(&mut self, feed: &Feed) {
        if abi::set_effective_context(self.context).is_ok() {
            self.adjust_tick(feed);
        }
    }

    /// Ticks fast while something is waited for. This root must be the effective context.
    pub fn adjust_tick(&mut self, feed: &Feed) {
        let waiting = feed.is_waiting() || !self.waiting.is_empty();
        let period = if waiting { FAST_TICK_MILLISECONDS } else { SLOW_TICK_MILLISECONDS };
        if period != self.tick_milliseconds && abi::set_tick_period(period).is_ok() {
            self.tick_milliseconds = period;
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.metrics.held(self.waiting.len(), 0);
    }
}
