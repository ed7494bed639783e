//! The objects of the API, as they are shown.

use super::texts::{CursorText, NameText, PrefixText, ScopeText};
use crate::domain::account::{Account, AccountStatus};
use crate::domain::id::{AccountId, KeyId, ProjectId};
use crate::domain::key::{Key, Status};
use crate::domain::name::Name;
use crate::domain::project::Project;
use crate::domain::scope::Scopes;
use crate::domain::time::Time;
use keyplane_contract::sync::Environment;
use serde::Serialize;
use utoipa::ToSchema;

/// A page of a list.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what `domain::cursor::Listing` looks like")]
pub struct Page<T> {
    data: Vec<T>,
    /// The `cursor` of the page after; null on the last one.
    #[schema(value_type = Option<CursorText>, required)]
    next_cursor: Option<String>,
}

/// An environment.
#[derive(ToSchema)]
#[schema(as = Environment, rename_all = "snake_case")]
#[expect(dead_code, reason = "says what the domain's type looks like")]
pub enum EnvironmentName {
    Live,
    Test,
}

/// Whether an account's keys work.
#[derive(ToSchema)]
#[schema(as = AccountStatus, rename_all = "snake_case")]
#[expect(dead_code, reason = "says what the domain's type looks like")]
enum AccountStatusName {
    Active,
    Suspended,
}

/// Whether a key works.
#[derive(ToSchema)]
#[schema(as = KeyStatus, rename_all = "snake_case")]
#[expect(dead_code, reason = "says what the domain's type looks like")]
enum KeyStatusName {
    Active,
    Disabled,
    Revoked,
    Expired,
}

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountObject {
    #[schema(value_type = uuid::Uuid)]
    id: AccountId,
    #[schema(value_type = NameText)]
    name: Name,
    #[schema(value_type = AccountStatusName)]
    status: AccountStatus,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
}

impl From<Account> for AccountObject {
    fn from(account: Account) -> Self {
        let Account { id, name, status, created_at, no: _ } = account;
        Self { id, name, status, created_at }
    }
}

/// A project.
#[derive(Serialize, ToSchema)]
#[schema(as = Project)]
pub struct ProjectObject {
    #[schema(value_type = uuid::Uuid)]
    id: ProjectId,
    #[schema(value_type = uuid::Uuid)]
    account_id: AccountId,
    #[schema(value_type = NameText)]
    name: Name,
    prefixes: PrefixesObject,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Prefixes)]
struct PrefixesObject {
    #[schema(value_type = PrefixText)]
    live: String,
    #[schema(value_type = PrefixText)]
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
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyObject {
    #[schema(value_type = uuid::Uuid)]
    id: KeyId,
    #[schema(value_type = NameText)]
    name: Name,
    /// The mask.
    key_prefix: String,
    #[schema(value_type = EnvironmentName)]
    environment: &'static str,
    #[schema(value_type = uuid::Uuid)]
    project_id: ProjectId,
    #[schema(value_type = uuid::Uuid)]
    account_id: AccountId,
    #[schema(value_type = Vec<ScopeText>, max_items = 64)]
    scopes: Scopes,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    expires_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    last_used_at: Option<Time>,
    #[schema(value_type = KeyStatusName)]
    status: Status,
    /// The key that took its place when it was rotated.
    #[schema(value_type = Option<uuid::Uuid>, required)]
    replaced_by: Option<KeyId>,
    /// It is revoked once no proxy has seen it for so many hours. Null unless it was rotated so.
    #[schema(required)]
    retire_when_idle_hours: Option<u64>,
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
            replaced_by: key.replaced_by,
            retire_when_idle_hours: key.idle_limit.map(|limit| limit.as_secs() / (60 * 60)),
        }
    }
}
