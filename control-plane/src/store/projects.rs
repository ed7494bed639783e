//! Rows of `projects`.

use super::row::{id, name, number, time, upper_bound};
use super::{Store, StoreError, WriteTx};
use crate::domain::account::Account;
use crate::domain::cursor::PageRequest;
use crate::domain::id::{AccountId, ProjectId};
use crate::domain::name::Name;
use crate::domain::project::{OwnedProject, Prefixes, Project};
use crate::domain::time::Time;
use keyplane_contract::key::Prefix;
use keyplane_contract::sync::Environment;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

/// The columns of a project with its account's id.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT p.no, p.id, p.account, p.name, p.prefix_live, p.prefix_test, p.created_at, a.id AS account_id
             FROM projects p JOIN accounts a ON a.no = p.account ",
            $rest
        )
    };
}

impl WriteTx {
    /// Adds a project. It takes the next revision.
    pub async fn insert_project(
        &mut self,
        id: ProjectId,
        account: &Account,
        name: Name,
        prefixes: Prefixes,
        now: Time,
    ) -> Result<Project, StoreError> {
        let revision = self.next_revision();
        let row = sqlx::query(
            "INSERT INTO projects (id, revision, account, name, prefix_live, prefix_test, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING no",
        )
        .bind(id.as_bytes())
        .bind(revision)
        .bind(i64::from(account.no))
        .bind(name.as_str())
        .bind(prefixes.of(Environment::Live).as_str())
        .bind(prefixes.of(Environment::Test).as_str())
        .bind(now.millis())
        .fetch_one(self.connection())
        .await?;
        Ok(Project {
            no: number(&row, "no")?,
            id,
            account: account.no,
            account_id: account.id,
            name,
            prefixes,
            created_at: now,
        })
    }

    /// The project of this id with its account; `None` when there is none.
    pub async fn owned_project(&mut self, id: ProjectId) -> Result<Option<OwnedProject>, StoreError> {
        let row = sqlx::query(select!("WHERE p.id = ?")).bind(id.as_bytes()).fetch_optional(self.connection()).await?;
        let Some(row) = row else { return Ok(None) };
        let project = project(&row)?;
        let account = self.account(project.account_id).await?;
        let account = account.ok_or(StoreError::Corrupt { column: "account" })?;
        Ok(Some(OwnedProject { project, account }))
    }

    /// Writes what can be edited of a project. Proxies know nothing of it, so no revision is taken.
    pub async fn update_project(&mut self, project: &Project) -> Result<(), StoreError> {
        sqlx::query("UPDATE projects SET name = ?, prefix_live = ?, prefix_test = ? WHERE no = ?")
            .bind(project.name.as_str())
            .bind(project.prefixes.of(Environment::Live).as_str())
            .bind(project.prefixes.of(Environment::Test).as_str())
            .bind(i64::from(project.no))
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

impl Store {
    /// The project of this id; `None` when there is none.
    pub async fn project(&self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        let row = sqlx::query(select!("WHERE p.id = ?")).bind(id.as_bytes()).fetch_optional(&self.readers).await?;
        row.as_ref().map(project).transpose()
    }

    /// A page of projects, of one account (by its number) or of all, newest first, with one row more than `page` asks for.
    pub async fn projects(&self, account: Option<u32>, page: PageRequest) -> Result<Vec<Project>, StoreError> {
        // Two statements, so that each walks its own index.
        let query = match account {
            Some(account) => sqlx::query(select!("WHERE p.account = ? AND p.id < ? ORDER BY p.id DESC LIMIT ?"))
                .bind(i64::from(account)),
            None => sqlx::query(select!("WHERE p.id < ? ORDER BY p.id DESC LIMIT ?")),
        };
        let rows = query.bind(upper_bound(page)).bind(i64::from(page.limit) + 1).fetch_all(&self.readers).await?;
        rows.iter().map(project).collect()
    }
}

fn project(row: &SqliteRow) -> Result<Project, StoreError> {
    let prefix = |column: &'static str| -> Result<Prefix, StoreError> {
        Prefix::parse(row.try_get(column)?).map_err(|_| StoreError::Corrupt { column })
    };
    let prefixes = Prefixes::new(prefix("prefix_live")?, prefix("prefix_test")?)
        .map_err(|_| StoreError::Corrupt { column: "prefix_test" })?;
    Ok(Project {
        no: number(row, "no")?,
        id: ProjectId(id(row, "id")?),
        account: number(row, "account")?,
        account_id: AccountId(id(row, "account_id")?),
        name: name(row, "name")?,
        prefixes,
        created_at: time(row, "created_at")?,
    })
}
