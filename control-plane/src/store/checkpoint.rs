//! Folds the log back into the database file, beside the writer.
//!
//! By itself `SQLite` does it within the commit that makes the log 1,000 pages long: that one has all those pages to write,
//! scattered over a large file, and everybody behind it in the line waits. Here a connection of its own does it a moment after a
//! commit, while others go on. The writer does it within a commit only when the log has become [`BACKSTOP`] pages long all the
//! same: under a load without a pause the log is never folded to its end, and only at its end it begins anew.

use super::StoreError;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// In pages of 4 KiB: 40 MiB.
pub(super) const BACKSTOP: &str = "10000";
/// How long after a commit. Pages that change often are then written once for many commits.
const PAUSE: Duration = Duration::from_secs(1);

/// The task that does it.
pub(super) struct Checkpointer {
    commits: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Checkpointer {
    /// Starts it with a connection of its own.
    pub(super) async fn start(options: &SqliteConnectOptions) -> Result<Self, StoreError> {
        let connection = options.connect().await?;
        let (commits, committed) = watch::channel(());
        Ok(Self { commits, task: tokio::spawn(run(connection, committed)) })
    }

    /// There was a commit.
    pub(super) fn committed(&self) {
        self.commits.send_replace(());
    }

    /// Ends it and closes its connection.
    pub(super) async fn close(self) {
        drop(self.commits);
        // It fails only if it panicked; then its connection is gone too.
        let _ = self.task.await;
    }
}

async fn run(mut connection: SqliteConnection, mut commits: watch::Receiver<()>) {
    while commits.changed().await.is_ok() {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = closed(&mut commits) => break,
        }
        if let Err(error) = checkpoint(&mut connection).await {
            tracing::warn!(%error, "the log could not be folded into the database file; it is tried again");
        }
    }
    // What failed to close is folded by the next opening.
    let _ = connection.close().await;
}

async fn closed(commits: &mut watch::Receiver<()>) {
    while commits.changed().await.is_ok() {}
}

/// Folds what there is. What came meanwhile is little, and a second look has the better chance to reach the end.
async fn checkpoint(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for _ in 0..2 {
        let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&mut *connection).await?;
        let (frames, folded): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
        if folded >= frames {
            break;
        }
    }
    Ok(())
}
