//! The workers that poll, as they were last seen. A poll after revision R acknowledges R: from it comes who has what.
//!
//! In memory only: after a restart each worker polls again within seconds. Bounded, because whoever has the proxy token
//! could name workers without end.

use crate::domain::time::Time;
use keyplane_contract::id::Id;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A worker not seen for so long is gone: the longest wait of a poll, and as much again for its answer and retries.
pub const LIFETIME: Duration = Duration::from_mins(2);

/// The most workers that are remembered.
const CAPACITY: usize = 16_384;

/// A poll, as it counts here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Poll {
    /// The worker.
    pub worker: Id,
    /// Its proxy's own name; empty when it says none.
    pub proxy: String,
    /// The filter's version; empty when it says none.
    pub filter: String,
    /// The revision that it acknowledges; `None` while it has no table of this history.
    pub acknowledged: Option<u64>,
}

/// A worker, as it was last seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Worker {
    /// Its last poll.
    pub poll: Poll,
    /// When its last poll began.
    pub seen_at: Time,
}

/// The workers that poll.
#[derive(Debug, Default)]
pub struct Workers {
    seen: Mutex<HashMap<Id, Worker>>,
    revocations: watch::Sender<()>,
}

impl Workers {
    /// Takes note of a poll.
    pub fn note(&self, poll: Poll, now: Time) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= CAPACITY && !seen.contains_key(&poll.worker) {
            seen.retain(|_, worker| is_live(worker, now));
            if seen.len() >= CAPACITY {
                let oldest = seen.values().min_by_key(|worker| worker.seen_at).map(|worker| worker.poll.worker);
                oldest.map(|worker| seen.remove(&worker));
            }
        }
        seen.insert(poll.worker, Worker { poll, seen_at: now });
    }

    /// Tells waiting polls that a proxy token was revoked: it may be theirs.
    pub fn tell_of_revocation(&self) {
        self.revocations.send_replace(());
    }

    /// Changes each time that a proxy token is revoked.
    pub fn revocations(&self) -> watch::Receiver<()> {
        self.revocations.subscribe()
    }

    /// The live workers, by proxy and id. Those that went away are forgotten.
    pub fn live(&self, now: Time) -> Vec<Worker> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, worker| is_live(worker, now));
        let mut workers: Vec<_> = seen.values().cloned().collect();
        workers.sort_unstable_by(|a, b| (&a.poll.proxy, a.poll.worker).cmp(&(&b.poll.proxy, b.poll.worker)));
        workers
    }
}

fn is_live(worker: &Worker, now: Time) -> bool {
    worker.seen_at > now.before(LIFETIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(worker: u128, acknowledged: u64) -> Poll {
        let worker = Id(worker.to_be_bytes());
        Poll { worker, proxy: "edge".to_owned(), filter: String::new(), acknowledged: Some(acknowledged) }
    }

    #[test]
    fn a_worker_counts_until_it_has_been_silent_for_its_lifetime() {
        let workers = Workers::default();
        let start = Time::from_millis(1_000_000);
        workers.note(poll(1, 5), start);
        workers.note(poll(2, 5), Time::from_millis(1_060_000));
        workers.note(poll(2, 6), Time::from_millis(1_061_000));
        let live = workers.live(Time::from_millis(1_119_999));
        assert_eq!(live.iter().map(|worker| worker.poll.acknowledged).collect::<Vec<_>>(), [Some(5), Some(6)]);
        assert_eq!(workers.live(Time::from_millis(1_120_000)).len(), 1);
    }

    #[test]
    fn invented_workers_take_a_bounded_amount_of_memory() {
        let workers = Workers::default();
        for worker in 0..u128::try_from(CAPACITY).unwrap() + 100 {
            workers.note(poll(worker, 0), Time::from_millis(i64::try_from(worker).unwrap()));
        }
        let live = workers.live(Time::from_millis(0));
        assert_eq!(live.len(), CAPACITY);
        assert!(live.iter().all(|worker| worker.seen_at >= Time::from_millis(100)));
    }
}
