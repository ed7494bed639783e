//! Edits a project: its name, and what new keys begin with. Keys that are there keep their prefix.

use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::ProjectId;
use crate::domain::name::Name;
use crate::domain::project::{Prefixes, Project};
use crate::domain::rights::{Resource, Right};
use crate::domain::version::Expected;
use crate::error::{Code, Error};
use keyplane_contract::sync::Environment;
use serde_json::{Value, json};

/// What is to change; `None` leaves it as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProjectChange {
    /// Its name.
    pub name: Option<Name>,
    /// What its new keys begin with.
    pub prefixes: Option<Prefixes>,
}

/// Edits a project, if it is as `expected`. What is so already changes nothing.
pub async fn update_project(
    app: &App,
    by: &Origin,
    id: ProjectId,
    expected: &Expected,
    change: ProjectChange,
) -> Result<Project, Error> {
    let reach = by.may(Right::write(Resource::Projects))?;
    let now = app.now();
    let mut tx = app.store.write().await?;
    let owned = tx.owned_project(id).await?.filter(|owned| reach.covers(owned.account.no));
    let old = owned.ok_or_else(|| Error::not_found("project"))?.project;
    if !expected.allows(old.version()) {
        return Err(Error::new(Code::PreconditionFailed));
    }
    let mut new = old.clone();
    if let Some(name) = change.name {
        new.name = name;
    }
    if let Some(prefixes) = change.prefixes {
        new.prefixes = prefixes;
    }
    if new == old {
        tx.commit().await?;
        return Ok(new);
    }
    tx.update_project(&new).await?;
    let detail = json!({ "from": told(&old), "to": told(&new) });
    tx.append_audit(&audit(now, by, Action::UpdateProject, id.0, Some(new.account), detail)).await?;
    tx.commit().await?;
    Ok(new)
}

/// What the audit log tells of a project.
pub(super) fn told(project: &Project) -> Value {
    json!({
        "name": project.name,
        "prefixes": {
            "live": project.prefixes.of(Environment::Live).as_str(),
            "test": project.prefixes.of(Environment::Test).as_str(),
        },
    })
}
