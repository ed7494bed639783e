//! Rows of `keys`. Only digest and mask are stored, never a secret.

use super::accounts::status;
use super::row::{environment, id, name, number, optional_id, optional_millis, optional_time, time, upper_bound};
use super::users::role;
use super::{Store, StoreError, WriteTx};
use crate::domain::account::AccountStatus;
use crate::domain::cursor::PageRequest;
use crate::domain::id::{AccountId, KeyId, ProjectId, UserId};
use crate::domain::key::{Key, Owner, RevokeReason, State};
use crate::domain::metadata::Metadata;
use crate::domain::name::Name;
use crate::domain::networks::Networks;
use crate::domain::scope::Scopes;
use crate::domain::time::Time;
use crate::domain::user::Role;
use keyplane_contract::digest::Digest;
use keyplane_contract::sync::{Environment, Key as WireKey, KeyState};
use serde_json::json;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use std::collections::HashMap;
use std::time::Duration;

/// A key with its owner, its restrictions, and the numbers that other rows refer to it by.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT k.no, k.revision, k.id, k.mask, k.environment, k.name, k.metadata, k.state, k.created_at, k.expires_at,
                    k.last_used_at, k.revoked_at, k.revoke_reason, k.gone_at, k.idle_limit, r.id AS replaced_by, p.id AS project_id,
                    u.id AS user_id, u.no AS user_no, u.role AS user_role, a.id AS account_id, a.no AS account_no,
                    a.status AS account_status, coalesce(o.scopes, '') AS scopes, coalesce(o.networks, x'') AS networks
             FROM keys k
             LEFT JOIN projects p ON p.no = k.project
             LEFT JOIN users u ON u.no = k.user
             JOIN accounts a ON a.no = k.account
             LEFT JOIN policies o ON o.no = k.policy
             LEFT JOIN keys r ON r.no = k.replaced_by ",
            $rest
        )
    };
}
pub(super) use select;

/// What a new key row is made of.
#[derive(Debug)]
pub struct NewKeyRow {
    /// Its id.
    pub id: KeyId,
    /// What it is looked up by.
    pub digest: Digest,
    /// The mask.
    pub mask: String,
    /// Number of its account.
    pub account: u32,
    /// Number of its project, or of its user.
    pub owner: OwnerNo,
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
    /// What its owner keeps with it.
    pub metadata: Metadata,
}

/// What a key belongs to, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OwnerNo {
    /// A project.
    Project(u32),
    /// A user.
    User(u32),
}

/// A key and the numbers by which other rows refer to it and its account.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// The key.
    pub key: Key,
    /// Its number.
    pub no: i64,
    /// The revision of its last change that proxies are told of.
    pub revision: u64,
    /// Number of its account.
    pub account: u32,
    /// Number of its user; `None` for a project's key.
    pub user: Option<u32>,
}

/// A key that somebody presents, and on whose behalf.
#[derive(Clone, Debug)]
pub struct HeldKey {
    /// The key.
    pub stored: StoredKey,
    /// Whether its account's keys work.
    pub account_status: AccountStatus,
    /// What its user is in the account; `None` for a project's key.
    pub role: Option<Role>,
}

/// Which keys a list shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeyFilter {
    /// Only keys of the account with this number.
    pub account: Option<u32>,
    /// Only keys of the project with this number.
    pub project: Option<u32>,
    /// Only keys of this environment.
    pub environment: Option<Environment>,
}

impl WriteTx {
    /// Adds an active key. It takes the next revision and enters the feed.
    pub async fn insert_key(&mut self, key: &NewKeyRow) -> Result<(), StoreError> {
        let revision = self.next_revision();
        let (project, user) = match key.owner {
            OwnerNo::Project(no) => (Some(no), None),
            OwnerNo::User(no) => (None, Some(no)),
        };
        sqlx::query(
            "INSERT INTO keys (id, revision, digest, mask, account, project, user, environment, name, policy, state,
                               created_at, expires_at, metadata)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(key.id.as_bytes())
        .bind(revision)
        .bind(&key.digest.as_bytes()[..])
        .bind(&key.mask)
        .bind(i64::from(key.account))
        .bind(project.map(i64::from))
        .bind(user.map(i64::from))
        .bind(key.environment as i64)
        .bind(key.name.as_str())
        .bind(key.policy.map(i64::from))
        .bind(KeyState::Active as i64)
        .bind(key.created_at.millis())
        .bind(key.expires_at.map(Time::millis))
        .bind(key.metadata.text())
        .execute(self.connection())
        .await?;
        self.count_keys(1);
        Ok(())
    }

    /// The key or personal access token of this id; `None` when there is none.
    pub async fn key(&mut self, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        let row = sqlx::query(select!("WHERE k.id = ?")).bind(id.as_bytes()).fetch_optional(self.connection()).await?;
        row.as_ref().map(stored_key).transpose()
    }

    /// The key or personal access token of this number; `None` when there is none.
    pub async fn key_of_number(&mut self, no: i64) -> Result<Option<StoredKey>, StoreError> {
        let row = sqlx::query(select!("WHERE k.no = ?")).bind(no).fetch_optional(self.connection()).await?;
        row.as_ref().map(stored_key).transpose()
    }

    /// How many keys of a project count against its plan's cap at `now`: those that may still be used, without the ones
    /// that are being replaced.
    pub async fn counted_keys(&mut self, project: u32, now: Time) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT count(*) AS counted FROM keys
             WHERE project = ? AND state <> 3 AND replaced_by IS NULL AND (expires_at IS NULL OR expires_at > ?)",
        )
        .bind(i64::from(project))
        .bind(now.millis())
        .fetch_one(self.connection())
        .await?;
        number(&row, "counted")
    }

    /// How many keys of a project are being replaced and may still be used at `now`.
    pub async fn ending_keys(&mut self, project: u32, now: Time) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT count(*) AS ending FROM keys
             WHERE project = ? AND state <> 3 AND replaced_by IS NOT NULL AND (expires_at IS NULL OR expires_at > ?)",
        )
        .bind(i64::from(project))
        .bind(now.millis())
        .fetch_one(self.connection())
        .await?;
        number(&row, "ending")
    }

    /// The personal access tokens of a user that are not revoked.
    pub async fn unrevoked_tokens(&mut self, user: u32) -> Result<Vec<StoredKey>, StoreError> {
        let rows = sqlx::query(select!("WHERE k.user = ? AND k.state <> 3"))
            .bind(i64::from(user))
            .fetch_all(self.connection())
            .await?;
        rows.iter().map(stored_key).collect()
    }

    /// Gives a key another name and other metadata. No revision is taken: what proxies know of metadata is in the policy.
    pub async fn update_key_labels(&mut self, no: i64, name: &Name, metadata: &Metadata) -> Result<(), StoreError> {
        sqlx::query("UPDATE keys SET name = ?, metadata = ? WHERE no = ?")
            .bind(name.as_str())
            .bind(metadata.text())
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

    /// Writes down when keys, by number, were used at the management API.
    pub async fn note_last_uses(&mut self, uses: &HashMap<i64, Time>) -> Result<(), StoreError> {
        let uses: Vec<_> = uses.iter().map(|(no, at)| json!([no, at.millis()])).collect();
        sqlx::query(
            "UPDATE keys SET last_used_at = max(coalesce(last_used_at, 0), used.at),
                 last_seen_at = max(coalesce(last_seen_at, 0), used.at)
             FROM (SELECT value ->> 0 AS no, value ->> 1 AS at FROM json_each(?)) AS used WHERE keys.no = used.no",
        )
        .bind(json!(uses).to_string())
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Writes down why a key was revoked.
    pub async fn set_revoke_reason(&mut self, no: i64, reason: &RevokeReason) -> Result<(), StoreError> {
        sqlx::query("UPDATE keys SET revoke_reason = ? WHERE no = ?")
            .bind(reason.as_str())
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
    /// The key or personal access token of this id; `None` when there is none.
    pub async fn key(&self, id: KeyId) -> Result<Option<StoredKey>, StoreError> {
        let row = sqlx::query(select!("WHERE k.id = ?")).bind(id.as_bytes()).fetch_optional(&self.readers).await?;
        row.as_ref().map(stored_key).transpose()
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

    /// The key or personal access token with this digest, whatever its state.
    pub async fn held_key(&self, digest: &Digest) -> Result<Option<HeldKey>, StoreError> {
        let row = sqlx::query(select!("WHERE k.digest = ?"))
            .bind(&digest.as_bytes()[..])
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(held).transpose()
    }

    /// The key or personal access token of this id as its holder's, whatever its state.
    pub async fn held_key_of_id(&self, id: KeyId) -> Result<Option<HeldKey>, StoreError> {
        let row = sqlx::query(select!("WHERE k.id = ?")).bind(id.as_bytes()).fetch_optional(&self.readers).await?;
        row.as_ref().map(held).transpose()
    }

    /// A page of projects' keys, newest first, with one row more than `page` asks for when there are more.
    pub async fn keys(&self, filter: KeyFilter, page: PageRequest) -> Result<Vec<StoredKey>, StoreError> {
        // One statement for each combination, so that each walks an index of its own; `+` keeps the planner from the
        // index of environments. Whoever names a project has been found to reach it.
        let query = match (filter.project, filter.account, filter.environment) {
            (Some(project), _, Some(environment)) => sqlx::query(select!(
                "WHERE k.project = ? AND k.environment = ? AND k.id < ? ORDER BY k.id DESC LIMIT ?"
            ))
            .bind(i64::from(project))
            .bind(environment as i64),
            (Some(project), _, None) => {
                sqlx::query(select!("WHERE k.project = ? AND k.id < ? ORDER BY k.id DESC LIMIT ?"))
                    .bind(i64::from(project))
            }
            (None, Some(account), Some(environment)) => sqlx::query(select!(
                "WHERE k.account = ? AND k.project IS NOT NULL AND +k.environment = ? AND k.id < ?
                 ORDER BY k.id DESC LIMIT ?"
            ))
            .bind(i64::from(account))
            .bind(environment as i64),
            (None, Some(account), None) => sqlx::query(select!(
                "WHERE k.account = ? AND k.project IS NOT NULL AND k.id < ? ORDER BY k.id DESC LIMIT ?"
            ))
            .bind(i64::from(account)),
            (None, None, Some(environment)) => sqlx::query(select!(
                "WHERE +k.project IS NOT NULL AND +k.environment = ? AND k.id < ? ORDER BY k.id DESC LIMIT ?"
            ))
            .bind(environment as i64),
            (None, None, None) => {
                sqlx::query(select!("WHERE +k.project IS NOT NULL AND k.id < ? ORDER BY k.id DESC LIMIT ?"))
            }
        };
        let rows = query.bind(upper_bound(page)).bind(i64::from(page.limit) + 1).fetch_all(&self.readers).await?;
        rows.iter().map(stored_key).collect()
    }

    /// How many keys each of these projects (by their numbers) has that count towards the cap at `now`, up to `most`.
    pub async fn counted_keys_of(
        &self,
        projects: Vec<u32>,
        now: Time,
        most: u32,
    ) -> Result<HashMap<u32, u32>, StoreError> {
        let rows = sqlx::query(
            "SELECT p.value AS project, (SELECT count(*) FROM (
                 SELECT 1 FROM keys
                 WHERE project = p.value AND state <> 3 AND replaced_by IS NULL AND (expires_at IS NULL OR expires_at > ?)
                 LIMIT ?)) AS counted
             FROM json_each(?) p",
        )
        .bind(now.millis())
        .bind(i64::from(most))
        .bind(serde_json::Value::from(projects).to_string())
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| Ok((number(row, "project")?, number(row, "counted")?))).collect()
    }

    /// A page of personal access tokens: of one user, of one account or of all; newest first, with one row more than
    /// `page` asks for when there are more.
    pub async fn personal_tokens(
        &self,
        account: Option<u32>,
        user: Option<u32>,
        page: PageRequest,
    ) -> Result<Vec<StoredKey>, StoreError> {
        let query = match (user, account) {
            (Some(user), _) => {
                sqlx::query(select!("WHERE k.user = ? AND k.id < ? ORDER BY k.id DESC LIMIT ?")).bind(i64::from(user))
            }
            (None, Some(account)) => sqlx::query(select!(
                "WHERE k.account = ? AND k.user IS NOT NULL AND k.id < ? ORDER BY k.id DESC LIMIT ?"
            ))
            .bind(i64::from(account)),
            (None, None) => sqlx::query(select!("WHERE k.user IS NOT NULL AND k.id < ? ORDER BY k.id DESC LIMIT ?")),
        };
        let rows = query.bind(upper_bound(page)).bind(i64::from(page.limit) + 1).fetch_all(&self.readers).await?;
        rows.iter().map(stored_key).collect()
    }
}

fn held(row: &SqliteRow) -> Result<HeldKey, StoreError> {
    let stored = stored_key(row)?;
    let role = stored.user.map(|_| role(row, "user_role")).transpose()?;
    Ok(HeldKey { stored, account_status: status(row, "account_status")?, role })
}

pub(super) fn stored_key(row: &SqliteRow) -> Result<StoredKey, StoreError> {
    let key = Key {
        id: KeyId(id(row, "id")?),
        owner: owner(row)?,
        account_id: AccountId(id(row, "account_id")?),
        environment: environment(row, "environment")?,
        name: name(row, "name")?,
        mask: row.try_get("mask")?,
        scopes: Scopes::from_joined(row.try_get("scopes")?),
        networks: Networks::from_bytes(row.try_get("networks")?).ok_or(StoreError::Corrupt { column: "networks" })?,
        metadata: Metadata::from_text(row.try_get("metadata")?).ok_or(StoreError::Corrupt { column: "metadata" })?,
        created_at: time(row, "created_at")?,
        expires_at: optional_time(row, "expires_at")?,
        last_used_at: optional_time(row, "last_used_at")?,
        state: state(row)?,
        replaced_by: optional_id(row, "replaced_by")?.map(KeyId),
        idle_limit: optional_millis(row, "idle_limit")?,
        revoke_reason: row
            .try_get::<Option<&str>, _>("revoke_reason")?
            .map(RevokeReason::parse)
            .transpose()
            .map_err(|_| StoreError::Corrupt { column: "revoke_reason" })?,
    };
    let user = match key.owner {
        Owner::Project(_) => None,
        Owner::User(_) => Some(number(row, "user_no")?),
    };
    Ok(StoredKey {
        key,
        no: row.try_get("no")?,
        revision: number(row, "revision")?,
        account: number(row, "account_no")?,
        user,
    })
}

fn owner(row: &SqliteRow) -> Result<Owner, StoreError> {
    if row.try_get::<Option<&[u8]>, _>("user_id")?.is_some() {
        Ok(Owner::User(UserId(id(row, "user_id")?)))
    } else {
        Ok(Owner::Project(ProjectId(id(row, "project_id")?)))
    }
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
