//! A write transaction: rows, audit entry and revisions change together or not at all.
//!
//! Each changed synced row takes its own next revision. The writer's lock is held from the first statement
//! (`BEGIN IMMEDIATE`), so revisions become visible in their order and the feed has no gap that fills later.

use super::row::{number, sql_number};
use super::{Store, StoreError};
use sqlx::{Sqlite, SqliteConnection, Transaction};
use tokio::sync::watch;

/// A write transaction. Dropped without [`WriteTx::commit`], it leaves no trace.
#[must_use = "a transaction that is not committed changes nothing"]
pub struct WriteTx {
    tx: Transaction<'static, Sqlite>,
    revision: u64,
    live_keys: i64,
    changed: bool,
    head: watch::Sender<u64>,
}

impl Store {
    /// Begins a write transaction, after those that began earlier.
    pub async fn write(&self) -> Result<WriteTx, StoreError> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let row = sqlx::query("SELECT revision, live_keys FROM meta").fetch_one(&mut *tx).await?;
        let (revision, live_keys) = (number(&row, "revision")?, number(&row, "live_keys")?);
        Ok(WriteTx { tx, revision, live_keys, changed: false, head: self.head.clone() })
    }
}

impl WriteTx {
    /// The revision for the next changed row.
    pub(super) fn next_revision(&mut self) -> i64 {
        self.changed = true;
        self.revision += 1;
        sql_number(self.revision)
    }

    /// Keeps count of the key rows in the feed.
    pub(super) fn count_keys(&mut self, difference: i64) {
        self.live_keys += difference;
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.tx
    }

    /// Makes the changes last and wakes the waiting polls.
    ///
    /// Runs to its end even if the caller goes away meanwhile: a change that is on the disk must be announced.
    pub async fn commit(self) -> Result<(), StoreError> {
        tokio::spawn(self.finish()).await.map_err(|_| StoreError::Interrupted)?
    }

    async fn finish(mut self) -> Result<(), StoreError> {
        if self.changed {
            sqlx::query("UPDATE meta SET revision = ?, live_keys = ?")
                .bind(sql_number(self.revision))
                .bind(self.live_keys)
                .execute(&mut *self.tx)
                .await?;
        }
        self.tx.commit().await?;
        if self.changed {
            // Commits may end in another order than they announce: the head never goes back.
            self.head.send_if_modified(|head| {
                let newer = self.revision > *head;
                *head = self.revision.max(*head);
                newer
            });
        }
        Ok(())
    }
}
