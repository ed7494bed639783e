//! The only place that knows the database: `SQLite` in one file, one writer, many readers.
//!
//! Write-ahead log, `synchronous=FULL` (what was answered is on the disk), foreign keys on, STRICT tables. Every change goes
//! through a [`WriteTx`], which gives each changed row its own revision and, once committed, wakes the waiting polls; those
//! that come at the same time share a commit ([`group`]).
//! A file lock keeps a second process out: revisions, waiting polls and workers are known to one process only.

mod accounts;
mod attention;
mod audit;
mod backup;
mod checkpoint;
mod credentials;
mod error;
mod examine;
mod feed;
mod group;
mod idempotency;
mod key_chain;
mod key_search;
mod keys;
mod open;
mod policies;
mod projects;
mod proxy_metadata;
mod row;
mod sessions;
mod sources;
mod status;
mod usage;
mod usage_report;
mod users;
mod write;

pub use accounts::NewAccountRow;
pub use attention::KeyTally;
pub use backup::back_up;
pub use error::{OpenError, StoreError};
pub use examine::{Examination, examine};
pub use feed::{Changes, FeedRow};
pub use group::Writes;
pub use key_search::{KeyOrder, KeySearch, StatusFilter};
pub use keys::{HeldKey, KeyFilter, NewKeyRow, OwnerNo, StoredKey};
pub use open::{DATABASE_FILE, DataDir};
pub use proxy_metadata::ToldKey;
pub use status::Status;
pub use usage::UsageEffect;
pub use usage_report::UsageFilter;
pub use users::NewUserRow;
pub use write::WriteTx;

use keyplane_contract::id::Id;
use sqlx::SqlitePool;
use tokio::sync::watch;

/// The database, open.
pub struct Store {
    line: group::Line,
    readers: SqlitePool,
    head: watch::Sender<u64>,
    epoch: Id,
    restored: bool,
    /// Held until the store goes.
    _lock: std::fs::File,
}

impl Store {
    /// Identity of this revision history.
    pub const fn epoch(&self) -> Id {
        self.epoch
    }

    /// Whether this history began with a restored backup: the operator wanted it, so it may have far fewer keys than the
    /// one before.
    pub const fn is_restored(&self) -> bool {
        self.restored
    }

    /// The revision of the last commit, for those who wait for the next.
    pub fn head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// How many have [`Store::head`] now.
    pub fn waiting(&self) -> usize {
        self.head.receiver_count()
    }

    /// Waits for running statements and for those in line to write, and closes every connection.
    pub async fn close(&self) {
        self.readers.close().await;
        self.line.close().await;
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT revision FROM meta").fetch_one(&self.readers).await?;
        Ok(())
    }
}
