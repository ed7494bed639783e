//! A write transaction: rows, audit entry and revisions change together or not at all.
//!
//! Each changed synced row takes its own next revision. Transactions run one after the other, in the order in which they
//! were begun, so revisions become visible in their order and the feed has no gap that fills later. Those that come at the same
//! time share a commit; [`super::group`] tells how.

use super::group::{Turn, Writes};
use super::row::sql_number;
use super::{Store, StoreError};
use sqlx::SqliteConnection;

/// A write transaction. Dropped without [`WriteTx::commit`], it leaves no trace.
///
/// Between its begin and its end await nothing but its statements: all other writers wait meanwhile.
#[must_use = "a transaction that is not committed changes nothing"]
pub struct WriteTx {
    turn: Turn,
}

impl Store {
    /// Begins a write transaction, after those that began earlier.
    pub async fn write(&self) -> Result<WriteTx, StoreError> {
        Ok(WriteTx { turn: self.line.turn().await? })
    }

    /// How many transactions were committed, and in how many commits.
    pub fn writes(&self) -> Writes {
        self.line.writes()
    }
}

impl WriteTx {
    /// The last revision that was given, here or before.
    pub fn last_revision(&self) -> u64 {
        self.turn.numbers.revision
    }

    /// The revision for the next changed row.
    pub(super) fn next_revision(&mut self) -> i64 {
        self.turn.numbers.revision += 1;
        sql_number(self.turn.numbers.revision)
    }

    /// Keeps count of the key rows in the feed.
    pub(super) fn count_keys(&mut self, difference: i64) {
        self.turn.numbers.live_keys += difference;
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        self.turn.connection()
    }

    /// Makes the changes last and wakes the waiting polls; answers when they are on the disk.
    ///
    /// Runs to its end even if the caller goes away meanwhile: a change that is on the disk must be announced. A caller
    /// that is told of something as done needs it even when nothing was changed: what was seen here may be of a
    /// transaction that is not on the disk yet.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.turn.keep().await.map_err(|_| StoreError::Interrupted)?
    }
}
