//! The one writer, and group commit: operations that come at the same time share a commit.
//!
//! What was answered is on the disk, so each answer costs a flush of the disk, and a disk flushes a few hundred times a
//! second. Operations still run one after the other, each alone with the connection. But when one has done its work and
//! others wait for their turn, the commit waits for them: one `BEGIN IMMEDIATE`, the operations, one `COMMIT`, and then all
//! are answered.
//!
//! - **Nobody waits for company.** A group ends as soon as nobody stands in line. A lone operation is a group of its own and
//!   waits for nothing; under load, those that came during one flush are the next group. A group ends too at its
//!   [`BOUNDS`], so that the first of it is answered soon.
//! - **One fails, the others stay.** Each operation but the first of a group has a savepoint. One that is dropped before
//!   [`Turn::keep`] is rolled back to it, its revisions are given to the next, and nobody hears of it. The first needs none:
//!   while it is alone in the transaction, that is its savepoint.
//! - **The commit fails, all fail.** None was answered before, none is on the disk, and the next group reads its numbers from
//!   the database again. The same when a failed statement (a full disk) made `SQLite` give up the transaction: the
//!   savepoint is gone then, and its rolling back tells.
//! - **In order.** Operations see what those before them wrote, committed or not: caps and idempotency hold as if each had
//!   committed by itself. Readers see a group whole or not at all, and the head moves once, after the commit. So revisions
//!   have no gap that fills later.
//! - **Who goes away changes nothing.** A task of its own holds the group together. A caller that leaves in line is passed
//!   over, one that leaves in its turn is rolled back, and what was kept is committed and announced whoever listens.
//!
//! An operation that tells its caller of something *as done* has to commit, even if it changed nothing: what it saw may
//! be of an operation whose commit is still to come. And in its turn it awaits statements only: the whole line waits with it.

use super::StoreError;
use super::checkpoint::{BACKSTOP, Checkpointer};
use super::open::PATIENCE;
use super::row::{number, sql_number};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard, mpsc, oneshot, watch};
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// When a group ends though others wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The most operations.
    operations: usize,
    /// The time from its begin.
    time: Duration,
}

/// A flush of a good disk takes a millisecond, of a slow one ten or more: a group is worth its commit well before either bound.
pub(super) const BOUNDS: Bounds = Bounds { operations: 256, time: Duration::from_millis(10) };

/// The numbers that each change moves on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Numbers {
    /// The last revision that was given.
    pub(super) revision: u64,
    /// Key rows in the feed.
    pub(super) live_keys: i64,
}

/// What the writer has done since the database was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Writes {
    /// Operations that were committed.
    pub operations: u64,
    /// Commits that this took.
    pub commits: u64,
}

#[derive(Default)]
struct Counts {
    operations: AtomicU64,
    commits: AtomicU64,
}

/// The line of those who want to write.
pub(super) struct Line {
    requests: mpsc::UnboundedSender<Request>,
    counts: Arc<Counts>,
}

enum Request {
    Turn(Asker),
    Close(oneshot::Sender<()>),
}

type Asker = oneshot::Sender<Result<Turn, StoreError>>;
/// `None` once it is closed.
type Shared = Arc<Mutex<Option<SqliteConnection>>>;

/// An operation's turn: it has the writer's connection for itself, within a transaction. Dropped, it leaves no trace.
pub(super) struct Turn {
    connection: OwnedMappedMutexGuard<Option<SqliteConnection>, SqliteConnection>,
    pub(super) numbers: Numbers,
    kept: oneshot::Sender<Kept>,
}

/// What an operation leaves behind that is to be committed.
struct Kept {
    numbers: Numbers,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

impl Line {
    /// Opens the writer's connection with these options and starts the task that runs the groups, which moves `head` on.
    pub(super) async fn open(
        options: SqliteConnectOptions,
        head: watch::Sender<u64>,
        bounds: Bounds,
    ) -> Result<Self, StoreError> {
        let options = options.pragma("wal_autocheckpoint", BACKSTOP);
        let connection = options.connect().await?;
        let (requests, line) = mpsc::unbounded_channel();
        let counts = Arc::<Counts>::default();
        let writer = Writer {
            line,
            connection: Arc::new(Mutex::new(Some(connection))),
            checkpointer: Checkpointer::start(&options).await?,
            options,
            head,
            bounds,
            counts: Arc::clone(&counts),
        };
        tokio::spawn(writer.run());
        Ok(Self { requests, counts })
    }

    /// Waits in line, up to a bound.
    pub(super) async fn turn(&self) -> Result<Turn, StoreError> {
        let (asker, turn) = oneshot::channel();
        self.requests.send(Request::Turn(asker)).map_err(|_| StoreError::Closed)?;
        let turn = tokio::time::timeout(PATIENCE, turn).await.map_err(|_| StoreError::Busy)?;
        turn.map_err(|_| StoreError::Closed)?
    }

    /// Lets those in line have their turn, and closes the connection. No-op when it is closed.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.requests.send(Request::Close(done)).is_ok() {
            // An error means the same: the writer is gone.
            let _ = closed.await;
        }
    }

    pub(super) fn writes(&self) -> Writes {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Writes { operations: read(&self.counts.operations), commits: read(&self.counts.commits) }
    }
}

impl Turn {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Ends the turn with what is to be committed. The answer comes when it is on the disk.
    ///
    /// It waits for nothing, so no caller can go away half-way.
    pub(super) fn keep(self) -> oneshot::Receiver<Result<(), StoreError>> {
        let (answer, answered) = oneshot::channel();
        // Refused only if the writer is gone; then the answer's other end is gone too, which tells it.
        let _ = self.kept.send(Kept { numbers: self.numbers, answer });
        answered
    }
}

/// The task that runs the groups.
struct Writer {
    line: mpsc::UnboundedReceiver<Request>,
    connection: Shared,
    checkpointer: Checkpointer,
    options: SqliteConnectOptions,
    head: watch::Sender<u64>,
    bounds: Bounds,
    counts: Arc<Counts>,
}

impl Writer {
    /// Ends when the store is closed or dropped.
    async fn run(mut self) {
        while let Some(request) = self.line.recv().await {
            let done = match request {
                Request::Turn(asker) if asker.is_closed() => None,
                Request::Turn(asker) => self.group(asker).await,
                Request::Close(done) => Some(done),
            };
            if let Some(done) = done {
                return self.close(done).await;
            }
        }
    }

    /// Runs one group. Gives who waits for the end, when one came up in the line.
    async fn group(&mut self, first: Asker) -> Option<oneshot::Sender<()>> {
        let began = Instant::now();
        let mut numbers = match self.begin().await {
            Ok(numbers) => numbers,
            Err(error) => {
                // Whoever gave up waiting needs no answer.
                let _ = first.send(Err(error));
                self.reconnect().await;
                return None;
            }
        };
        let before = numbers;
        let mut answers = Vec::new();
        let (mut asker, mut savepoint, mut done) = (first, false, None);
        let result = loop {
            if !asker.is_closed() {
                if !answers.is_empty() {
                    if let Err(error) = self.set_savepoint(savepoint).await {
                        let error = Arc::new(error);
                        let _ = asker.send(Err(StoreError::Commit(Arc::clone(&error))));
                        break Err(error);
                    }
                    savepoint = true;
                }
                match self.lend(asker, numbers).await {
                    Some(kept) => {
                        numbers = kept.numbers;
                        answers.push(kept.answer);
                    }
                    None if answers.is_empty() => {
                        self.give_up().await;
                        return None;
                    }
                    None => {
                        if let Err(error) = self.undo().await {
                            break Err(Arc::new(error));
                        }
                        savepoint = false;
                    }
                }
            }
            if answers.len() >= self.bounds.operations || began.elapsed() >= self.bounds.time {
                break self.commit(before, numbers).await.map_err(Arc::new);
            }
            match self.line.try_recv() {
                Ok(Request::Turn(next)) => asker = next,
                Ok(Request::Close(end)) => {
                    done = Some(end);
                    break self.commit(before, numbers).await.map_err(Arc::new);
                }
                Err(_) => break self.commit(before, numbers).await.map_err(Arc::new),
            }
        };
        match &result {
            Ok(()) => {
                self.counts.operations.fetch_add(answers.len() as u64, Ordering::Relaxed);
                // Of a group that all have left, nothing was written.
                self.counts.commits.fetch_add(u64::from(!answers.is_empty()), Ordering::Relaxed);
                self.checkpointer.committed();
                self.head.send_if_modified(|head| {
                    let moved = *head != numbers.revision;
                    *head = numbers.revision;
                    moved
                });
            }
            Err(_) => self.give_up().await,
        }
        for answer in answers {
            // The caller may be gone; its change is on the disk and announced.
            let _ = answer.send(result.clone().map_err(StoreError::Commit));
        }
        done
    }

    /// Gives a turn, and waits for its end. `None`: it is to leave no trace.
    async fn lend(&self, asker: Asker, numbers: Numbers) -> Option<Kept> {
        let (keep, kept) = oneshot::channel();
        let connection = Arc::clone(&self.connection).lock_owned().await;
        let connection = OwnedMutexGuard::try_map(connection, Option::as_mut).ok()?;
        // Who has gone away leaves the turn here, and so it ends.
        let _ = asker.send(Ok(Turn { connection, numbers, kept: keep }));
        kept.await.ok()
    }

    async fn begin(&self) -> Result<Numbers, StoreError> {
        let mut connection = self.connection.lock().await;
        let connection = connection.as_mut().ok_or(StoreError::Closed)?;
        let sql = "BEGIN IMMEDIATE; SELECT revision, live_keys FROM meta";
        let row = sqlx::query(sql).fetch_one(connection).await?;
        Ok(Numbers { revision: number(&row, "revision")?, live_keys: number(&row, "live_keys")? })
    }

    async fn set_savepoint(&self, replace: bool) -> Result<(), StoreError> {
        let sql = if replace { "RELEASE operation; SAVEPOINT operation" } else { "SAVEPOINT operation" };
        self.execute(sql).await
    }

    async fn undo(&self) -> Result<(), StoreError> {
        self.execute("ROLLBACK TO operation; RELEASE operation").await
    }

    async fn commit(&self, before: Numbers, after: Numbers) -> Result<(), StoreError> {
        if before == after {
            return self.execute("COMMIT").await;
        }
        let mut connection = self.connection.lock().await;
        let connection = connection.as_mut().ok_or(StoreError::Closed)?;
        sqlx::query("UPDATE meta SET revision = ?, live_keys = ?; COMMIT")
            .bind(sql_number(after.revision))
            .bind(after.live_keys)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Rolls the whole transaction back, if there is one still. If it cannot be, the next `BEGIN` fails and makes a new
    /// connection.
    async fn give_up(&self) {
        let _ = self.execute("ROLLBACK").await;
    }

    async fn execute(&self, sql: &'static str) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().await;
        let connection = connection.as_mut().ok_or(StoreError::Closed)?;
        sqlx::query(sql).execute(connection).await?;
        Ok(())
    }

    /// A connection that could not begin may be broken: another takes its place, if one can be had.
    async fn reconnect(&self) {
        if let Ok(fresh) = self.options.connect().await {
            *self.connection.lock().await = Some(fresh);
        }
    }

    async fn close(mut self, done: oneshot::Sender<()>) {
        // Those who still come, and those behind in the line, find it closed.
        self.line.close();
        while self.line.try_recv().is_ok() {}
        if let Some(connection) = self.connection.lock().await.take() {
            // Nothing is open in it: what failed to close is folded into the file by the next opening.
            let _ = connection.close().await;
        }
        self.checkpointer.close().await;
        let _ = done.send(());
    }
}
