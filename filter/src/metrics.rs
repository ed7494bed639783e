//! What operators see in Envoy's stats, under `wasmcustom.`. No name grows with keys.

use crate::abi::{self, MetricType};
use keyplane_contract::code::Reason;
use keyplane_filter_engine::sync::SyncFault;
use std::cell::Cell;

/// The filter's metrics, one set for each VM. One that the host does not take is left out; the filter works on.
pub struct Metrics {
    decisions: [Option<u32>; Reason::ALL.len()],
    sync_faults: [Option<u32>; SyncFault::ALL.len()],
    gauges: [Option<u32>; Gauge::ALL.len()],
    usage_lost: Option<u32>,
    sources_lost: Option<u32>,
    probes: Option<u32>,
    stale: Option<u32>,
    held: Cell<usize>,
}

/// What goes up and down. Each worker sets the same gauge, so the value is the last worker's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gauge {
    /// 1 while there is a complete table.
    Synced,
    /// Keys in the table.
    TableKeys,
    /// Bytes that the key table takes in one worker.
    TableBytes,
    /// The table's revision.
    Revision,
    /// Milliseconds since the table was last known to be at the control plane's revision.
    TableAge,
    /// Requests that wait for the first table or for their key.
    Held,
}

impl Gauge {
    const ALL: [Self; 6] =
        [Self::Synced, Self::TableKeys, Self::TableBytes, Self::Revision, Self::TableAge, Self::Held];

    const fn name(self) -> &'static str {
        match self {
            Self::Synced => "keyplane_synced",
            Self::TableKeys => "keyplane_table_keys",
            Self::TableBytes => "keyplane_table_bytes",
            Self::Revision => "keyplane_revision",
            Self::TableAge => "keyplane_table_age_milliseconds",
            Self::Held => "keyplane_held_requests",
        }
    }
}

impl Metrics {
    /// Makes all metrics known to the host, so that they are there, at 0, before anything happens.
    pub fn define() -> Self {
        let counter = |name: &str| abi::define_metric(MetricType::Counter, name).ok();
        Self {
            decisions: Reason::ALL.map(|reason| counter(&format!("keyplane_decisions_{}", reason.name()))),
            sync_faults: SyncFault::ALL.map(|fault| counter(&format!("keyplane_sync_faults_{}", fault.name()))),
            gauges: Gauge::ALL.map(|gauge| abi::define_metric(MetricType::Gauge, gauge.name()).ok()),
            usage_lost: counter("keyplane_usage_lost"),
            sources_lost: counter("keyplane_sources_lost"),
            probes: counter("keyplane_probes"),
            stale: counter("keyplane_stale_milliseconds"),
            held: Cell::new(0),
        }
    }

    /// Counts a decision.
    pub fn decided(&self, reason: Reason) {
        count(self.decisions.get(usize::from(reason as u8)), 1);
    }

    /// Counts a fault of sync.
    pub fn sync_fault(&self, fault: SyncFault) {
        let at = SyncFault::ALL.iter().position(|known| *known == fault);
        count(at.and_then(|at| self.sync_faults.get(at)), 1);
    }

    /// Counts uses that could not be kept.
    pub fn usage_lost(&self, lost: u64) {
        count(Some(&self.usage_lost), i64::try_from(lost).unwrap_or(i64::MAX));
    }

    /// Counts uses whose source could not be kept.
    pub fn sources_lost(&self, lost: u64) {
        count(Some(&self.sources_lost), i64::try_from(lost).unwrap_or(i64::MAX));
    }

    /// Counts a probe.
    pub fn probed(&self) {
        count(Some(&self.probes), 1);
    }

    /// Counts time that passed with a table older than the operator's bound.
    pub fn stale(&self, milliseconds: u64) {
        count(Some(&self.stale), i64::try_from(milliseconds).unwrap_or(i64::MAX));
    }

    /// One plugin configuration holds `after` requests where it held `before`; shown is what all of the VM hold.
    pub fn held(&self, before: usize, after: usize) {
        if before != after {
            let held = (self.held.get() + after).saturating_sub(before);
            self.held.set(held);
            self.set(Gauge::Held, held as u64);
        }
    }

    /// Sets a gauge.
    pub fn set(&self, gauge: Gauge, value: u64) {
        let at = Gauge::ALL.iter().position(|known| *known == gauge);
        if let Some(metric) = at.and_then(|at| self.gauges.get(at)).copied().flatten() {
            let _ = abi::record_metric(metric, value);
        }
    }
}

fn count(metric: Option<&Option<u32>>, by: i64) {
    if let Some(metric) = metric.copied().flatten()
        && by != 0
    {
        let _ = abi::increment_metric(metric, by);
    }
}
