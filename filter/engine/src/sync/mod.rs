//! The state machine that keeps the table up to date by long polls.
//!
//! It knows nothing of sockets: [`Sync::poll_due`] says what to ask, [`Sync::answered`] takes what came back. The promises it keeps:
//!
//! * A page is applied whole or not at all, and only if it follows exactly on the table's revision.
//! * A snapshot is built beside the serving table and replaces it only when it is complete: the last page says how many keys there are.
//! * Whatever goes wrong, the old table serves on, the fault is counted, and the next attempt comes after a growing pause.
//! * A table that is not needed any more is given back in small steps: dropped whole, a large one would hold up requests.
//! * A history that goes backwards under the same epoch, or a table that shrinks suddenly, is refused.
//! * A request may ask whether its key is there by now ([`Sync::want`]): a probe then runs beside the long poll, within bounds. Whichever of the
//!   two comes second finds its page overtaken; that is no fault.

mod fault;
mod probe;

pub use fault::SyncFault;
pub use probe::{LEAST_PAUSE_MILLISECONDS, MOST_PAUSE_MILLISECONDS, Ticket};

use crate::config::{ControlPlane, MAX_RETRY_MILLISECONDS};
use crate::staleness::Age;
use crate::table::{Retired, Table};
use keyplane_contract::sync::{Page, PageHeader};
use probe::{InFlight, Probe};
use std::fmt::Write as _;

/// A new table with less than half the keys of the old is refused, unless the control plane vouches for it ...
const SHRINK_DIVISOR: usize = 2;
/// ... or the old one was smaller than this.
const SHRINK_FROM: usize = 100;
/// The first poll comes at a random time within this, so that the workers of many proxies do not come at once.
const FIRST_POLL_MILLISECONDS: u64 = 50;
/// What a callout may take beyond the wait that was asked for.
const CALLOUT_GRACE_MILLISECONDS: u64 = 5_000;
/// The longest pause of all, failed polls and empty pages together. A longer one is one of a clock that was set back.
const LONGEST_PAUSE_MILLISECONDS: u64 = 60_000;
/// An empty page that comes back sooner than this was not held open; the next poll waits, so that no hot loop arises.
const HOT_LOOP_MILLISECONDS: u64 = 100;

/// What to ask the control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// Path and query of the GET.
    pub path: String,
    /// When the host should give up, in milliseconds.
    pub timeout_milliseconds: u64,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollAnswer<'a> {
    /// Status 200 and this body.
    Page(&'a [u8]),
    /// Another status.
    Status(u16),
    /// No answer.
    Unreachable,
}

/// What an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A page of more was applied.
    Partial,
    /// The table is at the control plane's revision. Requests that wait for a table can be decided.
    Complete,
    /// The page is of no use, which is no fault: the other call was faster, or the history is a new one, which the next poll loads.
    Dropped,
    /// Nothing changed; the table serves on as it was.
    Failed(SyncFault),
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Idle {
        due_at: u64,
    },
    InFlight {
        /// Its place in the order of calls.
        number: u64,
        /// The revision that it asked after.
        after: u64,
        /// An answer without news that comes sooner was not held open, although it was asked for.
        held_until: u64,
        deadline: u64,
        /// A probe has moved the table on since.
        overtaken: bool,
    },
}

/// The synced table of one worker, and where it is in getting the next change.
#[derive(Debug)]
pub struct Sync {
    wait_seconds: u32,
    retry_milliseconds: u64,
    seed: u64,
    serving: Option<Table>,
    loading: Option<Table>,
    retired: Retired,
    start_over: bool,
    phase: Phase,
    failures: u32,
    age: Age,
    /// Calls that were started, polls and probes together.
    started: u64,
    /// The newest of them that said what there was to say: it left the table at the control plane's revision, or it was a probe that failed.
    settled: u64,
    probe: Probe,
}

impl Sync {
    /// Nothing synced yet. `now` in milliseconds of any steady clock, `random` from the host's random source.
    #[must_use]
    pub fn new(settings: &ControlPlane, now: u64, random: u64) -> Self {
        Self {
            wait_seconds: settings.wait_seconds,
            retry_milliseconds: u64::from(settings.retry_milliseconds),
            seed: random,
            serving: None,
            loading: None,
            retired: Retired::default(),
            start_over: false,
            phase: Phase::Idle { due_at: now + (random >> 32) % FIRST_POLL_MILLISECONDS },
            failures: 0,
            age: Age::default(),
            started: 0,
            settled: 0,
            probe: Probe::new(),
        }
    }

    /// The table that requests are decided by; `None` until the first one is complete.
    #[must_use]
    pub const fn table(&self) -> Option<&Table> {
        self.serving.as_ref()
    }

    /// When the table was last known to be at the control plane's revision.
    #[must_use]
    pub const fn fresh_at(&self) -> Option<u64> {
        self.age.fresh_at()
    }

    /// How old the table is: the time since it was last known to be at the control plane's revision.
    #[must_use]
    pub const fn age(&self) -> &Age {
        &self.age
    }

    /// The end of it: its tables, to be given back in small steps.
    #[must_use]
    pub fn into_retired(self) -> Retired {
        let mut retired = self.retired;
        retired.push(self.loading);
        retired.push(self.serving);
        retired
    }

    /// Time has passed: the table is older, and what an old one left is cleared up a little further. The host says so at each tick and answer.
    pub fn observe(&mut self, now: u64) {
        self.age.observe(now);
        self.retired.step();
    }

    /// The poll to start now, if one is due. The caller starts it and then tells [`Sync::answered`], also when it could not be started.
    pub fn poll_due(&mut self, now: u64, random: u64) -> Option<Poll> {
        match self.phase {
            Phase::Idle { due_at } if now < due_at && due_at - now <= LONGEST_PAUSE_MILLISECONDS => return None,
            Phase::InFlight { deadline, .. } if now < deadline => return None,
            Phase::Idle { .. } => {}
            Phase::InFlight { .. } => {
                // The host lost the call. It must not be the last one.
                let _ = self.fail(now, random, SyncFault::Unreachable);
                return None;
            }
        }
        let position = self.position();
        let after = position.map_or(0, |table| table.revision);
        let wait = if position.is_none() || self.loading.is_some() { 0 } else { self.wait_seconds };
        let mut path = path(position, wait);
        // While a table is loaded, a page that was made a little ago will do: what changed since comes with the last one, which never
        // is an old one. After a fault it may be to blame.
        if self.loading.is_some() && self.failures == 0 {
            path.push_str("&closed=1");
        }
        let timeout_milliseconds = u64::from(wait) * 1_000 + CALLOUT_GRACE_MILLISECONDS;
        // The host ends the call at its timeout; a little later it counts as lost.
        let deadline = now + timeout_milliseconds + CALLOUT_GRACE_MILLISECONDS;
        let held_until = if wait == 0 { now } else { now + HOT_LOOP_MILLISECONDS };
        self.started += 1;
        self.phase = Phase::InFlight { number: self.started, after, held_until, deadline, overtaken: false };
        Some(Poll { path, timeout_milliseconds })
    }

    /// The table whose revision is asked after.
    fn position(&self) -> Option<&Table> {
        self.loading.as_ref().or(if self.start_over { None } else { self.serving.as_ref() })
    }

    /// Takes the answer to the poll in flight. An answer nobody waits for is ignored as [`SyncFault::Unexpected`].
    pub fn answered(&mut self, now: u64, random: u64, answer: PollAnswer<'_>) -> Progress {
        let Phase::InFlight { number, after, held_until, overtaken, .. } = self.phase else {
            return Progress::Failed(SyncFault::Unexpected);
        };
        let page = match page_of(answer) {
            Ok(page) => page,
            Err(fault) => return self.fail(now, random, fault),
        };
        let of_this_history = self.serving.as_ref().is_some_and(|table| table.epoch == page.header.epoch);
        if overtaken && of_this_history && page.header.after == after {
            self.failures = 0;
            self.phase = Phase::Idle { due_at: now };
            return Progress::Dropped;
        }
        match self.take(&page) {
            Ok(()) => {
                self.failures = 0;
                let held_open = page.header.after != page.header.until || now >= held_until;
                let pause = if held_open { 0 } else { self.retry_milliseconds };
                self.phase = Phase::Idle { due_at: now + pause };
                if page.header.last { self.complete(now, number) } else { Progress::Partial }
            }
            Err(fault) => self.fail(now, random, fault),
        }
    }

    /// The table is where the control plane was when it answered this call.
    fn complete(&mut self, now: u64, number: u64) -> Progress {
        self.age.refresh(now);
        self.settled = self.settled.max(number);
        Progress::Complete
    }

    /// When something comes now, in the order of calls to the control plane.
    #[must_use]
    pub const fn ticket(&self) -> Ticket {
        Ticket(self.started)
    }

    /// Whether the control plane was asked after the ticket was taken, and nothing more is to be expected.
    #[must_use]
    pub const fn is_settled(&self, ticket: Ticket) -> bool {
        self.settled > ticket.0
    }

    /// A request presents a key that the table does not know and would wait for the next word of the control plane's. `None`: there is
    /// nothing to wait for, because there is no table, or because the control plane does not answer and was asked just now.
    #[must_use]
    pub fn expect(&self, now: u64) -> Option<Ticket> {
        self.serving.as_ref()?;
        let answers = self.failures == 0 || (self.probe.may_start(now) && self.is_at_rest());
        answers.then(|| self.ticket())
    }

    /// A request that came now waits for the next word of the control plane's.
    pub fn want(&mut self) {
        self.probe.wanted = Some(self.ticket());
    }

    /// A request that waited has got its key: the next one need not wait long.
    pub fn reward_probe(&mut self, now: u64) {
        self.probe.reward(now);
    }

    /// Whether the serving table is what the next poll goes on from, and not one that is being loaded.
    const fn is_at_rest(&self) -> bool {
        self.loading.is_none() && !self.start_over
    }

    /// The probe to start now, if one is due: a poll beside the one that waits. The caller starts it and then tells [`Sync::probed`], also when
    /// it could not be started.
    pub fn probe_due(&mut self, now: u64) -> Option<Poll> {
        if let Some(lost) = self.probe.in_flight.take_if(|probe| probe.deadline <= now) {
            self.settled = self.settled.max(lost.number);
        }
        if self.probe.wanted.is_some_and(|ticket| self.is_settled(ticket)) {
            self.probe.wanted = None;
        }
        if self.probe.wanted.is_none() || !self.probe.may_start(now) || !self.is_at_rest() {
            return None;
        }
        let table = self.serving.as_ref()?;
        let path = path(Some(table), 0);
        self.started += 1;
        let deadline = now + probe::TIMEOUT_MILLISECONDS + CALLOUT_GRACE_MILLISECONDS;
        self.probe.start(now, InFlight { number: self.started, after: table.revision, deadline });
        Some(Poll { path, timeout_milliseconds: probe::TIMEOUT_MILLISECONDS })
    }

    /// Takes the answer to the probe in flight. A fault leaves the long poll alone.
    pub fn probed(&mut self, now: u64, answer: PollAnswer<'_>) -> Progress {
        let Some(InFlight { number, after, .. }) = self.probe.in_flight.take() else {
            return Progress::Failed(SyncFault::Unexpected);
        };
        let taken = page_of(answer).and_then(|page| self.take_probe(after, &page));
        if let Ok(Progress::Partial | Progress::Complete) = taken {
            // The control plane is there: no need to wait until the long poll tries again.
            if self.failures > 0 && matches!(self.phase, Phase::Idle { .. }) {
                self.phase = Phase::Idle { due_at: now };
            }
            self.failures = 0;
        }
        match taken {
            Ok(Progress::Complete) => self.complete(now, number),
            Ok(progress) => {
                if progress == Progress::Partial {
                    self.probe.go_on(now);
                }
                progress
            }
            Err(fault) => {
                self.settled = self.settled.max(number);
                Progress::Failed(fault)
            }
        }
    }

    /// Applies the page of a probe that asked after this revision, if it is of this history. A new history is the long poll's to load.
    fn take_probe(&mut self, asked_after: u64, page: &Page<'_>) -> Result<Progress, SyncFault> {
        let header = &page.header;
        let at_rest = self.is_at_rest();
        let Some(table) = self.serving.as_mut().filter(|table| at_rest && table.epoch == header.epoch) else {
            return Ok(Progress::Dropped);
        };
        if header.after != asked_after {
            return Ok(Progress::Dropped);
        }
        if header.after == table.revision {
            self.follow(page)?;
            if header.until > header.after
                && let Phase::InFlight { overtaken, .. } = &mut self.phase
            {
                *overtaken = true;
            }
            return Ok(if header.last { Progress::Complete } else { Progress::Partial });
        }
        // The long poll was faster. It may have brought all that there was.
        Ok(if header.head <= table.revision { Progress::Complete } else { Progress::Dropped })
    }

    /// The host has dropped the poll in flight, through no fault of the control plane: the next is due at once.
    pub fn cancelled(&mut self, now: u64) {
        self.phase = Phase::Idle { due_at: now };
    }

    /// The host has dropped the probe in flight: another may start.
    pub fn probe_cancelled(&mut self) {
        self.probe.in_flight = None;
    }

    /// Applies a verified page to the table it follows on, or begins a new table.
    fn take(&mut self, page: &Page<'_>) -> Result<(), SyncFault> {
        let header = &page.header;
        let follows = |table: &Table| table.epoch == header.epoch && table.revision == header.after;
        if let Some(mut table) = self.loading.take_if(|table| follows(table)) {
            // A fault drops what was loaded so far: the next poll starts over.
            let filled = fill(&mut table, page);
            return self.go_on_loading(table, filled, header);
        }
        self.retired.push(self.loading.take());
        if !self.start_over && self.serving.as_ref().is_some_and(follows) {
            return self.follow(page);
        }
        if header.after != 0 {
            self.start_over = true;
            return Err(SyncFault::Gap);
        }
        if let Some(old) = &self.serving
            && old.epoch == header.epoch
            && header.head < old.revision
        {
            return Err(SyncFault::Backwards);
        }
        let mut table = Table::new(header.epoch, self.seed);
        let filled = fill(&mut table, page);
        self.go_on_loading(table, filled, header)
    }

    /// Applies a page that follows on the serving table.
    fn follow(&mut self, page: &Page<'_>) -> Result<(), SyncFault> {
        let Some(table) = &mut self.serving else { return Err(SyncFault::Gap) };
        fill(table, page)?;
        if page.header.last && !is_proven(table, &page.header) {
            self.start_over = true;
            return Err(SyncFault::Count);
        }
        Ok(())
    }

    /// Keeps a table that is still growing; puts a complete one in service; gives up one with a fault.
    fn go_on_loading(
        &mut self,
        table: Table,
        filled: Result<(), SyncFault>,
        header: &PageHeader,
    ) -> Result<(), SyncFault> {
        let fit = filled.and_then(|()| if header.last { self.may_serve(&table, header) } else { Ok(()) });
        if fit.is_err() {
            self.retired.push(Some(table));
        } else if header.last {
            self.retired.push(self.serving.replace(table));
            self.start_over = false;
        } else {
            self.loading = Some(table);
        }
        fit
    }

    /// Whether a complete table may take the place of the one that serves.
    fn may_serve(&self, table: &Table, header: &PageHeader) -> Result<(), SyncFault> {
        if !is_proven(table, header) {
            return Err(SyncFault::Count);
        }
        let old = self.serving.as_ref().map_or(0, |table| table.keys.len());
        if old >= SHRINK_FROM && table.keys.len() < old / SHRINK_DIVISOR && !header.shrink_allowed {
            return Err(SyncFault::Shrink);
        }
        Ok(())
    }

    /// Plans the next attempt: the pause doubles with each failure and is drawn from its upper half.
    fn fail(&mut self, now: u64, random: u64, fault: SyncFault) -> Progress {
        let pause = self.retry_milliseconds.saturating_mul(1 << self.failures.min(16)).min(MAX_RETRY_MILLISECONDS);
        self.failures = self.failures.saturating_add(1);
        self.phase = Phase::Idle { due_at: now + pause - random % (pause / 2 + 1) };
        Progress::Failed(fault)
    }
}

/// Path and query of a poll after this table.
fn path(position: Option<&Table>, wait: u32) -> String {
    let mut path = String::from("/sync/v1/changes?after=");
    match position {
        Some(table) => {
            let _ = write!(path, "{}&epoch={}", table.revision, table.epoch);
        }
        None => path.push('0'),
    }
    let _ = write!(path, "&wait={wait}");
    path
}

/// The page of an answer, read whole.
fn page_of(answer: PollAnswer<'_>) -> Result<Page<'_>, SyncFault> {
    let page = match answer {
        PollAnswer::Page(bytes) => Page::decode(bytes).and_then(|page| page.verify().map(|()| page)),
        PollAnswer::Status(401 | 403) => return Err(SyncFault::Unauthorized),
        // 502 to 504 is what a proxy answers itself when it cannot reach the control plane.
        PollAnswer::Unreachable | PollAnswer::Status(502..=504) => return Err(SyncFault::Unreachable),
        PollAnswer::Status(_) => return Err(SyncFault::Status),
    };
    page.map_err(|_| SyncFault::Page)
}

/// Applies all records, then moves the revision. A key without room is a fault, but the rest of the page is still applied:
/// a revocation in it must not wait for room.
fn fill(table: &mut Table, page: &Page<'_>) -> Result<(), SyncFault> {
    let mut room = true;
    for record in page.records() {
        room &= table.apply(&record.map_err(|_| SyncFault::Page)?);
    }
    if room {
        table.revision = page.header.until;
        Ok(())
    } else {
        Err(SyncFault::Full)
    }
}

/// Whether the table has as many keys as the control plane.
fn is_proven(table: &Table, header: &PageHeader) -> bool {
    u64::try_from(table.keys.len()) == Ok(header.live)
}

#[cfg(test)]
mod tests;
