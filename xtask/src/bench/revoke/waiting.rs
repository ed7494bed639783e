//! What many waiting polls cost the control plane: memory, processor time while nothing changes, and one revocation that reaches
//! them all.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::super::control_plane::{Memory, figures_of, quantiles};
use super::super::load::Latencies;
use super::super::report::{Line, milliseconds};
use super::super::request::cores::CpuClock;
use super::poller::WAIT_SECONDS;
use super::{Bench, LIMIT, Options, pause};
use super::{pollers::Pollers, revoke_one};

/// Revocations that reach all of them.
const REVOKES: usize = 20;
/// How long the server does nothing before its memory is looked at.
const REST: Duration = Duration::from_secs(2);

/// What was measured.
#[derive(Debug)]
pub struct Waiting {
    polls: usize,
    /// Resident memory in KiB without polls, and with them.
    memory: (u64, u64),
    /// Processor time of the control plane and how long it was looked at, while nothing changed.
    idle: (Duration, Duration),
    /// Processor time for one revocation, with all answers and all polls that follow on them: of the control plane, and of what
    /// simulates the workers.
    revoke: (Duration, Duration),
    /// From answered to the last worker.
    reached: Latencies,
    answered: Latencies,
    /// Polls that were answered with another status than 200: while all came at once, and later.
    faults: (usize, usize),
}

/// Measures on a control plane of its own.
pub fn measure(bench: &Bench<'_>, options: &Options) -> Result<Waiting> {
    let mut plane = bench.control_plane("waiting", options.keys, REVOKES)?;
    let server = plane.server.process().context("the control plane is down")?.id();
    std::thread::sleep(REST.min(options.idle));
    let without = Memory::of(server)?.now;
    let mut pollers = Pollers::start(options.polls, plane.sync_port, &plane.token())?;
    pollers.wait_for_keys(plane.keys_in_all, LIMIT)?;
    let faults = pollers.faults();
    std::thread::sleep(REST.min(options.idle));
    let with = Memory::of(server)?.now;
    let clock = CpuClock::of(server)?;
    let own = CpuClock::of(std::process::id())?;

    let (before, started) = (clock.now()?, Instant::now());
    std::thread::sleep(options.idle);
    let idle = (clock.now()?.saturating_sub(before), started.elapsed());

    let (mut reached, mut answered) = (Vec::new(), Vec::new());
    let (mut server_time, mut own_time) = (Duration::ZERO, Duration::ZERO);
    let keys = std::mem::take(&mut plane.to_revoke);
    for (number, key) in keys.iter().enumerate() {
        let (before, own_before) = (clock.now()?, own.now()?);
        let revoked = revoke_one(&plane, key, &mut pollers, &mut [])?;
        // The polls that follow on it are part of what it costs.
        pause(number);
        server_time += clock.now()?.saturating_sub(before);
        own_time += own.now()?.saturating_sub(own_before);
        reached.push(revoked.simulated.saturating_sub(revoked.answered));
        answered.push(revoked.answered);
    }
    let faults = (faults, pollers.faults() - faults);
    pollers.stop()?;
    plane.server.stop()?;
    let count = u32::try_from(keys.len().max(1))?;
    Ok(Waiting {
        polls: options.polls,
        memory: (without, with),
        idle,
        revoke: (server_time / count, own_time / count),
        reached: Latencies::of(reached),
        answered: Latencies::of(answered),
        faults,
    })
}

impl Waiting {
    /// KiB that one waiting poll takes.
    #[allow(clippy::cast_precision_loss)]
    fn memory_each(&self) -> f64 {
        self.memory.1.saturating_sub(self.memory.0) as f64 / self.polls.max(1) as f64
    }

    /// Share of a core while nothing changes.
    fn idle_share(&self) -> f64 {
        self.idle.0.as_secs_f64() / self.idle.1.as_secs_f64()
    }

    /// What one revocation costs the control plane for each poll, in µs.
    #[allow(clippy::cast_precision_loss)]
    fn each(&self) -> f64 {
        self.revoke.0.as_secs_f64() * 1e6 / self.polls.max(1) as f64
    }

    /// The table's lines.
    pub fn lines(&self) -> Vec<Line> {
        let (without, with) = (self.memory.0 / 1_024, self.memory.1 / 1_024);
        let line = |what: &str, figures| Line::plain(what, figures);
        vec![
            line(
                "memory for each waiting poll",
                format!("{:.1} KiB ({without} MiB without polls, {with} MiB with {})", self.memory_each(), self.polls),
            ),
            line(
                "processor while nothing changes",
                format!("{:.2} % of a core; polls come back after {WAIT_SECONDS} s", self.idle_share() * 100.0),
            ),
            line(
                "processor for one revocation",
                format!("{}, {:.0} µs for each poll", milliseconds(self.revoke.0), self.each()),
            ),
            line("  of what simulates the workers", milliseconds(self.revoke.1)),
            line("answered to the last worker", extent(&self.reached)),
            line("sent to answered", extent(&self.answered)),
            line(
                "polls answered with an error",
                format!("{} while all came at once, {} later", self.faults.0, self.faults.1),
            ),
        ]
    }

    /// The figures.
    pub fn json(&self) -> Value {
        json!({
            "polls": self.polls,
            "errors": { "while_all_came_at_once": self.faults.0, "later": self.faults.1 },
            "memory_kib": { "without": self.memory.0, "with": self.memory.1, "each": self.memory_each() },
            "idle": {
                "seconds": self.idle.1.as_secs_f64(),
                "processor_seconds": self.idle.0.as_secs_f64(),
                "wait_seconds": WAIT_SECONDS,
            },
            "one_revocation": {
                "server_processor_ms": self.revoke.0.as_secs_f64() * 1e3,
                "server_processor_us_each": self.each(),
                "load_processor_ms": self.revoke.1.as_secs_f64() * 1e3,
                "answered_to_last": figures_of(&self.reached),
                "sent_to_answered": figures_of(&self.answered),
            },
        })
    }
}

/// Median, tail and longest.
pub(super) fn extent(latencies: &Latencies) -> String {
    format!("{}  max {}", quantiles(latencies), milliseconds(latencies.quantile(1.0)))
}
