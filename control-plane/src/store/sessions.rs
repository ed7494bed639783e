//! Rows of `sessions`: who is signed in to the dashboard, by digest.

use super::row::{digest, id, time};
use super::{Store, StoreError, WriteTx};
use crate::domain::id::UserId;
use crate::domain::session::{OwnSession, Session, SignedInWith};
use crate::domain::time::Time;
use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::net::IpAddr;

impl WriteTx {
    /// Adds a session. Of its holder's others at most `most - 1` stay: those that were used last.
    pub async fn insert_session(
        &mut self,
        digest: &Digest,
        session: &Session,
        agent: &str,
        most: u32,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM sessions WHERE digest IN
                 (SELECT digest FROM sessions WHERE holder = ? ORDER BY seen_at DESC LIMIT -1 OFFSET ?)",
        )
        .bind(&session.holder.0[..])
        .bind(i64::from(most.saturating_sub(1)))
        .execute(self.connection())
        .await?;
        sqlx::query(
            "INSERT INTO sessions (digest, kind, credential, holder, created_at, seen_at, source, agent)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&digest.as_bytes()[..])
        .bind(session.with.kind())
        .bind(&session.with.id().0[..])
        .bind(&session.holder.0[..])
        .bind(session.created_at.millis())
        .bind(session.seen_at.millis())
        .bind(session.source.map(|source| source.to_string()))
        .bind(agent)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Notes that a session was used, and from where.
    pub async fn touch_session(&mut self, digest: &Digest, at: Time, source: Option<IpAddr>) -> Result<(), StoreError> {
        sqlx::query("UPDATE sessions SET seen_at = max(seen_at, ?), source = ? WHERE digest = ?")
            .bind(at.millis())
            .bind(source.map(|source| source.to_string()))
            .bind(&digest.as_bytes()[..])
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Ends a session; gives whether there was one.
    pub async fn delete_session(&mut self, digest: &Digest) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM sessions WHERE digest = ?")
            .bind(&digest.as_bytes()[..])
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Ends all sessions of a holder.
    pub async fn delete_sessions_of(&mut self, holder: Id) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sessions WHERE holder = ?").bind(&holder.0[..]).execute(self.connection()).await?;
        Ok(())
    }

    /// Ends the sessions that a user has by a login elsewhere.
    pub async fn delete_logins_of(&mut self, user: UserId) -> Result<(), StoreError> {
        let with = SignedInWith::User(user);
        sqlx::query("DELETE FROM sessions WHERE holder = ? AND kind = ?")
            .bind(&user.0.0[..])
            .bind(with.kind())
            .execute(self.connection())
            .await?;
        Ok(())
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
        let sql = "SELECT kind, credential, holder, created_at, seen_at, source FROM sessions WHERE digest = ?";
        let row = sqlx::query(sql).bind(&digest.as_bytes()[..]).fetch_optional(&self.readers).await?;
        row.as_ref().map(session).transpose()
    }

    /// The sessions of a holder, used last first, whatever their age.
    pub async fn sessions_of(&self, holder: Id) -> Result<Vec<OwnSession>, StoreError> {
        let sql = "SELECT digest, kind, credential, holder, created_at, seen_at, source, agent FROM sessions
                   WHERE holder = ? ORDER BY seen_at DESC, created_at DESC";
        let rows = sqlx::query(sql).bind(&holder.0[..]).fetch_all(&self.readers).await?;
        rows.iter().map(own_session).collect()
    }
}

fn own_session(row: &SqliteRow) -> Result<OwnSession, StoreError> {
    Ok(OwnSession { digest: digest(row, "digest")?, session: session(row)?, agent: row.try_get("agent")? })
}

fn session(row: &SqliteRow) -> Result<Session, StoreError> {
    let with = SignedInWith::from_parts(row.try_get("kind")?, id(row, "credential")?);
    Ok(Session {
        with: with.ok_or(StoreError::Corrupt { column: "kind" })?,
        holder: id(row, "holder")?,
        created_at: time(row, "created_at")?,
        seen_at: time(row, "seen_at")?,
        source: row.try_get::<Option<&str>, _>("source")?.and_then(|source| source.parse().ok()),
    })
}
