//! Asking once more while a poll waits: when a request presents a key that the table does not know, but that may have been made just now.
//!
//! A probe is a poll that does not wait. It runs beside the long poll, one at a time, and at most as often as the pauses here allow: they double with each probe
//! that teaches nobody anything, so a flood of invented keys makes no more than two probes a second.

/// The pause after a first probe ...
pub const LEAST_PAUSE_MILLISECONDS: u64 = 50;
/// ... and the longest. A request waits longer than that, so that each one that waits has a probe of its own time.
pub const MOST_PAUSE_MILLISECONDS: u64 = 500;
/// How long a probe may take. By then nobody waits for it any more.
pub const TIMEOUT_MILLISECONDS: u64 = 2_000;

/// When a request came, in the order of the calls to the control plane: only a later call can say whether its key is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// A probe that was started.
#[derive(Debug, Clone, Copy)]
pub(super) struct InFlight {
    /// Its place in the order of calls.
    pub number: u64,
    /// The revision that it asked after.
    pub after: u64,
    /// From then on the host has lost it.
    pub deadline: u64,
}

/// Who wants a probe, and when the next may start.
#[derive(Debug)]
pub(super) struct Probe {
    pub wanted: Option<Ticket>,
    pub in_flight: Option<InFlight>,
    not_before: u64,
    pause: u64,
}

impl Probe {
    pub const fn new() -> Self {
        Self { wanted: None, in_flight: None, not_before: 0, pause: LEAST_PAUSE_MILLISECONDS }
    }

    /// Whether one may start now.
    pub const fn may_start(&self, now: u64) -> bool {
        // A pause that is longer than any is one of a clock that was set back.
        let pausing = now < self.not_before && self.not_before - now <= MOST_PAUSE_MILLISECONDS;
        self.in_flight.is_none() && !pausing
    }

    pub fn start(&mut self, now: u64, in_flight: InFlight) {
        self.in_flight = Some(in_flight);
        self.not_before = now + self.pause;
        self.pause = (self.pause * 2).min(MOST_PAUSE_MILLISECONDS);
    }

    /// There is more to get, and no reason to wait for it.
    pub const fn go_on(&mut self, now: u64) {
        self.not_before = now;
    }

    /// A request got what it waited for.
    pub fn reward(&mut self, now: u64) {
        self.pause = LEAST_PAUSE_MILLISECONDS;
        self.not_before = self.not_before.min(now + LEAST_PAUSE_MILLISECONDS);
    }
}
