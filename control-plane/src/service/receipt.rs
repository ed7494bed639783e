//! The receipt of a change: how many proxies have it, and which lag.
//!
//! It is asked for after the commit, so nobody who writes waits for it, and it holds no connection of the database. Whoever waits
//! is woken when the least revision of all workers rises, when a worker that it waits for is gone, and when the process stops.

use super::App;
use super::workers::{Standing, Worker};
use crate::domain::audit::Origin;
use crate::domain::key::Key;
use crate::domain::rights::{Resource, Right};
use std::time::Duration;
use tokio::time::Instant;

/// A key as a change left it, and the change's revision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangedKey {
    /// The key.
    pub key: Key,
    /// The revision of the last change that proxies are told of: a proxy that has it knows the key as it is.
    pub revision: u64,
}

/// Who has a revision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// The revision.
    pub revision: u64,
    /// Live proxies.
    pub proxies: usize,
    /// How many of them have it at all their workers.
    pub applied: usize,
    /// The workers that may lack it, by proxy; `None` for who may not see proxies.
    pub lagging: Option<Vec<Vec<Worker>>>,
    /// How long it was waited for.
    pub elapsed: Duration,
}

/// Waits until every live proxy has `revision`, for at most so long, and tells how it stands then.
pub async fn receipt(app: &App, by: &Origin, revision: u64, wait: Duration) -> Receipt {
    let began = Instant::now();
    let deadline = began + wait;
    let mut floor = app.workers.floor();
    let mut stopping = app.stopping.clone();
    let standing = loop {
        let standing = app.workers.standing(revision, app.now());
        if standing.lagging.is_empty() || Instant::now() >= deadline || *stopping.borrow() {
            break standing;
        }
        let until = deadline.min(Instant::now() + standing.stands_for);
        tokio::select! {
            // The sender lives in the app, which outlives the wait.
            _ = floor.wait_for(|floor| *floor >= revision) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = tokio::time::sleep_until(until) => {}
        }
    };
    let named = by.may(Right::read(Resource::Proxies)).is_ok();
    Receipt {
        revision,
        proxies: standing.proxies,
        applied: standing.applied(),
        lagging: named.then(|| by_proxy(&standing)),
        elapsed: began.elapsed(),
    }
}

fn by_proxy(standing: &Standing) -> Vec<Vec<Worker>> {
    standing.by_proxy().map(<[Worker]>::to_vec).collect()
}
