//! Copies of the database: taken while it is in use, and put back as a new history.
//!
//! A backup is `VACUUM INTO`: one consistent state, read beside the running server, without its log and without free pages.
//! A restored database keeps its revision but gets another epoch. Without it, a proxy that had seen later revisions than the
//! backup would take the old state for the new one.

use super::open::{beside, check, connect, migrate, options, private_file, remove};
use super::row::number;
use super::{DATABASE_FILE, DataDir, OpenError, Store, StoreError};
use keyplane_contract::id::Id;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Writes a backup of the database in `folder` to the new file `to`, readable by its owner only. A server may run
/// meanwhile. Gives the revision of the copy.
pub async fn back_up(folder: &Path, to: &Path) -> Result<u64, OpenError> {
    let source = folder.join(DATABASE_FILE);
    if !source.try_exists().map_err(io(&source))? {
        return Err(OpenError::Missing(folder.to_owned()));
    }
    check(&source).await?;
    if to.symlink_metadata().is_ok() {
        return Err(OpenError::Exists(to.to_owned()));
    }
    let draft = beside(to, ".part");
    remove(&draft)?;
    let copied = copy_live(&source, &draft).await;
    let placed = match copied {
        // A link fails where a rename would put the copy over a file that came meanwhile.
        Ok(revision) => place_new(&draft, to).map(|()| revision),
        Err(error) => Err(error),
    };
    if placed.is_err() {
        remove(&draft)?;
    }
    placed
}

async fn copy_live(source: &Path, draft: &Path) -> Result<u64, OpenError> {
    // SQLite takes an empty file as a new one; made here, it is nobody else's to read.
    private_file(draft).map_err(io(draft))?;
    let name = draft.to_str().ok_or_else(|| OpenError::Io {
        path: draft.to_owned(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path is not UTF-8"),
    })?;
    let failed = database(source);
    let mut connection = options(source).read_only(true).connect().await.map_err(&failed)?;
    sqlx::query("VACUUM INTO ?").bind(name).execute(&mut connection).await.map_err(&failed)?;
    connection.close().await.map_err(&failed)?;

    let failed = database(draft);
    let mut connection = plain(draft).read_only(true).connect().await.map_err(&failed)?;
    must_be_whole(&mut connection, draft).await?;
    let row = sqlx::query("SELECT revision FROM meta").fetch_one(&mut connection).await.map_err(&failed)?;
    let revision = number(&row, "revision").map_err(|source| OpenError::Database { path: draft.to_owned(), source })?;
    connection.close().await.map_err(&failed)?;
    File::open(draft).and_then(|file| file.sync_all()).map_err(io(draft))?;
    Ok(revision)
}

fn place_new(draft: &Path, to: &Path) -> Result<(), OpenError> {
    std::fs::hard_link(draft, to).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => OpenError::Exists(to.to_owned()),
        _ => OpenError::Io { path: to.to_owned(), source },
    })?;
    remove(draft)?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(io(parent))
}

impl DataDir {
    /// Makes the backup `from` the database of this folder, under `epoch`; `seed` adds what the restoring itself leaves
    /// behind. Whatever is wrong with the backup is found before the folder's own database is touched; that one is
    /// kept beside it, and its new path is given.
    pub async fn restore<F>(&self, from: &Path, epoch: Id, seed: F) -> Result<Option<PathBuf>, OpenError>
    where
        F: AsyncFnOnce(&Store) -> Result<(), StoreError>,
    {
        if beside(from, "-wal").metadata().is_ok_and(|wal| wal.len() > 0) {
            return Err(OpenError::NotWhole(from.to_owned()));
        }
        let draft = self.path.join("keyplane.db.restoring");
        let prepared = self.prepare(from, &draft, epoch, seed).await;
        let placed = match prepared {
            Ok(()) => self.replace(&draft).await,
            Err(error) => Err(error),
        };
        for leftover in [&draft, &beside(&draft, "-wal"), &beside(&draft, "-shm")] {
            remove(leftover)?;
        }
        placed
    }

    /// Copies, checks and renews the backup at `draft`.
    async fn prepare<F>(&self, from: &Path, draft: &Path, epoch: Id, seed: F) -> Result<(), OpenError>
    where
        F: AsyncFnOnce(&Store) -> Result<(), StoreError>,
    {
        for leftover in [draft, &beside(draft, "-wal"), &beside(draft, "-shm")] {
            remove(leftover)?;
        }
        let mut source = File::open(from).map_err(io(from))?;
        let mut copy = private_file(draft).map_err(io(draft))?;
        std::io::copy(&mut source, &mut copy).map_err(io(draft))?;
        drop(copy);
        // The operator knows the backup's name, not the draft's.
        self.renew(draft, epoch, seed).await.map_err(|error| renamed(error, from))?;
        File::open(draft).and_then(|file| file.sync_all()).map_err(io(draft))
    }

    async fn renew<F>(&self, draft: &Path, epoch: Id, seed: F) -> Result<(), OpenError>
    where
        F: AsyncFnOnce(&Store) -> Result<(), StoreError>,
    {
        let failed = database(draft);
        check(draft).await?;
        let mut connection = options(draft).connect().await.map_err(&failed)?;
        must_be_whole(&mut connection, draft).await?;
        migrate(&mut connection, draft).await?;
        let changed = sqlx::query("UPDATE meta SET epoch = ? WHERE only = 1")
            .bind(&epoch.0[..])
            .execute(&mut connection)
            .await
            .map_err(&failed)?;
        // A pragma takes no parameter; this is `RESTORED` of `open`.
        sqlx::query("PRAGMA user_version = 1").execute(&mut connection).await.map_err(&failed)?;
        connection.close().await.map_err(&failed)?;
        if changed.rows_affected() != 1 {
            return Err(OpenError::Damaged { path: draft.to_owned(), found: "it has no epoch".to_owned() });
        }
        let lock = self.lock.try_clone().map_err(io(draft))?;
        let broken = |source| OpenError::Database { path: draft.to_owned(), source };
        let store = connect(draft, lock).await.map_err(broken)?;
        let seeded = seed(&store).await;
        store.close().await;
        seeded.map_err(broken)
    }

    /// Gives `draft` the database's name. A log that belongs to the old database must be gone before: it would be
    /// applied to the new one.
    async fn replace(&self, draft: &Path) -> Result<Option<PathBuf>, OpenError> {
        let path = self.database();
        let wal = beside(&path, "-wal");
        let mut kept = None;
        if self.has_database()? {
            // Folds the log into the old file. One that is too damaged for it is kept with its log.
            if let Ok(connection) = options(&path).connect().await {
                let _ = connection.close().await;
            }
            let aside = self.free_name()?;
            keep(&path, &aside)?;
            if wal.try_exists().map_err(io(&wal))? {
                keep(&wal, &beside(&aside, "-wal"))?;
            }
            kept = Some(aside);
        }
        for old in [&wal, &beside(&path, "-shm")] {
            remove(old)?;
        }
        let moved = std::fs::rename(draft, &path).and_then(|()| File::open(&self.path)?.sync_all());
        moved.map_err(io(&path)).map(|()| kept)
    }

    /// A name that no earlier restoring has taken.
    fn free_name(&self) -> Result<PathBuf, OpenError> {
        let mut number = 1_u32;
        loop {
            let name = self.path.join(format!("{DATABASE_FILE}.replaced-{number}"));
            if !name.try_exists().map_err(io(&name))? {
                return Ok(name);
            }
            number += 1;
        }
    }
}

fn keep(path: &Path, aside: &Path) -> Result<(), OpenError> {
    // Not every file system has links.
    std::fs::hard_link(path, aside).or_else(|_| std::fs::copy(path, aside).map(drop)).map_err(io(aside))
}

/// `SQLite`'s own check of every page, index and constraint, and of the references between rows.
async fn must_be_whole(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let damaged = |found: String| OpenError::Damaged { path: path.to_owned(), found };
    let found: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| damaged(error.to_string()))?;
    if found != "ok" {
        return Err(damaged(found));
    }
    let dangling = sqlx::query("PRAGMA foreign_key_check")
        .fetch_optional(connection)
        .await
        .map_err(|error| damaged(error.to_string()))?;
    dangling.map_or(Ok(()), |_| Err(damaged("a row refers to another that is not there".to_owned())))
}

fn plain(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).create_if_missing(false).disable_statement_logging()
}

/// The same failure, told of `path`.
fn renamed(error: OpenError, path: &Path) -> OpenError {
    let path = path.to_owned();
    match error {
        OpenError::Foreign(_) => OpenError::Foreign(path),
        OpenError::NewerSchema { found, known, .. } => OpenError::NewerSchema { path, found, known },
        OpenError::Damaged { found, .. } => OpenError::Damaged { path, found },
        OpenError::Migrate { source, .. } => OpenError::Migrate { path, source },
        // 11 is SQLITE_CORRUPT.
        OpenError::Database { source: StoreError::Sql(sqlx::Error::Database(cause)), .. }
            if cause.code().as_deref() == Some("11") =>
        {
            OpenError::Damaged { path, found: cause.message().to_owned() }
        }
        OpenError::Database { source, .. } => OpenError::Database { path, source },
        other => other,
    }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> OpenError + '_ {
    move |source| OpenError::Io { path: path.to_owned(), source }
}

fn database(path: &Path) -> impl Fn(sqlx::Error) -> OpenError + '_ {
    move |error| OpenError::Database { path: path.to_owned(), source: error.into() }
}
