//! The feed: rows with a revision after R, in order, over all synced tables, as of one moment.

use super::row::{digest, environment, id, number, number_or_zero, sql_number, time};
use super::{Store, StoreError, WriteTx};
use crate::domain::account::AccountStatus;
use crate::domain::time::Time;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{Account, Gone, Key, KeyState, Metadata, Policy, Project, Record, User};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

/// A changed row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FeedRow {
    /// A record that borrows nothing.
    Plain(Record<'static>),
    /// An account, with its texts.
    Account {
        /// Revision of its last synced change.
        revision: u64,
        /// Its id.
        id: Id,
        /// Its number.
        no: u32,
        /// Whether its keys are switched off together.
        suspended: bool,
        /// Its name.
        name: String,
        /// Its external id; empty for none.
        external_id: String,
    },
    /// A policy, with its text.
    Policy {
        /// Revision of its creation.
        revision: u64,
        /// Its number.
        no: u32,
        /// Scopes joined by spaces.
        scopes: String,
        /// Networks, 17 bytes each.
        networks: Vec<u8>,
        /// Pairs of metadata, as on the wire.
        metadata: Vec<u8>,
    },
}

impl FeedRow {
    /// The row as a record of a page.
    pub fn record(&self) -> Record<'_> {
        match self {
            Self::Plain(record) => *record,
            Self::Account { revision, id, no, suspended, name, external_id } => {
                let (revision, id, no, suspended) = (*revision, *id, *no, *suspended);
                Record::Account(Account { revision, id, no, suspended, name, external_id })
            }
            Self::Policy { revision, no, scopes, networks, metadata } => {
                let metadata = Metadata::from_bytes(metadata);
                Record::Policy(Policy { revision: *revision, no: *no, scopes, networks, metadata })
            }
        }
    }
}

/// A stretch of the feed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changes {
    /// The revision at the moment of reading.
    pub head: u64,
    /// Key rows in the feed at that moment.
    pub live: u64,
    /// Rows in ascending order of revision, without gaps.
    pub rows: Vec<FeedRow>,
    /// Whether `rows` reaches the head.
    pub complete: bool,
    /// Tombstones of this revision and below have left the feed: for who decides by an older table, `rows` is not all that changed.
    pub tombstones_after: u64,
}

impl Store {
    /// Reads what changed after `after`, at most `limit` rows of a table. After 0 it is a snapshot, which needs no tombstones. Those of keys
    /// that were gone long ago are left out in any case.
    pub async fn changes(&self, after: u64, limit: u32) -> Result<Changes, StoreError> {
        // A read transaction sees one moment, from its first statement on.
        let mut tx = self.readers.begin().await?;
        let row = sqlx::query("SELECT revision, live_keys, tombstones_after FROM meta").fetch_one(&mut *tx).await?;
        let (head, live) = (number(&row, "revision")?, number(&row, "live_keys")?);
        let tombstones_after = number(&row, "tombstones_after")?;

        let mut stretch = Stretch { after: sql_number(after), limit, rows: Vec::new(), horizon: None };
        stretch
            .read(
                &mut tx,
                "SELECT revision, id, no, status, name, coalesce(external_id, '') AS external_id
                 FROM accounts WHERE revision > ? ORDER BY revision LIMIT ?",
                account,
            )
            .await?;
        stretch
            .read(
                &mut tx,
                "SELECT revision, id, no, account FROM projects WHERE revision > ? ORDER BY revision LIMIT ?",
                project,
            )
            .await?;
        stretch
            .read(
                &mut tx,
                "SELECT revision, id, no, account FROM users WHERE revision > ? ORDER BY revision LIMIT ?",
                user,
            )
            .await?;
        stretch
            .read(
                &mut tx,
                "SELECT revision, no, scopes, networks, metadata FROM policies WHERE revision > ? ORDER BY revision LIMIT ?",
                policy,
            )
            .await?;
        stretch
            .read(
                &mut tx,
                "SELECT revision, digest, id, project, user, policy, expires_at, environment, state, flags
                 FROM keys INDEXED BY keys_in_feed WHERE revision > ? AND gone_at IS NULL ORDER BY revision LIMIT ?",
                key,
            )
            .await?;
        if after > 0 {
            stretch
                .read(
                    &mut tx,
                    "SELECT revision, digest FROM keys INDEXED BY keys_gone
                     WHERE revision > max(?, (SELECT tombstones_after FROM meta)) AND gone_at IS NOT NULL
                     ORDER BY revision LIMIT ?",
                    gone,
                )
                .await?;
        }
        tx.commit().await?;

        let Stretch { mut rows, horizon, .. } = stretch;
        if let Some(horizon) = horizon {
            rows.retain(|row| row.record().revision() <= horizon);
        }
        rows.sort_unstable_by_key(|row| row.record().revision());
        Ok(Changes { head, live, rows, complete: horizon.is_none(), tombstones_after })
    }
}

impl WriteTx {
    /// Takes tombstones of keys that were gone at or before `until` out of the feed: in their order, at most `limit`. Gives how many.
    pub async fn forget_tombstones(&mut self, until: Time, limit: u32) -> Result<u64, StoreError> {
        let rows = sqlx::query(
            "SELECT revision, gone_at FROM keys INDEXED BY keys_gone
             WHERE revision > (SELECT tombstones_after FROM meta) AND gone_at IS NOT NULL ORDER BY revision LIMIT ?",
        )
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await?;
        let (mut last, mut count) = (None, 0);
        for row in &rows {
            // After the clock was set back some are younger than those behind them: these wait.
            if time(row, "gone_at")? > until {
                break;
            }
            (last, count) = (Some(row.try_get::<i64, _>("revision")?), count + 1);
        }
        if let Some(last) = last {
            sqlx::query("UPDATE meta SET tombstones_after = ?").bind(last).execute(self.connection()).await?;
        }
        Ok(count)
    }
}

/// Rows of several tables. Where one table has more than was read, what lies behind its last row is not known yet: that
/// is the horizon, and rows of other tables behind it have to wait.
struct Stretch {
    after: i64,
    limit: u32,
    rows: Vec<FeedRow>,
    horizon: Option<u64>,
}

impl Stretch {
    async fn read(
        &mut self,
        connection: &mut SqliteConnection,
        statement: &'static str,
        decode: fn(&SqliteRow) -> Result<FeedRow, StoreError>,
    ) -> Result<(), StoreError> {
        let rows = sqlx::query(statement).bind(self.after).bind(i64::from(self.limit)).fetch_all(connection).await?;
        self.rows.reserve(rows.len());
        for row in &rows {
            self.rows.push(decode(row)?);
        }
        if rows.len() >= usize::try_from(self.limit).unwrap_or(usize::MAX) {
            let last = self.rows.last().map(|row| row.record().revision());
            self.horizon = [self.horizon, last].into_iter().flatten().min();
        }
        Ok(())
    }
}

fn account(row: &SqliteRow) -> Result<FeedRow, StoreError> {
    Ok(FeedRow::Account {
        revision: number(row, "revision")?,
        id: id(row, "id")?,
        no: number(row, "no")?,
        suspended: super::accounts::status(row, "status")? == AccountStatus::Suspended,
        name: row.try_get("name")?,
        external_id: row.try_get("external_id")?,
    })
}

fn owned(row: &SqliteRow) -> Result<(u64, Id, u32, u32), StoreError> {
    Ok((number(row, "revision")?, id(row, "id")?, number(row, "no")?, number(row, "account")?))
}

fn project(row: &SqliteRow) -> Result<FeedRow, StoreError> {
    let (revision, id, no, account) = owned(row)?;
    Ok(FeedRow::Plain(Record::Project(Project { revision, id, no, account })))
}

fn user(row: &SqliteRow) -> Result<FeedRow, StoreError> {
    let (revision, id, no, account) = owned(row)?;
    Ok(FeedRow::Plain(Record::User(User { revision, id, no, account })))
}

fn policy(row: &SqliteRow) -> Result<FeedRow, StoreError> {
    Ok(FeedRow::Policy {
        revision: number(row, "revision")?,
        no: number(row, "no")?,
        scopes: row.try_get("scopes")?,
        networks: row.try_get("networks")?,
        metadata: row.try_get("metadata")?,
    })
}

fn gone(row: &SqliteRow) -> Result<FeedRow, StoreError> {
    Ok(FeedRow::Plain(Record::Gone(Gone { revision: number(row, "revision")?, digest: digest(row, "digest")? })))
}

fn key(row: &SqliteRow) -> Result<FeedRow, StoreError> {
    Ok(FeedRow::Plain(Record::Key(Key {
        revision: number(row, "revision")?,
        digest: digest(row, "digest")?,
        id: id(row, "id")?,
        project: number_or_zero(row, "project")?,
        user: number_or_zero(row, "user")?,
        policy: number_or_zero(row, "policy")?,
        expires_at: number_or_zero(row, "expires_at")?,
        environment: environment(row, "environment")?,
        state: KeyState::from_number(number(row, "state")?).ok_or(StoreError::Corrupt { column: "state" })?,
        flags: number(row, "flags")?,
    })))
}
