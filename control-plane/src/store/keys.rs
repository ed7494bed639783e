//! Rows of `keys`. Only digest and mask are stored, never a secret.

use super::row::{environment, id, name, number, optional_id, optional_millis, optional_time, time, upper_bound};
use super::{Store, StoreError, WriteTx};
use crate::domain::cursor::PageRequest;
use crate::domain::id::{AccountId, KeyId, ProjectId};
use crate::domain::key::{Key, State};
use crate::domain::name::Name;
use crate::domain::scope::Scopes;
use crate::domain::time::Time;
use keyplane_contract::digest::Digest;
use keyplane_contract::sync::{Environment, Key as WireKey, KeyState};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::time::Duration;

/// A project's key with the numbers that other rows refer to it by.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT k.no, k.id, k.mask, k.environment, k.name, k.state, k.created_at, k.expires_at, k.last_used_at,
                    k.revoked_at, k.gone_at, k.idle_limit, r.id AS replaced_by, p.id AS project_id, a.id AS account_id, a.no AS account_no,
                    coalesce(o.scopes, '') AS scopes
             FROM keys k
             JOIN projects p ON p.no = k.project
             JOIN accounts a ON a.no = p.account
             LEFT JOIN policies o ON o.no = k.policy
             LEFT JOIN keys r ON r.no = k.replaced_by ",
            $rest
        )
    };
}

/// What a new key row is made of.
#[derive(Debug)]
pub struct NewKeyRow {
    /// Its id.
    pub id: KeyId,
    /// What it is looked up by.
    pub digest: Digest,
    /// The mask.
    pub mask: String,
    /// Number of its project.
    pub project: u32,
    /// `live` or `test`.
    pub environment: Environment,
    /// Its name.
    pub name: Name,
    /// Number of its policy.
    pub policy: Option<u32>,
    /// When it is made.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Option<Time>,
}

/// A key and the numbers by which other rows refer to it and its account.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// The key.
    pub key: Key,
    /// Its number.
    pub no: i64,
    /// Number of its account.
    pub account: u32,
}

/// Which keys a list shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeyFilter {
    /// Only keys of the project with this number.
    pub project: Option<u32>,
    /// Only keys of this environment.
    pub environment: Option<Environment>,
}

impl WriteTx {
    /// Adds an active key. It takes the next revision and enters the feed.
    pub async fn insert_key(&mut self, key: &NewKeyRow) -> Result<(), StoreError> {
        let revision = self.next_revision();
        sqlx::query(
            "INSERT INTO keys (id, revision, digest, mask, project, environment, name, policy, state, created_at, expires_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(key.id.as_bytes())
        .bind(revision)
        .bind(&key.digest.as_bytes()[..])
        .bind(&key.mask)
        .bind(i64::from(key.project))
        .bind(key.environment as i64)
        .bind(key.name.as_str())
        .bind(key.policy.map(i64::from))
        .bind(KeyState::Active as i64)
        .bind(key.created_at.millis())
        .bind(key.expires_at.map(Time::millis))
        .execute(self.connection())
        .await?;
        self.count_keys(1);
        Ok(())
    }

    /// The key of this id; `None` when there is none.
    pub async fn key(&mut self, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        let row = sqlx::query(select!("WHERE k.id = ?")).bind(id.as_bytes()).fetch_optional(self.connection()).await?;
        row.as_ref().map(stored_key).transpose()
    }

    /// Gives a key another name. Proxies know no names, so no revision is taken.
    pub async fn update_key_name(&mut self, no: i64, name: &Name) -> Result<(), StoreError> {
        sqlx::query("UPDATE keys SET name = ? WHERE no = ?")
            .bind(name.as_str())
            .bind(no)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Gives a key another policy and end. It takes the next revision.
    pub async fn update_key_terms(
        &mut self,
        no: i64,
        policy: Option<u32>,
        expires_at: Option<Time>,
    ) -> Result<(), StoreError> {
        let revision = self.next_revision();
        sqlx::query("UPDATE keys SET policy = ?, expires_at = ?, revision = ? WHERE no = ?")
            .bind(policy.map(i64::from))
            .bind(expires_at.map(Time::millis))
            .bind(revision)
            .bind(no)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Moves a key from the state `from` to `to`. It takes the next revision.
    pub async fn update_key_state(&mut self, no: i64, from: State, to: State) -> Result<(), StoreError> {
        let (state, revoked_at, gone_at) = match to {
            State::Active => (KeyState::Active, None, None),
            State::Disabled => (KeyState::Disabled, None, None),
            State::Revoked { at } => (KeyState::Revoked, Some(at), None),
            State::Gone { revoked_at, at } => (KeyState::Revoked, Some(revoked_at), Some(at)),
        };
        let revision = self.next_revision();
        sqlx::query("UPDATE keys SET state = ?, revoked_at = ?, gone_at = ?, revision = ? WHERE no = ?")
            .bind(state as i64)
            .bind(revoked_at.map(Time::millis))
            .bind(gone_at.map(Time::millis))
            .bind(revision)
            .bind(no)
            .execute(self.connection())
            .await?;
        self.count_keys(i64::from(to.is_in_feed()) - i64::from(from.is_in_feed()));
        Ok(())
    }

    /// Has another key take this one's place: it gets a new end, it may be revoked once idle for `idle_limit` from `now` on, and
    /// proxies report from where it is used. It takes the next revision.
    pub async fn replace_key(
        &mut self,
        no: i64,
        by: KeyId,
        expires_at: Option<Time>,
        idle_limit: Option<Duration>,
        now: Time,
    ) -> Result<(), StoreError> {
        let revision = self.next_revision();
        let idle_limit = idle_limit.map(|limit| i64::try_from(limit.as_millis()).unwrap_or(i64::MAX));
        sqlx::query(
            "UPDATE keys SET replaced_by = (SELECT no FROM keys WHERE id = ?), expires_at = ?, idle_limit = ?,
                 idle_since = ?, flags = flags | ?, revision = ? WHERE no = ?",
        )
        .bind(by.as_bytes())
        .bind(expires_at.map(Time::millis))
        .bind(idle_limit)
        .bind(now.millis())
        .bind(i64::from(WireKey::REPORT_SOURCES))
        .bind(revision)
        .bind(no)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Says why a key was revoked.
    pub async fn set_revoke_reason(&mut self, no: i64, reason: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE keys SET revoke_reason = ? WHERE no = ?")
            .bind(reason)
            .bind(no)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// At most `limit` keys that are idle; see [`Store::has_idle_keys`].
    pub async fn idle_keys(
        &mut self,
        watched_since: Time,
        now: Time,
        limit: u32,
    ) -> Result<Vec<StoredKey>, StoreError> {
        let rows = sqlx::query(select!(
            "WHERE k.idle_limit IS NOT NULL AND k.state <> 3
               AND max(k.idle_since, coalesce(k.last_seen_at, 0), ?) + k.idle_limit <= ? LIMIT ?"
        ))
        .bind(watched_since.millis())
        .bind(now.millis())
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(stored_key).collect()
    }

    /// At most `limit` keys that were revoked at or before `until` and are still in the feed, the oldest first.
    pub async fn keys_revoked_until(&mut self, until: Time, limit: u32) -> Result<Vec<StoredKey>, StoreError> {
        let rows = sqlx::query(select!(
            "WHERE k.state = 3 AND k.gone_at IS NULL AND k.revoked_at <= ? ORDER BY k.revoked_at LIMIT ?"
        ))
        .bind(until.millis())
        .bind(i64::from(limit))
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(stored_key).collect()
    }
}

impl Store {
    /// The key of this id; `None` when there is none.
    pub async fn key(&self, id: KeyId) -> Result<Option<Key>, StoreError> {
        let row = sqlx::query(select!("WHERE k.id = ?")).bind(id.as_bytes()).fetch_optional(&self.readers).await?;
        Ok(row.as_ref().map(stored_key).transpose()?.map(|stored| stored.key))
    }

    /// Whether there are rotated keys that no proxy has seen for as long as they may be idle. Before `watched_since` nobody could report.
    /// Asked of a reader, so that keys which are not idle yet do not take the writer's time.
    pub async fn has_idle_keys(&self, watched_since: Time, now: Time) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT EXISTS (SELECT 1 FROM keys WHERE idle_limit IS NOT NULL AND state <> 3
                 AND max(idle_since, coalesce(last_seen_at, 0), ?) + idle_limit <= ?)",
        )
        .bind(watched_since.millis())
        .bind(now.millis())
        .fetch_one(&self.readers)
        .await?;
        Ok(row.try_get(0)?)
    }

    /// A page of keys, newest first, with one row more than `page` asks for when there are more.
    pub async fn keys(&self, filter: KeyFilter, page: PageRequest) -> Result<Vec<Key>, StoreError> {
        // One statement for each combination, so that each walks its own index.
        let query = match (filter.project, filter.environment) {
            (Some(project), Some(environment)) => sqlx::query(select!(
                "WHERE k.project = ? AND k.environment = ? AND k.id < ? ORDER BY k.id DESC LIMIT ?"
            ))
            .bind(i64::from(project))
            .bind(environment as i64),
            (Some(project), None) => {
                sqlx::query(select!("WHERE k.project = ? AND k.id < ? ORDER BY k.id DESC LIMIT ?"))
                    .bind(i64::from(project))
            }
            (None, Some(environment)) => {
                sqlx::query(select!("WHERE +k.environment = ? AND k.id < ? ORDER BY k.id DESC LIMIT ?"))
                    .bind(environment as i64)
            }
            (None, None) => sqlx::query(select!("WHERE k.id < ? ORDER BY k.id DESC LIMIT ?")),
        };
        let rows = query.bind(upper_bound(page)).bind(i64::from(page.limit) + 1).fetch_all(&self.readers).await?;
        rows.iter().map(|row| stored_key(row).map(|stored| stored.key)).collect()
    }
}

fn stored_key(row: &SqliteRow) -> Result<StoredKey, StoreError> {
    let key = Key {
        id: KeyId(id(row, "id")?),
        project_id: ProjectId(id(row, "project_id")?),
        account_id: AccountId(id(row, "account_id")?),
        environment: environment(row, "environment")?,
        name: name(row, "name")?,
        mask: row.try_get("mask")?,
        scopes: Scopes::from_joined(row.try_get("scopes")?),
        created_at: time(row, "created_at")?,
        expires_at: optional_time(row, "expires_at")?,
        last_used_at: optional_time(row, "last_used_at")?,
        state: state(row)?,
        replaced_by: optional_id(row, "replaced_by")?.map(KeyId),
        idle_limit: optional_millis(row, "idle_limit")?,
    };
    Ok(StoredKey { key, no: row.try_get("no")?, account: number(row, "account_no")? })
}

fn state(row: &SqliteRow) -> Result<State, StoreError> {
    let corrupt = StoreError::Corrupt { column: "state" };
    let (revoked_at, gone_at) = (optional_time(row, "revoked_at")?, optional_time(row, "gone_at")?);
    match (KeyState::from_number(number(row, "state")?), revoked_at, gone_at) {
        (Some(KeyState::Active), None, None) => Ok(State::Active),
        (Some(KeyState::Disabled), None, None) => Ok(State::Disabled),
        (Some(KeyState::Revoked), Some(at), None) => Ok(State::Revoked { at }),
        (Some(KeyState::Revoked), Some(revoked_at), Some(at)) => Ok(State::Gone { revoked_at, at }),
        _ => Err(corrupt),
    }
}
