//! Makes a project.

use super::pending::Pending;
use super::update_project::told;
use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::{AccountId, ProjectId};
use crate::domain::name::Name;
use crate::domain::project::{Prefixes, Project};
use crate::domain::rights::{Resource, Right};
use crate::error::Error;

/// What a new project is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewProject {
    /// Its account.
    pub account_id: AccountId,
    /// Its name.
    pub name: Name,
    /// What its keys begin with.
    pub prefixes: Prefixes,
}

/// Makes a project in an account.
pub async fn create_project(app: &App, by: &Origin, new: NewProject) -> Result<Pending<Project>, Error> {
    let reach = by.may(Right::write(Resource::Projects))?;
    let now = app.now();
    let id = ProjectId::generate(now, &*app.random)?;
    let mut tx = app.store.write().await?;
    let account = tx.account(new.account_id).await?.filter(|account| reach.covers(account.no));
    let account = account.ok_or_else(|| Error::not_found_in("account", "account_id"))?;
    let project = tx.insert_project(id, &account, new.name, new.prefixes, now).await?;
    let detail = told(&project);
    tx.append_audit(&audit(now, by, Action::CreateProject, id.0, Some(account.no), detail)).await?;
    Ok(Pending::new(project, tx))
}
