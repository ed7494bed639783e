//! Rows of `sessions`: who is signed in to the dashboard, by digest.

use super::row::{id, time};
use super::{Store, StoreError, WriteTx};
use crate::domain::session::{Session, SignedInWith};
use crate::domain::time::Time;
use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

impl WriteTx {
    /// Adds a session. Of its holder's others at most `most - 1` stay: those that were used last.
    pub async fn insert_session(&mut self, digest: &Digest, session: &Session, most: u32) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM sessions WHERE digest IN
                 (SELECT digest FROM sessions WHERE holder = ? ORDER BY seen_at DESC LIMIT -1 OFFSET ?)",
        )
        .bind(&session.holder.0[..])
        .bind(i64::from(most.saturating_sub(1)))
        .execute(self.connection())
        .await?;
        sqlx::query(
            "INSERT INTO sessions (digest, kind, credential, holder, created_at, seen_at) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(&digest.as_bytes()[..])
        .bind(session.with.kind())
        .bind(&session.with.id().0[..])
        .bind(&session.holder.0[..])
        .bind(session.created_at.millis())
        .bind(session.seen_at.millis())
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Notes that a session was used.
    pub async fn touch_session(&mut self, digest: &Digest, at: Time) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET seen_at = max(seen_at, ?) WHERE digest = ?")
            .bind(at.millis())
            .bind(&digest.as_bytes()[..])
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Ends a session.
    pub async fn delete_session(&mut self, digest: &Digest) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE digest = ?")
            .bind(&digest.as_bytes()[..])
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Ends all sessions of a holder; gives how many.
    pub async fn delete_sessions_of(&mut self, holder: Id) -> Result<u64, StoreError> {
        let done =
            sqlx::query("DELETE FROM sessions WHERE holder = ?").bind(&holder.0[..]).execute(self.connection()).await?;
        Ok(done.rows_affected())
    }

    /// Forgets at most `limit` sessions that were not used since `seen` or began before `created`; gives how many.
    pub async fn forget_sessions(&mut self, seen: Time, created: Time, limit: u32) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "DELETE FROM sessions WHERE digest IN
                 (SELECT digest FROM sessions WHERE seen_at <= ? OR created_at <= ? LIMIT ?)",
        )
        .bind(seen.millis())
        .bind(created.millis())
        .bind(i64::from(limit))
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected())
    }
}

impl Store {
    /// The session with this digest, whatever its age.
    pub async fn session(&self, digest: &Digest) -> Result<Option<Session>, StoreError> {
        let sql = "SELECT kind, credential, holder, created_at, seen_at FROM sessions WHERE digest = ?";
        let row = sqlx::query(sql).bind(&digest.as_bytes()[..]).fetch_optional(&self.readers).await?;
        row.as_ref().map(session).transpose()
    }
}

fn session(row: &SqliteRow) -> Result<Session, StoreError> {
    let with = SignedInWith::from_parts(row.try_get("kind")?, id(row, "credential")?);
    Ok(Session {
        with: with.ok_or(StoreError::Corrupt { column: "kind" })?,
        holder: id(row, "holder")?,
        created_at: time(row, "created_at")?,
        seen_at: time(row, "seen_at")?,
    })
}
