//! What can go wrong with the database: while it is opened, for the operator to read, and while it is used.

use std::path::PathBuf;
use std::sync::Arc;

/// The database could not be opened or made. Every text is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("there is no database in {}; make one with `keyplane init --data-dir {}`", .0.display(), .0.display())]
    Missing(PathBuf),
    /// There is one already.
    #[error("{} exists already; nothing was changed", .0.display())]
    Exists(PathBuf),
    /// Another process uses the folder.
    #[error("another keyplane process uses {}; stop it first, or choose another data folder", .0.display())]
    Locked(PathBuf),
    /// A later keyplane wrote it.
    #[error(
        "{} has schema version {found}, and this keyplane knows versions up to {known}; run a newer keyplane",
        .path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The latest version of this program.
        known: i64,
    },
    /// Some other file of `SQLite`, or none at all.
    #[error("{} is not a keyplane database", .0.display())]
    Foreign(PathBuf),
    /// The file does not hold together.
    #[error("{} is damaged: {found}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check found.
        found: String,
    },
    /// The file is a database that a process was still writing to.
    #[error("{} was copied by hand: beside it is a log of changes that it lacks. Make backups with `keyplane backup`", .0.display())]
    NotWhole(PathBuf),
    /// A file could not be read or written.
    #[error("cannot use {}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A migration failed.
    #[error("cannot bring {} to the current schema: {source}", .path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: sqlx::migrate::MigrateError,
    },
    /// The database refused.
    #[error("cannot open {}: {source}", .path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: StoreError,
    },
}

/// A statement failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A value in the database is outside what this program writes.
    #[error("the database holds a wrong value in column {column}")]
    Corrupt {
        /// The column.
        column: &'static str,
    },
    /// The commit failed for all that were to share it; none of them is on the disk.
    #[error(transparent)]
    Commit(Arc<StoreError>),
    /// Too many wait to write, or one takes too long.
    #[error("the turn to write did not come in time")]
    Busy,
    /// The database is closed.
    #[error("the database is closed")]
    Closed,
    /// The task that ends transactions was stopped.
    #[error("the commit was interrupted by the end of the process")]
    Interrupted,
}

impl StoreError {
    /// Whether trying again soon may help: too many wait for the database, or it is closing.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
            | Self::Busy
            | Self::Closed
            | Self::Interrupted => true,
            Self::Commit(cause) => cause.is_transient(),
            // 5 is SQLITE_BUSY, also as the low byte of its extended codes.
            Self::Sql(sqlx::Error::Database(error)) => {
                error.code().and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 5)
            }
            _ => false,
        }
    }
}
