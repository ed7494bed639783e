//! Usage of keys: `/v1/usage`.

use crate::error::Error;
use crate::id::{AccountId, KeyId, ProjectId};
use crate::keys::Environment;
use crate::page::{Pager, Range, one_page};
use crate::transport::Transport;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

const PATH: &[&str] = &["v1", "usage"];

/// Adding up usage; see [`Client::usage`](crate::Client::usage).
#[derive(Clone, Copy)]
pub struct Usage<'a> {
    pub(crate) transport: &'a Arc<Transport>,
}

impl Usage<'_> {
    /// One page of sums.
    pub async fn list(self, list: ListUsage) -> Result<UsagePage, Error> {
        one_page(self.transport, PATH, list.into()).await
    }

    /// All sums of the list, read page by page.
    ///
    /// ```no_run
    /// # async fn run(client: keyplane_sdk::Client, project: keyplane_sdk::ProjectId) -> Result<(), keyplane_sdk::Error> {
    /// use keyplane_sdk::ListUsage;
    ///
    /// let mut rows = client.usage().all(ListUsage::new().project(project).group_by(["key", "day"]));
    /// while let Some(row) = rows.next().await? {
    ///     println!("{:?} {:?} {}", row.key_id, row.day, row.allowed);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn all(self, list: ListUsage) -> Pager<UsageRow> {
        Pager::new(Arc::clone(self.transport), PATH, list.into())
    }
}

/// One page of sums, and the time that they are of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UsagePage {
    /// From this time on: a whole hour, so it may be a little earlier than was asked for.
    pub from: Timestamp,
    /// Before this time.
    pub to: Timestamp,
    /// The sums.
    pub data: Vec<UsageRow>,
    /// Where the next page begins; `None` on the last page. Opaque: only to be passed back with the same filters.
    pub next_cursor: Option<String>,
}

/// Requests with known keys, added up. Only the fields of what it is grouped by are there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UsageRow {
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// The project; `None` also for personal access tokens, which belong to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<ProjectId>,
    /// Live or test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// The day in UTC, such as `2030-01-15`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// Begin of the hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hour: Option<Timestamp>,
    /// What became of the requests: `allowed`, or why they were refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Requests that were let pass.
    pub allowed: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Refused requests by reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_reason: Option<BTreeMap<String, u64>>,
}

/// Which usage to add up, and by what.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListUsage {
    filters: Vec<(&'static str, String)>,
    cursor: Option<String>,
}

impl ListUsage {
    /// The last 30 days of all that the credential may see, in one row.
    pub fn new() -> Self {
        Self::default()
    }

    /// What to add up by: `account`, `project`, `environment`, `key`, `day`, `hour`, `reason`. Rows are ordered by it as
    /// it is given.
    #[must_use]
    pub fn group_by<S: AsRef<str>>(self, groups: impl IntoIterator<Item = S>) -> Self {
        let groups: Vec<_> = groups.into_iter().map(|group| group.as_ref().to_owned()).collect();
        self.with("group_by", groups.join(","))
    }

    /// From this time on.
    #[must_use]
    pub fn from(self, time: Timestamp) -> Self {
        self.with("from", time.to_string())
    }

    /// Before this time.
    #[must_use]
    pub fn to(self, time: Timestamp) -> Self {
        self.with("to", time.to_string())
    }

    /// Only keys of this account.
    #[must_use]
    pub fn account(self, id: AccountId) -> Self {
        self.with("account_id", id.to_string())
    }

    /// Only keys of this project.
    #[must_use]
    pub fn project(self, id: ProjectId) -> Self {
        self.with("project_id", id.to_string())
    }

    /// Only this key.
    #[must_use]
    pub fn key(self, id: KeyId) -> Self {
        self.with("key_id", id.to_string())
    }

    /// Only keys of this environment.
    #[must_use]
    pub fn environment(self, environment: Environment) -> Self {
        self.with("environment", environment.to_string())
    }

    /// The most rows on a page.
    #[must_use]
    pub fn limit(self, limit: u32) -> Self {
        self.with("limit", limit.to_string())
    }

    /// Begins where an earlier page ended: its [`next_cursor`](UsagePage::next_cursor).
    #[must_use]
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// The last word on `name` counts.
    fn with(mut self, name: &'static str, value: String) -> Self {
        self.filters.retain(|(known, _)| *known != name);
        self.filters.push((name, value));
        self
    }
}

impl From<ListUsage> for Range {
    fn from(list: ListUsage) -> Self {
        Self { filters: list.filters, cursor: list.cursor }
    }
}
