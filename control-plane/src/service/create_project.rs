//! Makes a project.

use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::{AccountId, ProjectId};
use crate::domain::name::Name;
use crate::domain::project::{Prefixes, Project};
use crate::error::Error;
use keyplane_contract::sync::Environment;
use serde_json::json;

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
pub async fn create_project(app: &App, origin: &Origin, new: NewProject) -> Result<Project, Error> {
    let now = app.now();
    let id = ProjectId::generate(now, &*app.random)?;
    let mut tx = app.store.write().await?;
    let account = tx.account(new.account_id).await?.ok_or_else(|| Error::not_found_in("account", "account_id"))?;
    let project = tx.insert_project(id, &account, new.name, new.prefixes, now).await?;
    let detail = json!({
        "name": project.name,
        "prefixes": {
            "live": project.prefixes.of(Environment::Live).as_str(),
            "test": project.prefixes.of(Environment::Test).as_str(),
        },
    });
    tx.append_audit(&audit(now, origin, Action::CreateProject, id.0, Some(account.no), detail)).await?;
    tx.commit().await?;
    Ok(project)
}
