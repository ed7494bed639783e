//! Looks at accounts, projects and keys. Reads change nothing and wait for no writer.

use super::App;
use crate::domain::account::Account;
use crate::domain::cursor::{Listing, PageRequest};
use crate::domain::id::{AccountId, KeyId, ProjectId};
use crate::domain::key::Key;
use crate::domain::project::Project;
use crate::domain::source::Source;
use crate::error::Error;
use crate::store::KeyFilter;
use keyplane_contract::sync::Environment;

/// The account of this id.
pub async fn account(app: &App, id: AccountId) -> Result<Account, Error> {
    app.store.account(id).await?.ok_or_else(|| Error::not_found("account"))
}

/// A page of accounts.
pub async fn accounts(app: &App, page: PageRequest) -> Result<Listing<Account>, Error> {
    Ok(Listing::of(app.store.accounts(page).await?, page, |account| account.id.0))
}

/// The project of this id.
pub async fn project(app: &App, id: ProjectId) -> Result<Project, Error> {
    app.store.project(id).await?.ok_or_else(|| Error::not_found("project"))
}

/// A page of projects, of one account or of all.
pub async fn projects(app: &App, account: Option<AccountId>, page: PageRequest) -> Result<Listing<Project>, Error> {
    let account = match account {
        Some(id) => {
            let found = app.store.account(id).await?;
            Some(found.ok_or_else(|| Error::not_found_in("account", "account_id"))?.no)
        }
        None => None,
    };
    Ok(Listing::of(app.store.projects(account, page).await?, page, |project| project.id.0))
}

/// The key of this id.
pub async fn key(app: &App, id: KeyId) -> Result<Key, Error> {
    app.store.key(id).await?.ok_or_else(|| Error::not_found("key"))
}

/// Where a key was used from, the source used last first.
pub async fn key_sources(app: &App, id: KeyId) -> Result<Vec<Source>, Error> {
    if app.store.key(id).await?.is_none() {
        return Err(Error::not_found("key"));
    }
    Ok(app.store.key_sources(id).await?)
}

/// A page of keys, of one project or of all, of one environment or of both.
pub async fn keys(
    app: &App,
    project: Option<ProjectId>,
    environment: Option<Environment>,
    page: PageRequest,
) -> Result<Listing<Key>, Error> {
    let project = match project {
        Some(id) => {
            let found = app.store.project(id).await?;
            Some(found.ok_or_else(|| Error::not_found_in("project", "project_id"))?.no)
        }
        None => None,
    };
    let filter = KeyFilter { project, environment };
    Ok(Listing::of(app.store.keys(filter, page).await?, page, |key| key.id.0))
}
