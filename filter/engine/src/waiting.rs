//! Requests that wait: for the first table, or for one more word of the control plane's about a key that the table does not know.
//!
//! Both are bounded in time and in number. Those that wait for their key are bounded by source too, so that one caller with invented keys cannot take all the
//! places. When the places are taken, the one that has waited longest gives way: a key that was really made needs a few milliseconds until the table knows it, and
//! even under a flood there is always a place for so long. Nothing here decides: a request that is ready is handled again, by whatever table is there then.

use crate::config::{ConfigError, Hold, in_range};
use crate::guessing::network;
use crate::sync::{Sync, Ticket};
use keyplane_contract::digest::Digest;
use serde::Deserialize;
use std::collections::VecDeque;
use std::net::Ipv6Addr;

/// One source may take this part of the places, and at least one.
const SHARE: usize = 8;
/// The longest that anything waits. A request that has longer to go has it from a clock that was set back.
const LONGEST_MILLISECONDS: u64 = 60_000;

/// How a key that the table does not know waits for the control plane's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UnknownKeys {
    /// How long, in milliseconds, at most 10000. 0: not at all.
    pub wait_milliseconds: u32,
    /// How many may wait at once in a worker, at most 1024. 0: none.
    pub requests: u32,
}

impl Default for UnknownKeys {
    fn default() -> Self {
        Self { wait_milliseconds: 1_000, requests: 64 }
    }
}

impl UnknownKeys {
    /// Whether any key waits.
    #[must_use]
    pub const fn is_on(self) -> bool {
        self.wait_milliseconds > 0 && self.requests > 0
    }

    /// Refuses what is out of range.
    pub fn check(self) -> Result<(), ConfigError> {
        in_range("unknown_keys.wait_milliseconds", self.wait_milliseconds, 0, 10_000)?;
        in_range("unknown_keys.requests", self.requests, 0, 1_024)
    }
}

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    /// The first complete table.
    Table,
    /// That the table knows the key, or that the control plane was asked once more.
    Key { digest: Digest, source: u64 },
}

/// A request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The host's number for it.
    pub context: u32,
    ticket: Ticket,
    until: u64,
    awaited: Awaited,
}

impl Held {
    /// Whether it was kept waiting for the table only, so that its key was not asked for yet.
    #[must_use]
    pub fn may_wait_for_key(&self, sync: &Sync) -> bool {
        self.awaited == Awaited::Table && !sync.is_settled(self.ticket)
    }

    /// Whether it waited for its key.
    #[must_use]
    pub const fn waited_for_key(&self) -> bool {
        matches!(self.awaited, Awaited::Key { .. })
    }

    fn is_ready(&self, now: u64, sync: &Sync) -> bool {
        if self.until <= now || self.until - now > LONGEST_MILLISECONDS {
            return true;
        }
        match (self.awaited, sync.table()) {
            (_, None) => false,
            (Awaited::Table, Some(_)) => true,
            (Awaited::Key { digest, .. }, Some(table)) => {
                sync.is_settled(self.ticket) || table.keys.get(&digest).is_some()
            }
        }
    }
}

/// All requests of one configuration that wait.
#[derive(Debug, Default)]
pub struct Waiting {
    for_table: VecDeque<Held>,
    for_key: VecDeque<Held>,
}

impl Waiting {
    /// Has a request wait for the first table. `false`: there is no room.
    pub fn for_table(&mut self, context: u32, hold: &Hold, sync: &Sync, now: u64) -> bool {
        if hold.milliseconds == 0 || self.for_table.len() >= places(hold.requests) {
            return false;
        }
        let until = now + u64::from(hold.milliseconds);
        self.for_table.push_back(Held { context, ticket: sync.ticket(), until, awaited: Awaited::Table });
        true
    }

    /// Has a request wait for its key, of this digest, and for nothing longer than the bounds. The one that it takes the place of is ready then, and
    /// should be decided at once. `false`: it does not wait, because nobody shall, or because there is nothing to wait for.
    ///
    /// The caller then tells [`Sync::want`].
    pub fn for_key(
        &mut self,
        context: u32,
        bounds: UnknownKeys,
        (digest, source): (Digest, Option<Ipv6Addr>),
        sync: &Sync,
        now: u64,
    ) -> bool {
        let (room, source) = (places(bounds.requests), network(source));
        if !bounds.is_on() {
            return false;
        }
        let Some(ticket) = sync.expect(now) else { return false };
        let is_of_source = |held: &&mut Held| matches!(held.awaited, Awaited::Key { source: of, .. } if of == source);
        let of_source = self.for_key.iter_mut().filter(is_of_source).count();
        let gives_way = if of_source >= (room / SHARE).max(1) {
            self.for_key.iter_mut().find(is_of_source)
        } else if self.for_key.len() >= room {
            self.for_key.front_mut()
        } else {
            None
        };
        if let Some(held) = gives_way {
            held.until = 0;
        }
        let until = now + u64::from(bounds.wait_milliseconds);
        self.for_key.push_back(Held { context, ticket, until, awaited: Awaited::Key { digest, source } });
        true
    }

    /// Takes out a request that need not wait any longer, the oldest first.
    pub fn next(&mut self, now: u64, sync: &Sync) -> Option<Held> {
        [&mut self.for_table, &mut self.for_key].into_iter().find_map(|held| {
            let at = held.iter().position(|held| held.is_ready(now, sync))?;
            held.remove(at)
        })
    }

    /// A request is gone, whatever became of it. Whether it waited.
    pub fn forget(&mut self, context: u32) -> bool {
        let before = self.len();
        self.for_table.retain(|held| held.context != context);
        self.for_key.retain(|held| held.context != context);
        self.len() < before
    }

    /// Takes over what waited under another configuration.
    pub fn take_over(&mut self, other: Self) {
        self.for_table.extend(other.for_table);
        self.for_key.extend(other.for_key);
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.for_table.len() + self.for_key.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.for_table.is_empty() && self.for_key.is_empty()
    }
}

fn places(requests: u32) -> usize {
    usize::try_from(requests).unwrap_or(usize::MAX)
}
