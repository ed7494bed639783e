//! Receipts: which proxies have a change, as the answer to a call that waits for them says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which proxies have a change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// The revision of the change.
    pub revision: u64,
    /// How many proxies are alive.
    pub proxies: u64,
    /// How many of them have the change at all their workers.
    pub applied: u64,
    /// Those that may lack it; `None` for callers that may not list proxies.
    pub lagging: Option<Vec<LaggingProxy>>,
    /// How long it was waited for, in milliseconds.
    pub elapsed_ms: u64,
}

impl Receipt {
    /// Whether every live proxy has the change: no request that is sent from now on is decided without it.
    ///
    /// Also true when no proxy is alive: look at [`proxies`](Self::proxies) where that would be wrong.
    pub const fn is_complete(&self) -> bool {
        self.applied >= self.proxies
    }
}

/// A proxy that may lack a change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LaggingProxy {
    /// Its own name; empty when it says none.
    pub name: String,
    /// Its workers that may lack it.
    pub workers: Vec<LaggingWorker>,
}

/// A worker of a proxy that may lack a change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LaggingWorker {
    /// Its id.
    pub id: String,
    /// What it has acknowledged; `None` when that is not known.
    pub revision: Option<u64>,
    /// When its last poll began.
    pub last_seen_at: Timestamp,
}

/// The parameter of calls that wait: to the millisecond, which is the finest that the server takes.
pub(crate) fn parameter(wait: Option<Duration>) -> Option<(&'static str, String)> {
    wait.map(|wait| ("wait", format!("{}ms", wait.as_millis())))
}
