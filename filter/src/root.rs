//! One plugin configuration in one VM: its settings, and the requests it holds. The table is its feed's.

use crate::abi::{self, Action, BufferType};
use crate::feed::Feed;
use crate::metrics::Metrics;
use crate::request;
use crate::whys::Whys;
use keyplane_contract::code::Reason;
use keyplane_filter_engine::request::Outcome;
use keyplane_filter_engine::settings::Settings;
use keyplane_filter_engine::worker::Worker;
use std::collections::VecDeque;
use std::rc::Rc;

/// Tick while something is waited for ...
const FAST_TICK_MILLISECONDS: u32 = 20;
/// ... and when all is well: a poll is in flight and only usage and gauges need time.
const SLOW_TICK_MILLISECONDS: u32 = 1_000;

/// A request that waits for the first table.
struct Held {
    context: u32,
    until: u64,
}

/// One plugin configuration.
pub struct Root {
    context: u32,
    settings: Settings,
    metrics: Rc<Metrics>,
    /// Number of its feed in the VM.
    feed: usize,
    held: VecDeque<Held>,
    whys: Whys,
    tick_milliseconds: u32,
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
        Ok(Self {
            context,
            settings,
            metrics,
            feed,
            held: VecDeque::new(),
            whys: Whys::default(),
            tick_milliseconds: FAST_TICK_MILLISECONDS,
        })
    }

    /// Number of its feed in the VM.
    pub const fn feed(&self) -> usize {
        self.feed
    }

    /// Takes over from the configuration that this one replaces: requests that it held wait on here.
    pub fn take_over(&mut self, mut old: Self) {
        self.held.append(&mut old.held);
        self.whys.take_over(&mut old.whys);
    }

    /// Decides a request whose headers have just arrived. `is_whole`: nothing follows them.
    pub fn request_headers(&mut self, context: u32, is_whole: bool, feed: &mut Feed) -> Action {
        let outcome = self.handle(is_whole, false, feed);
        if outcome.reason == Reason::NotReady && self.hold(context, feed) {
            if outcome.why.is_some() {
                self.whys.wait(context);
            }
            return Action::Pause;
        }
        feed.count(&outcome);
        if outcome.reason.is_allowed() {
            self.whys.keep(context, outcome.why);
            Action::Continue
        } else {
            self.refuse(&outcome)
        }
    }

    fn handle(&self, is_whole: bool, asked_why: bool, feed: &Feed) -> Outcome {
        let mut worker = Worker { asked_why, ..Worker::with_table(feed.table()) };
        request::handle(&self.settings, is_whole, &mut worker)
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
        let room = usize::try_from(self.settings.hold.requests).unwrap_or(usize::MAX);
        if self.settings.hold.milliseconds == 0 || self.held.len() >= room {
            return false;
        }
        let Ok(now) = abi::now_milliseconds() else { return false };
        let until = now + u64::from(self.settings.hold.milliseconds);
        self.change_held(|held| held.push_back(Held { context, until }));
        self.adjust_tick(feed);
        true
    }

    /// Changes what is held, and shows how much it is.
    fn change_held<T>(&mut self, change: impl FnOnce(&mut VecDeque<Held>) -> T) -> T {
        let before = self.held.len();
        let changed = change(&mut self.held);
        self.metrics.held(before, self.held.len());
        changed
    }

    /// The feed has a table now: decides all that waited for it.
    pub fn release_all(&mut self, feed: &mut Feed) {
        self.release(feed, |_| true);
    }

    /// Decides the held requests that are `due`, oldest first. Leaves the effective context at this root.
    fn release(&mut self, feed: &mut Feed, due: impl Fn(&Held) -> bool) {
        if self.held.is_empty() {
            return;
        }
        while let Some(held) = self.change_held(|held| held.pop_front_if(|held| due(held))) {
            // A caller that went away: its context is gone, and what follows would be about another request.
            if abi::set_effective_context(held.context).is_err() {
                continue;
            }
            // What passes because it is whole was never held.
            let outcome = self.handle(false, self.whys.waits(held.context), feed);
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
        if !self.held.is_empty() {
            self.change_held(|held| held.retain(|held| held.context != context));
        }
    }

    /// Time has passed: requests held too long, and what the feed does with time.
    pub fn tick(&mut self, feed: &mut Feed) {
        let Ok(now) = abi::now_milliseconds() else { return };
        self.release(feed, |held| held.until <= now);
        feed.tick(now, self.context);
        self.adjust_tick(feed);
    }

    /// Another root that shared the feed has gone, perhaps with a poll. Leaves the effective context here.
    pub fn take_turn(&mut self, feed: &Feed) {
        if abi::set_effective_context(self.context).is_ok() {
            self.adjust_tick(feed);
        }
    }

    /// Ticks fast while something is waited for. This root must be the effective context.
    pub fn adjust_tick(&mut self, feed: &Feed) {
        let waiting = feed.is_waiting() || !self.held.is_empty();
        let period = if waiting { FAST_TICK_MILLISECONDS } else { SLOW_TICK_MILLISECONDS };
        if period != self.tick_milliseconds && abi::set_tick_period(period).is_ok() {
            self.tick_milliseconds = period;
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.metrics.held(self.held.len(), 0);
    }
}
