//! Counts of keys that deserve a look, of one account, in one walk over its keys. The lists of the same keys are in [`super::key_search`].

use super::row::{id, name, number};
use super::{Store, StoreError};
use crate::domain::attention::{ENDING, ENDING_SOON, LONG_UNUSED, UNUSED};
use crate::domain::id::ProjectId;
use crate::domain::name::Name;
use crate::domain::time::Time;
use keyplane_contract::sync::KeyState;

/// The most keys that are looked at, the newest: an answer for people costs the same in any account beyond it.
const MOST: i64 = 100_000;

/// Counts of a project's keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyTally {
    /// The project.
    pub project: ProjectId,
    /// Its name.
    pub name: Name,
    /// Keys that count against the plan's cap.
    pub counted: u32,
    /// Keys that work.
    pub working: u32,
    /// Of those that work and are not being replaced: not used for [`UNUSED`].
    pub unused: u32,
    /// Of those: never used at all.
    pub never_used: u32,
    /// Of those: not used for [`LONG_UNUSED`].
    pub long_unused: u32,
    /// Keys that work, are not being replaced, and end within [`ENDING`].
    pub ending: u32,
    /// Of those: within [`ENDING_SOON`].
    pub ending_soon: u32,
    /// Keys that work on while another takes their place.
    pub replaced: u32,
}

impl Store {
    /// Counts the keys of the account with this number, by project. Projects without keys are left out.
    pub async fn key_tallies(&self, account: u32, now: Time) -> Result<Vec<KeyTally>, StoreError> {
        let rows = sqlx::query(
            "SELECT p.id, p.name,
                 count(*) FILTER (WHERE k.stays AND k.unexpired) AS counted,
                 count(*) FILTER (WHERE k.works) AS working,
                 count(*) FILTER (WHERE k.works AND k.stays AND k.idle_since <= ?3) AS unused,
                 count(*) FILTER (WHERE k.works AND k.stays AND k.idle_since <= ?3 AND k.never) AS never_used,
                 count(*) FILTER (WHERE k.works AND k.stays AND k.idle_since <= ?4) AS long_unused,
                 count(*) FILTER (WHERE k.works AND k.stays AND k.expires_at <= ?5) AS ending,
                 count(*) FILTER (WHERE k.works AND k.stays AND k.expires_at <= ?6) AS ending_soon,
                 count(*) FILTER (WHERE k.works AND NOT k.stays) AS replaced
             FROM (
                 SELECT project, expires_at, coalesce(last_used_at, created_at) AS idle_since, last_used_at IS NULL AS never,
                     replaced_by IS NULL AS stays, expires_at IS NULL OR expires_at > ?2 AS unexpired,
                     state = ?7 AND (expires_at IS NULL OR expires_at > ?2) AS works
                 FROM keys WHERE account = ?1 AND project IS NOT NULL AND state <> ?8 ORDER BY id DESC LIMIT ?9
             ) k JOIN projects p ON p.no = k.project GROUP BY p.no ORDER BY p.id DESC",
        )
        .bind(i64::from(account))
        .bind(now.millis())
        .bind(now.before(UNUSED).millis())
        .bind(now.before(LONG_UNUSED).millis())
        .bind(now.after(ENDING).millis())
        .bind(now.after(ENDING_SOON).millis())
        .bind(KeyState::Active as i64)
        .bind(KeyState::Revoked as i64)
        .bind(MOST)
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(KeyTally {
                    project: ProjectId(id(row, "id")?),
                    name: name(row, "name")?,
                    counted: number(row, "counted")?,
                    working: number(row, "working")?,
                    unused: number(row, "unused")?,
                    never_used: number(row, "never_used")?,
                    long_unused: number(row, "long_unused")?,
                    ending: number(row, "ending")?,
                    ending_soon: number(row, "ending_soon")?,
                    replaced: number(row, "replaced")?,
                })
            })
            .collect()
    }
}
