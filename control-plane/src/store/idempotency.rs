//! Rows of `idempotency`: sealed answers to requests that may come again.

use super::row::bytes;
use super::{Store, StoreError, WriteTx};
use crate::domain::idempotency::SealedAnswer;
use crate::domain::time::Time;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteExecutor};

impl WriteTx {
    /// Keeps an answer, unless one with its id is there that was kept after `since`. Whether it did.
    pub async fn remember(&mut self, sealed: &SealedAnswer, now: Time, since: Time) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO idempotency (id, request, salt, answer, created_at) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET request = excluded.request, salt = excluded.salt, answer = excluded.answer,
                 created_at = excluded.created_at
             WHERE created_at <= ?",
        )
        .bind(&sealed.id[..])
        .bind(&sealed.request[..])
        .bind(&sealed.salt[..])
        .bind(&sealed.answer)
        .bind(now.millis())
        .bind(since.millis())
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The answer with this id that was kept after `since`, committed or not.
    pub async fn remembered(&mut self, id: &[u8; 32], since: Time) -> Result<Option<SealedAnswer>, StoreError> {
        find(self.connection(), id, since).await
    }

    /// Forgets at most `limit` answers that were kept at or before `until`; gives how many.
    pub async fn forget_answers(&mut self, until: Time, limit: u32) -> Result<u64, StoreError> {
        let forgotten = sqlx::query(
            "DELETE FROM idempotency WHERE rowid IN
                 (SELECT rowid FROM idempotency WHERE created_at <= ? ORDER BY created_at LIMIT ?)",
        )
        .bind(until.millis())
        .bind(i64::from(limit))
        .execute(self.connection())
        .await?;
        Ok(forgotten.rows_affected())
    }
}

impl Store {
    /// The answer with this id that was kept after `since`.
    pub async fn remembered(&self, id: &[u8; 32], since: Time) -> Result<Option<SealedAnswer>, StoreError> {
        find(&self.readers, id, since).await
    }
}

async fn find(
    executor: impl SqliteExecutor<'_>,
    id: &[u8; 32],
    since: Time,
) -> Result<Option<SealedAnswer>, StoreError> {
    let row = sqlx::query("SELECT id, request, salt, answer FROM idempotency WHERE id = ? AND created_at > ?")
        .bind(&id[..])
        .bind(since.millis())
        .fetch_optional(executor)
        .await?;
    row.as_ref().map(sealed).transpose()
}

fn sealed(row: &SqliteRow) -> Result<SealedAnswer, StoreError> {
    Ok(SealedAnswer {
        id: bytes(row, "id")?,
        request: bytes(row, "request")?,
        salt: bytes(row, "salt")?,
        answer: row.try_get("answer")?,
    })
}
