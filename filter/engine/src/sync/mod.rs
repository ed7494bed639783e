//! The state machine that keeps the table up to date by long polls.
//!
//! It knows nothing of sockets: [`Sync::poll_due`] says what to ask, [`Sync::answered`] takes what came back. The promises it keeps:
//!
//! * A page is applied whole or not at all, and only if it follows exactly on the table's revision.
//! * A snapshot is built beside the serving table and replaces it only when it is complete: the last page says how many keys there are.
//! * Whatever goes wrong, the old table serves on, the fault is counted, and the next attempt comes after a growing pause.
//! * A history that goes backwards under the same epoch, or a table that shrinks suddenly, is refused.

mod fault;

pub use fault::SyncFault;

use crate::config::{ControlPlane, MAX_RETRY_MILLISECONDS};
use crate::table::Table;
use keyplane_contract::sync::{Page, PageHeader};
use std::fmt::Write as _;

/// A new table with less than half the keys of the old is refused, unless the control plane vouches for it ...
const SHRINK_DIVISOR: usize = 2;
/// ... or the old one was smaller than this.
const SHRINK_FROM: usize = 100;
/// The first poll comes at a random time within this, so that the workers of many proxies do not come at once.
const FIRST_POLL_MILLISECONDS: u64 = 50;
/// What a callout may take beyond the wait that was asked for.
const CALLOUT_GRACE_MILLISECONDS: u64 = 5_000;
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
    /// Nothing changed; the table serves on as it was.
    Failed(SyncFault),
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Idle {
        due_at: u64,
    },
    /// `held_until`: an answer without news that comes sooner was not held open, although it was asked for.
    InFlight {
        held_until: u64,
        deadline: u64,
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
    start_over: bool,
    phase: Phase,
    failures: u32,
    fresh_at: Option<u64>,
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
            start_over: false,
            phase: Phase::Idle { due_at: now + (random >> 32) % FIRST_POLL_MILLISECONDS },
            failures: 0,
            fresh_at: None,
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
        self.fresh_at
    }

    /// The poll to start now, if one is due. The caller starts it and then tells [`Sync::answered`], also when it could not be started.
    pub fn poll_due(&mut self, now: u64, random: u64) -> Option<Poll> {
        match self.phase {
            Phase::Idle { due_at } if now < due_at => return None,
            Phase::InFlight { deadline, .. } if now < deadline => return None,
            Phase::Idle { .. } => {}
            Phase::InFlight { .. } => {
                // The host lost the call. It must not be the last one.
                let _ = self.fail(now, random, SyncFault::Unreachable);
                return None;
            }
        }
        let mut path = String::from("/sync/v1/changes?after=");
        let wait = if let Some(table) = self.position() {
            let _ = write!(path, "{}&epoch={}", table.revision, table.epoch);
            if self.loading.is_some() { 0 } else { self.wait_seconds }
        } else {
            path.push('0');
            0
        };
        let _ = write!(path, "&wait={wait}");
        let timeout_milliseconds = u64::from(wait) * 1_000 + CALLOUT_GRACE_MILLISECONDS;
        // The host ends the call at its timeout; a little later it counts as lost.
        let deadline = now + timeout_milliseconds + CALLOUT_GRACE_MILLISECONDS;
        let held_until = if wait == 0 { now } else { now + HOT_LOOP_MILLISECONDS };
        self.phase = Phase::InFlight { held_until, deadline };
        Some(Poll { path, timeout_milliseconds })
    }

    /// The table whose revision is asked after.
    fn position(&self) -> Option<&Table> {
        self.loading.as_ref().or(if self.start_over { None } else { self.serving.as_ref() })
    }

    /// Takes the answer to the poll in flight. An answer nobody waits for is ignored as [`SyncFault::Unexpected`].
    pub fn answered(&mut self, now: u64, random: u64, answer: PollAnswer<'_>) -> Progress {
        let Phase::InFlight { held_until, .. } = self.phase else { return Progress::Failed(SyncFault::Unexpected) };
        let page = match answer {
            PollAnswer::Page(bytes) => Page::decode(bytes).and_then(|page| page.verify().map(|()| page)),
            PollAnswer::Status(401 | 403) => return self.fail(now, random, SyncFault::Unauthorized),
            // 502 to 504 is what a proxy answers itself when it cannot reach the control plane.
            PollAnswer::Unreachable | PollAnswer::Status(502..=504) => {
                return self.fail(now, random, SyncFault::Unreachable);
            }
            PollAnswer::Status(_) => return self.fail(now, random, SyncFault::Status),
        };
        let Ok(page) = page else { return self.fail(now, random, SyncFault::Page) };
        match self.take(&page) {
            Ok(()) => {
                self.failures = 0;
                let held_open = page.header.after != page.header.until || now >= held_until;
                let pause = if held_open { 0 } else { self.retry_milliseconds };
                self.phase = Phase::Idle { due_at: now + pause };
                if page.header.last {
                    self.fresh_at = Some(now);
                    Progress::Complete
                } else {
                    Progress::Partial
                }
            }
            Err(fault) => self.fail(now, random, fault),
        }
    }

    /// Applies a verified page to the table it follows on, or begins a new table.
    fn take(&mut self, page: &Page<'_>) -> Result<(), SyncFault> {
        let header = &page.header;
        let follows = |table: &Table| table.epoch == header.epoch && table.revision == header.after;
        if let Some(mut table) = self.loading.take_if(|table| follows(table)) {
            // A fault drops what was loaded so far: the next poll starts over.
            fill(&mut table, page)?;
            return self.finish_loading(table, header);
        }
        self.loading = None;
        if !self.start_over
            && let Some(table) = self.serving.as_mut().filter(|table| follows(table))
        {
            fill(table, page)?;
            if header.last && !is_proven(table, header) {
                self.start_over = true;
                return Err(SyncFault::Count);
            }
            return Ok(());
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
        fill(&mut table, page)?;
        self.finish_loading(table, header)
    }

    /// Keeps a table that is still growing; puts a complete one in service.
    fn finish_loading(&mut self, table: Table, header: &PageHeader) -> Result<(), SyncFault> {
        if !header.last {
            self.loading = Some(table);
            return Ok(());
        }
        if !is_proven(&table, header) {
            return Err(SyncFault::Count);
        }
        let old = self.serving.as_ref().map_or(0, |table| table.keys.len());
        if old >= SHRINK_FROM && table.keys.len() < old / SHRINK_DIVISOR && !header.shrink_allowed {
            return Err(SyncFault::Shrink);
        }
        self.serving = Some(table);
        self.start_over = false;
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
