//! Projects: `/v1/projects`.

use crate::error::Error;
use crate::id::{AccountId, ProjectId};
use crate::page::{Page, Pager, Range, one_page};
use crate::transport::{Call, Transport};
use crate::version::{Version, Versioned};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const PATH: &[&str] = &["v1", "projects"];

/// The operations on projects; see [`Client::projects`](crate::Client::projects).
#[derive(Clone, Copy)]
pub struct Projects<'a> {
    pub(crate) transport: &'a Arc<Transport>,
}

impl Projects<'_> {
    /// Creates a project.
    ///
    /// ```no_run
    /// # async fn run(client: keyplane_sdk::Client, account: keyplane_sdk::Account) -> Result<(), keyplane_sdk::Error> {
    /// use keyplane_sdk::{CreateProject, Prefixes};
    ///
    /// let prefixes = Prefixes::new("uk_live", "uk_test");
    /// let project = client.projects().create(&CreateProject::new(account.id, "Uploads", prefixes)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create(self, project: &CreateProject) -> Result<Project, Error> {
        self.transport.send(Call::post(PATH, project)).await
    }

    /// The project with this id.
    pub async fn get(self, id: ProjectId) -> Result<Project, Error> {
        self.transport.send(Call::get(&["v1", "projects", &id.to_string()])).await
    }

    /// The project with this id, and its version, for an edit that is done only if nobody edited it meanwhile.
    pub async fn get_versioned(self, id: ProjectId) -> Result<Versioned<Project>, Error> {
        self.transport.send_versioned(Call::get(&["v1", "projects", &id.to_string()])).await
    }

    /// Edits a project. What the change does not name stays as it is.
    pub async fn update(self, id: ProjectId, change: &UpdateProject) -> Result<Project, Error> {
        let call = Call::patch(&["v1", "projects", &id.to_string()], change);
        self.transport.send(call.if_version(change.version.as_ref())).await
    }

    /// One page of projects.
    pub async fn list(self, list: ListProjects) -> Result<Page<Project>, Error> {
        one_page(self.transport, PATH, list.into()).await
    }

    /// All projects of the list, read page by page.
    pub fn all(self, list: ListProjects) -> Pager<Project> {
        Pager::new(Arc::clone(self.transport), PATH, list.into())
    }
}

/// A project of an account. Its keys carry its prefixes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Project {
    /// The project's id.
    pub id: ProjectId,
    /// The account that it belongs to.
    pub account_id: AccountId,
    /// Its name, for people.
    pub name: String,
    /// The prefix of its keys, per environment.
    pub prefixes: Prefixes,
    /// When it was created.
    pub created_at: Timestamp,
}

/// The prefixes of a project's keys, without the underscore that follows them in a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Prefixes {
    /// Of live keys: `uk_live`.
    pub live: String,
    /// Of test keys: `uk_test`.
    pub test: String,
}

impl Prefixes {
    /// Prefixes of at most 16 characters each, `[a-z][a-z0-9_]*`; the server checks them.
    pub fn new(live: impl Into<String>, test: impl Into<String>) -> Self {
        Self { live: live.into(), test: test.into() }
    }
}

/// What a new project is to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CreateProject {
    account_id: AccountId,
    name: String,
    prefixes: Prefixes,
}

impl CreateProject {
    /// A project of `account_id` whose keys begin with `prefixes`.
    pub fn new(account_id: AccountId, name: impl Into<String>, prefixes: Prefixes) -> Self {
        Self { account_id, name: name.into(), prefixes }
    }
}

/// What is to change of a project.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct UpdateProject {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefixes: Option<Prefixes>,
    #[serde(skip)]
    version: Option<Version>,
}

impl UpdateProject {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The prefixes of keys that are made from now on.
    #[must_use]
    pub fn prefixes(mut self, prefixes: Prefixes) -> Self {
        self.prefixes = Some(prefixes);
        self
    }

    /// Does it only if it still has this version, as it was read with [`get_versioned`](crate::Projects::get_versioned). Otherwise
    /// the answer is [`Error::Changed`](crate::Error::Changed).
    #[must_use]
    pub fn if_version(mut self, version: &Version) -> Self {
        self.version = Some(version.clone());
        self
    }
}

/// Which projects to list, and how many at a time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListProjects {
    account_id: Option<AccountId>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl ListProjects {
    /// All of them, in pages of the server's usual size.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of this account.
    #[must_use]
    pub fn account(mut self, id: AccountId) -> Self {
        self.account_id = Some(id);
        self
    }

    /// The most objects on a page.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Begins where an earlier page ended: its [`next_cursor`](Page::next_cursor).
    #[must_use]
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }
}

impl From<ListProjects> for Range {
    fn from(list: ListProjects) -> Self {
        let account = list.account_id.map(|id| ("account_id", id.to_string()));
        let limit = list.limit.map(|limit| ("limit", limit.to_string()));
        Self { filters: account.into_iter().chain(limit).collect(), cursor: list.cursor }
    }
}
