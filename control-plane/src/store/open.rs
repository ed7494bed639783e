//! Opening and making the database file.
//!
//! A new database is made beside its final name and renamed when it is complete, so that a file called
//! `keyplane.db` always has a schema, an epoch and its first credentials. The folder and its files are for their owner only.

use super::group::{BOUNDS, Line};
use super::row::{id, number};
use super::{OpenError, Store, StoreError};
use crate::domain::time::Time;
use keyplane_contract::id::Id;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::watch;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!();

/// Name of the database file in the data folder.
pub const DATABASE_FILE: &str = "keyplane.db";
const LOCK_FILE: &str = "keyplane.lock";

/// Marks the file as Keyplane's (`PRAGMA application_id`): "KPDB".
const APPLICATION_ID: i64 = 0x4b50_4442;

/// Marks a history that began with a restored backup (`PRAGMA user_version`).
const RESTORED: i64 = 1;

/// Readers at once. A read is short; more would only wait for the two or four cores of a small machine.
const READERS: u32 = 8;
/// How often, and with what pause, the lock of the data folder is tried.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);
/// How long a statement or a transaction waits for its turn.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The data folder, locked against a second process.
pub struct DataDir {
    pub(super) path: PathBuf,
    pub(super) lock: File,
}

impl DataDir {
    /// Makes the folder if need be and takes its lock.
    pub fn create_and_lock(path: &Path) -> Result<Self, OpenError> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        Self::lock(path)
    }

    /// Takes the lock of a folder that has a database.
    pub fn lock_existing(path: &Path) -> Result<Self, OpenError> {
        if !has_database(path)? {
            return Err(OpenError::Missing(path.to_owned()));
        }
        Self::lock(path)
    }

    fn lock(path: &Path) -> Result<Self, OpenError> {
        let file = path.join(LOCK_FILE);
        let io = |source| OpenError::Io { path: file.clone(), source };
        let lock = private_file(&file).map_err(io)?;
        // A moment's patience: a child that another thread is just starting holds our files until its program runs, and a
        // predecessor may be on its way out.
        for _ in 0..LOCK_ATTEMPTS {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { path: path.to_owned(), lock }),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        Err(OpenError::Locked(path.to_owned()))
    }

    /// Whether the folder has a database.
    pub fn has_database(&self) -> Result<bool, OpenError> {
        has_database(&self.path)
    }

    /// Path of the database file.
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE_FILE)
    }

    /// Makes a database with a schema and `epoch`, lets `seed` put its first rows in, and gives it its final name.
    pub async fn create<F>(&self, epoch: Id, now: Time, seed: F) -> Result<(), OpenError>
    where
        F: AsyncFnOnce(&Store) -> Result<(), StoreError>,
    {
        let path = self.database();
        if self.has_database()? {
            return Err(OpenError::Exists(path));
        }
        let draft = self.path.join("keyplane.db.new");
        // Left by an attempt that was cut off.
        for leftover in [&draft, &beside(&draft, "-wal"), &beside(&draft, "-shm"), &beside(&path, "-wal")] {
            remove(leftover)?;
        }
        private_file(&draft).map_err(|source| OpenError::Io { path: draft.clone(), source })?;
        let database = |source: StoreError| OpenError::Database { path: path.clone(), source };
        let mut connection = options(&draft).connect().await.map_err(|error| database(error.into()))?;
        migrate(&mut connection, &path).await?;
        initialize(&mut connection, epoch, now).await.map_err(database)?;
        connection.close().await.map_err(|error| database(error.into()))?;

        let lock = self.lock.try_clone().map_err(|source| OpenError::Io { path: path.clone(), source })?;
        let store = connect(&draft, lock).await.map_err(database)?;
        let seeded = seed(&store).await;
        store.close().await;
        seeded.map_err(database)?;

        // The last connection folded the log back into the file; both must be on the disk before the name is.
        let moved = File::open(&draft)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&draft, &path))
            .and_then(|()| File::open(&self.path)?.sync_all());
        moved.map_err(|source| OpenError::Io { path, source })
    }

    /// Opens the database, bringing its schema up to date first.
    pub async fn open(self) -> Result<Store, OpenError> {
        let path = self.database();
        if !self.has_database()? {
            return Err(OpenError::Missing(self.path));
        }
        let database = |source: StoreError| OpenError::Database { path: path.clone(), source };
        check(&path).await?;
        let mut connection = options(&path).connect().await.map_err(|error| database(error.into()))?;
        migrate(&mut connection, &path).await?;
        connection.close().await.map_err(|error| database(error.into()))?;
        connect(&path, self.lock).await.map_err(database)
    }
}

fn has_database(folder: &Path) -> Result<bool, OpenError> {
    let path = folder.join(DATABASE_FILE);
    path.try_exists().map_err(|source| OpenError::Io { path, source })
}

pub(super) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn remove(path: &Path) -> Result<(), OpenError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(OpenError::Io { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        // Statements are logged nowhere: what is bound to them is not for logs.
        .disable_statement_logging()
}

/// Looks at the file before anything is written to it.
pub(super) async fn check(path: &Path) -> Result<(), OpenError> {
    let database = |error: sqlx::Error| match &error {
        // 26 is SQLITE_NOTADB.
        sqlx::Error::Database(cause) if cause.code().as_deref() == Some("26") => OpenError::Foreign(path.to_owned()),
        _ => OpenError::Database { path: path.to_owned(), source: error.into() },
    };
    let plain = SqliteConnectOptions::new().filename(path).create_if_missing(false).disable_statement_logging();
    let mut connection = plain.connect().await.map_err(database)?;
    let mark: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut connection).await.map_err(database)?;
    if mark != APPLICATION_ID {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    let found: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
        .fetch_one(&mut connection)
        .await
        .map_err(database)?;
    connection.close().await.map_err(database)?;
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    if found > known {
        return Err(OpenError::NewerSchema { path: path.to_owned(), found, known });
    }
    Ok(())
}

pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let migrated = |source| OpenError::Migrate { path: path.to_owned(), source };
    // A table that others refer to can be made anew only while references are not enforced (sqlite.org/lang_altertable.html, section 7),
    // and inside of a transaction that cannot be changed.
    enforce_references(connection, false).await.map_err(|error| migrated(error.into()))?;
    MIGRATIONS.run_direct(None, connection, false).await.map_err(migrated)?;
    enforce_references(connection, true).await.map_err(|error| migrated(error.into()))
}

async fn enforce_references(connection: &mut SqliteConnection, enforce: bool) -> Result<(), sqlx::Error> {
    let sql = if enforce { "PRAGMA foreign_keys = ON" } else { "PRAGMA foreign_keys = OFF" };
    sqlx::query(sql).execute(connection).await.map(|_| ())
}

async fn initialize(connection: &mut SqliteConnection, epoch: Id, now: Time) -> Result<(), StoreError> {
    // A pragma takes no parameter.
    sqlx::query("PRAGMA application_id = 0x4b504442").execute(&mut *connection).await?;
    let mark: i64 = sqlx::query("PRAGMA application_id").fetch_one(&mut *connection).await?.try_get(0)?;
    if mark != APPLICATION_ID {
        return Err(StoreError::Corrupt { column: "application_id" });
    }
    sqlx::query("INSERT INTO meta (only, epoch, revision, live_keys, created_at) VALUES (1, ?, 0, 0, ?)")
        .bind(&epoch.0[..])
        .bind(now.millis())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn connect(path: &Path, lock: File) -> Result<Store, StoreError> {
    // First the writer, whose one connection lives as long as the store: giving it up would close the log.
    let head = watch::Sender::new(0);
    let line = Line::open(options(path), head.clone(), BOUNDS).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(PATIENCE)
        .connect_with(options(path).read_only(true))
        .await?;
    let row = sqlx::query("SELECT epoch, revision FROM meta").fetch_one(&readers).await?;
    head.send_replace(number(&row, "revision")?);
    let mark: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&readers).await?;
    Ok(Store { epoch: id(&row, "epoch")?, restored: mark == RESTORED, line, readers, head, _lock: lock })
}
