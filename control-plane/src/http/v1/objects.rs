//! The objects of the API, as they are shown.

use crate::domain::account::{Account, AccountStatus};
use crate::domain::id::{AccountId, KeyId, ProjectId};
use crate::domain::key::{Key, Status};
use crate::domain::name::Name;
use crate::domain::project::Project;
use crate::domain::scope::Scopes;
use crate::domain::time::Time;
use keyplane_contract::sync::Environment;
use serde::Serialize;

/// An account.
#[derive(Serialize)]
pub struct AccountObject {
    id: AccountId,
    name: Name,
    status: AccountStatus,
    created_at: Time,
}

impl From<Account> for AccountObject {
    fn from(account: Account) -> Self {
        let Account { id, name, status, created_at, no: _ } = account;
        Self { id, name, status, created_at }
    }
}

/// A project.
#[derive(Serialize)]
pub struct ProjectObject {
    id: ProjectId,
    account_id: AccountId,
    name: Name,
    prefixes: PrefixesObject,
    created_at: Time,
}

#[derive(Serialize)]
struct PrefixesObject {
    live: String,
    test: String,
}

impl From<Project> for ProjectObject {
    fn from(project: Project) -> Self {
        let prefix = |environment| project.prefixes.of(environment).as_str().to_owned();
        let prefixes = PrefixesObject { live: prefix(Environment::Live), test: prefix(Environment::Test) };
        let Project { id, account_id, name, created_at, prefixes: _, no: _ } = project;
        Self { id, account_id, name, prefixes, created_at }
    }
}

/// A key, as it may always be shown.
#[derive(Serialize)]
pub struct KeyObject {
    id: KeyId,
    name: Name,
    /// The mask.
    key_prefix: String,
    environment: &'static str,
    project_id: ProjectId,
    account_id: AccountId,
    scopes: Scopes,
    created_at: Time,
    expires_at: Option<Time>,
    last_used_at: Option<Time>,
    status: Status,
}

impl KeyObject {
    /// The key as it is at `now`.
    pub fn at(now: Time, key: Key) -> Self {
        let status = key.status(now);
        Self {
            id: key.id,
            name: key.name,
            key_prefix: key.mask,
            environment: key.environment.name(),
            project_id: key.project_id,
            account_id: key.account_id,
            scopes: key.scopes,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            status,
        }
    }
}
