//! Makes a key. This is the only time that its secret leaves.

use super::{App, audit, future};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::{KeyId, ProjectId};
use crate::domain::key::{Key, State};
use crate::domain::name::Name;
use crate::domain::scope::Scopes;
use crate::domain::secret::Secret;
use crate::domain::time::Time;
use crate::error::Error;
use crate::store::NewKeyRow;
use keyplane_contract::sync::Environment;
use serde_json::json;

/// What a new key is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewKey {
    /// Its project.
    pub project_id: ProjectId,
    /// `live` or `test`.
    pub environment: Environment,
    /// Its name.
    pub name: Name,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it ends; `None` for never.
    pub expires_at: Option<Time>,
}

/// A new key and its secret.
#[derive(Debug)]
pub struct CreatedKey {
    /// The key.
    pub key: Key,
    /// The full key.
    pub secret: Secret,
}

/// Makes a key in a project.
pub async fn create_key(app: &App, origin: &Origin, new: NewKey) -> Result<CreatedKey, Error> {
    let now = app.now();
    future("expires_at", new.expires_at, now)?;
    let id = KeyId::generate(now, &*app.random)?;
    let mut tx = app.store.write().await?;
    let owned = tx.owned_project(new.project_id).await?.ok_or_else(|| Error::not_found_in("project", "project_id"))?;
    let secret = Secret::generate(owned.project.prefixes.of(new.environment), &*app.random)?;
    let policy = tx.policy(&new.scopes).await?;
    let row = NewKeyRow {
        id,
        digest: secret.digest(),
        mask: secret.mask(),
        project: owned.project.no,
        environment: new.environment,
        name: new.name,
        policy,
        created_at: now,
        expires_at: new.expires_at,
    };
    tx.insert_key(&row).await?;
    let detail = json!({
        "name": row.name,
        "key_prefix": row.mask,
        "project_id": new.project_id,
        "environment": new.environment.name(),
        "scopes": new.scopes,
        "expires_at": new.expires_at,
    });
    tx.append_audit(&audit(now, origin, Action::CreateKey, id.0, Some(owned.account.no), detail)).await?;
    tx.commit().await?;
    let key = Key {
        id,
        project_id: new.project_id,
        account_id: owned.account.id,
        environment: new.environment,
        name: row.name,
        mask: row.mask,
        scopes: new.scopes,
        created_at: now,
        expires_at: new.expires_at,
        last_used_at: None,
        state: State::Active,
        replaced_by: None,
        idle_limit: None,
    };
    Ok(CreatedKey { key, secret })
}
