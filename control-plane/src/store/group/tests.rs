use super::*;
use crate::domain::time::Time;
use crate::store::open::{DataDir, options};
use keyplane_contract::id::Id;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::task::JoinHandle;

/// No bound that a test comes to.
const WIDE: Bounds = Bounds { operations: 100_000, time: Duration::from_hours(1) };

type Answer = oneshot::Receiver<Result<(), StoreError>>;

struct Desk {
    line: Arc<Line>,
    head: watch::Receiver<u64>,
    reader: SqliteConnection,
    database: PathBuf,
    _folder: TempDir,
}

async fn desk(bounds: Bounds, patience: Duration) -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = DataDir::create_and_lock(folder.path()).unwrap();
    data_dir.create(Id([7; 16]), Time::from_millis(0), async |_| Ok(())).await.unwrap();
    let database = data_dir.database();
    let writer = options(&database).busy_timeout(patience);
    let (sender, head) = watch::channel(0);
    let line = Line::open(writer, sender, bounds).await.unwrap();
    let reader = options(&database).read_only(true).connect().await.unwrap();
    Desk { line: Arc::new(line), head, reader, database, _folder: folder }
}

impl Desk {
    /// Stands in line now, not when it is awaited.
    async fn stand_in_line(&self) -> JoinHandle<Turn> {
        let line = Arc::clone(&self.line);
        let turn = tokio::spawn(async move { line.turn().await.unwrap() });
        // There is one thread: until this one goes on, the other has asked.
        tokio::task::yield_now().await;
        turn
    }

    /// Revisions of the accounts that readers see, in the order in which they were made.
    async fn seen(&mut self) -> Vec<i64> {
        sqlx::query_scalar("SELECT revision FROM accounts ORDER BY no").fetch_all(&mut self.reader).await.unwrap()
    }

    /// One more operation works, alone, and makes an account of this name.
    async fn works(&mut self, name: &str) {
        let (before, commits) = (self.seen().await.len(), self.line.writes().commits);
        let mut turn = self.line.turn().await.unwrap();
        insert(&mut turn, name).await.unwrap();
        turn.keep().await.unwrap().unwrap();
        let revisions = self.seen().await;
        assert_eq!(revisions.len(), before + 1);
        assert_eq!(u64::try_from(revisions[before]).unwrap(), *self.head.borrow());
        assert_eq!(self.line.writes().commits, commits + 1);
    }
}

/// An account whose id is made of its name: two of one name are against the rules.
async fn insert(turn: &mut Turn, name: &str) -> Result<(), sqlx::Error> {
    insert_or("INSERT", turn, name).await
}

async fn insert_or(verb: &'static str, turn: &mut Turn, name: &str) -> Result<(), sqlx::Error> {
    turn.numbers.revision += 1;
    let mut id = [0; 16];
    for (place, byte) in id.iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    let columns = "INTO accounts (id, revision, name, status, created_at) VALUES (?, ?, ?, 'active', 0)";
    sqlx::query(sqlx::AssertSqlSafe(format!("{verb} {columns}")))
        .bind(&id[..])
        .bind(sql_number(turn.numbers.revision))
        .bind(name)
        .execute(turn.connection())
        .await?;
    Ok(())
}

async fn kept(turn: JoinHandle<Turn>, name: &str) -> Answer {
    let mut turn = turn.await.unwrap();
    insert(&mut turn, name).await.unwrap();
    turn.keep()
}

async fn run(turn: &mut Turn, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(sql).execute(turn.connection()).await.map(|_| ())
}

fn failed(answer: &Result<(), StoreError>) -> bool {
    matches!(answer, Err(StoreError::Commit(_)))
}

#[tokio::test]
async fn those_who_wait_together_share_a_commit_and_take_their_revisions_in_order() {
    let mut desk = desk(WIDE, PATIENCE).await;
    let first = desk.stand_in_line().await;
    let mut others = Vec::new();
    for _ in 0..200 {
        others.push(desk.stand_in_line().await);
    }
    let mut answers = vec![kept(first, "first").await];
    for (number, turn) in others.into_iter().enumerate() {
        answers.push(kept(turn, &number.to_string()).await);
    }
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(desk.line.writes(), Writes { operations: 201, commits: 1 });
    assert_eq!(desk.seen().await, (1..=201).collect::<Vec<_>>());
    assert_eq!(*desk.head.borrow(), 201);
}

#[tokio::test]
async fn nothing_is_answered_seen_or_announced_before_the_commit() {
    let mut desk = desk(WIDE, PATIENCE).await;
    let (first, second) = (desk.stand_in_line().await, desk.stand_in_line().await);
    let mut first = kept(first, "first").await;
    let mut second = second.await.unwrap();
    insert(&mut second, "second").await.unwrap();
    assert!(matches!(first.try_recv(), Err(TryRecvError::Empty)));
    assert_eq!((desk.seen().await, *desk.head.borrow()), (vec![], 0));
    let second = second.keep();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!((desk.seen().await, *desk.head.borrow()), (vec![1, 2], 2));
}

#[tokio::test]
async fn one_that_fails_or_is_dropped_changes_nothing_of_the_others() {
    let mut desk = desk(WIDE, PATIENCE).await;
    let mut turns = Vec::new();
    for _ in 0..5 {
        turns.push(desk.stand_in_line().await);
    }
    let mut turns = turns.into_iter();
    let mut next = || turns.next().unwrap();
    let first = kept(next(), "first").await;
    let mut failing = next().await.unwrap();
    insert(&mut failing, "left behind").await.unwrap();
    insert(&mut failing, "first").await.unwrap_err();
    drop(failing);
    let second = kept(next(), "second").await;
    let mut dropped = next().await.unwrap();
    insert(&mut dropped, "dropped").await.unwrap();
    drop(dropped);
    let third = kept(next(), "third").await;
    for answer in [first, second, third] {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(desk.line.writes(), Writes { operations: 3, commits: 1 });
    assert_eq!((desk.seen().await, *desk.head.borrow()), (vec![1, 2, 3], 3));
}

#[tokio::test]
async fn one_dropped_first_leaves_no_trace_and_no_open_transaction() {
    let mut desk = desk(WIDE, PATIENCE).await;
    let (first, second) = (desk.stand_in_line().await, desk.stand_in_line().await);
    let mut first = first.await.unwrap();
    insert(&mut first, "dropped").await.unwrap();
    drop(first);
    kept(second, "second").await.await.unwrap().unwrap();
    assert_eq!((desk.seen().await, *desk.head.borrow()), (vec![1], 1));
    // Another process finds the database free.
    let mut other = options(&desk.database).busy_timeout(Duration::ZERO).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE; ROLLBACK").execute(&mut other).await.unwrap();
}

#[tokio::test]
async fn one_that_leaves_the_line_is_passed_over() {
    let mut desk = desk(WIDE, PATIENCE).await;
    let (first, gone, last) = (desk.stand_in_line().await, desk.stand_in_line().await, desk.stand_in_line().await);
    gone.abort();
    let first = kept(first, "first").await;
    let last = kept(last, "last").await;
    first.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    assert_eq!(desk.seen().await, [1, 2]);
    // Nor does it matter where it stood.
    desk.stand_in_line().await.abort();
    desk.works("later").await;
}

#[tokio::test]
async fn what_was_kept_is_committed_and_announced_though_nobody_listens() {
    let mut desk = desk(WIDE, PATIENCE).await;
    let turn = desk.stand_in_line().await;
    drop(kept(turn, "nobody").await);
    desk.head.changed().await.unwrap();
    assert_eq!((desk.seen().await, *desk.head.borrow()), (vec![1], 1));
}

#[tokio::test]
async fn a_commit_that_fails_fails_all_and_the_next_begins_where_the_last_good_one_ended() {
    let mut desk = desk(WIDE, PATIENCE).await;
    desk.works("later").await;
    let (first, second) = (desk.stand_in_line().await, desk.stand_in_line().await);
    let first = kept(first, "first").await;
    let mut second = second.await.unwrap();
    // Looked at no sooner than at the commit.
    run(&mut second, "PRAGMA defer_foreign_keys = ON").await.unwrap();
    run(&mut second, "INSERT INTO usage_daily (key, day, reason, count) VALUES (99, 1, 1, 1)").await.unwrap();
    let second = second.keep();
    assert!(failed(&first.await.unwrap()) && failed(&second.await.unwrap()));
    assert_eq!((desk.seen().await, *desk.head.borrow()), (vec![1], 1));
    desk.works("after").await;
    assert_eq!(desk.seen().await, [1, 2]);
}

#[tokio::test]
async fn a_transaction_that_sqlite_gave_up_fails_all_of_it() {
    let mut desk = desk(WIDE, PATIENCE).await;
    let (first, second, third) = (desk.stand_in_line().await, desk.stand_in_line().await, desk.stand_in_line().await);
    let first = kept(first, "first").await;
    let mut second = second.await.unwrap();
    insert_or("INSERT OR ROLLBACK", &mut second, "first").await.unwrap_err();
    drop(second);
    assert!(failed(&first.await.unwrap()), "what is not there was not acknowledged");
    kept(third, "third").await.await.unwrap().unwrap();
    assert_eq!((desk.seen().await, *desk.head.borrow()), (vec![1], 1));
}

#[tokio::test]
async fn on_a_full_disk_what_was_acknowledged_is_there_and_what_failed_is_not() {
    let mut desk = desk(WIDE, PATIENCE).await;
    let (first, second) = (desk.stand_in_line().await, desk.stand_in_line().await);
    let first = kept(first, "first").await;
    let mut second = second.await.unwrap();
    // As many pages as there are: SQLite says of the next one what it says of a full disk.
    run(&mut second, "PRAGMA max_page_count = 1").await.unwrap();
    let error = insert(&mut second, &"x".repeat(1 << 20)).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("13"), "SQLITE_FULL");
    run(&mut second, "PRAGMA max_page_count = 1000000").await.unwrap();
    drop(second);
    let acknowledged = first.await.unwrap().is_ok();
    assert_eq!(desk.seen().await.len(), usize::from(acknowledged));
    desk.works("later").await;
}

#[tokio::test]
async fn a_group_ends_at_its_bound_though_others_wait() {
    let mut desk = desk(Bounds { operations: 3, ..WIDE }, PATIENCE).await;
    let mut turns = Vec::new();
    for _ in 0..10 {
        turns.push(desk.stand_in_line().await);
    }
    let mut answers = Vec::new();
    for (number, turn) in turns.into_iter().enumerate() {
        answers.push(kept(turn, &number.to_string()).await);
    }
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(desk.line.writes(), Writes { operations: 10, commits: 4 });
    assert_eq!(desk.seen().await, (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn closing_lets_those_in_line_have_their_turn_and_refuses_those_who_come_later() {
    let mut desk = desk(WIDE, PATIENCE).await;
    let (first, second) = (desk.stand_in_line().await, desk.stand_in_line().await);
    let line = Arc::clone(&desk.line);
    let closing = tokio::spawn(async move { line.close().await });
    tokio::task::yield_now().await;
    let line = Arc::clone(&desk.line);
    let late = tokio::spawn(async move { line.turn().await.map(|_| ()) });
    tokio::task::yield_now().await;
    let (first, second) = (kept(first, "first").await, kept(second, "second").await);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    closing.await.unwrap();
    assert!(matches!(late.await.unwrap(), Err(StoreError::Closed)));
    assert!(matches!(desk.line.turn().await.map(|_| ()), Err(StoreError::Closed)));
    desk.line.close().await;
    assert_eq!(desk.seen().await, [1, 2]);
}

#[tokio::test]
async fn the_lock_of_another_process_is_waited_for_and_told_when_it_stays() {
    let mut desk = desk(WIDE, Duration::from_millis(200)).await;
    let mut other = options(&desk.database).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let error = desk.line.turn().await.map(|_| ()).unwrap_err();
    assert!(error.is_transient(), "{error}");
    let waiting = desk.stand_in_line().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    kept(waiting, "waited").await.await.unwrap().unwrap();
    assert_eq!(desk.seen().await, [1]);
}

#[tokio::test]
async fn the_log_is_folded_into_the_file_while_the_store_is_open() {
    let mut desk = desk(WIDE, PATIENCE).await;
    desk.works("first").await;
    // Immutable: this reads the file alone, without the log.
    let file = options(&desk.database).read_only(true).immutable(true);
    for _ in 0..200 {
        let mut connection = file.clone().connect().await.unwrap();
        let found: i64 = sqlx::query_scalar("SELECT count(*) FROM accounts").fetch_one(&mut connection).await.unwrap();
        if found == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("ten seconds later it is still in the log alone");
}
