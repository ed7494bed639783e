//! The objects of the API, as they are shown.

use super::receipts::ReceiptObject;
use super::texts::{
    CursorText, EmailText, ForeignText, NameText, NetworkText, PlanText, PrefixText, ReasonText, ScopeText,
};
use crate::domain::account::{Account, AccountStatus, ExternalId};
use crate::domain::audit::Recorded;
use crate::domain::credential::{AdminKey, ProxyToken};
use crate::domain::id::{AccountId, AdminKeyId, KeyId, ProjectId, ProxyTokenId, RequestId, UserId};
use crate::domain::key::{Key, RevokeReason, Status};
use crate::domain::metadata::Metadata;
use crate::domain::name::Name;
use crate::domain::networks::Networks;
use crate::domain::project::Project;
use crate::domain::rights::Access;
use crate::domain::scope::Scopes;
use crate::domain::time::Time;
use crate::domain::user::{Email, Identity, Role, User};
use keyplane_contract::id::Id;
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
pub enum AccountStatusName {
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
    /// Decides how many keys a project may have.
    #[schema(value_type = PlanText)]
    plan: String,
    #[schema(value_type = AccountStatusName)]
    status: AccountStatus,
    /// What issuers of JWTs call it.
    #[schema(value_type = Option<ForeignText>, required)]
    external_id: Option<ExternalId>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// Which proxies have the change; only in the answer to one with `wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ReceiptObject>, required = false)]
    receipt: Option<Box<ReceiptObject>>,
}

impl AccountObject {
    /// The same with a receipt, if one was asked for.
    pub fn with(self, receipt: Option<Box<ReceiptObject>>) -> Self {
        Self { receipt, ..self }
    }
}

impl From<Account> for AccountObject {
    fn from(account: Account) -> Self {
        let Account { id, name, plan, status, external_id, created_at, no: _ } = account;
        Self { id, name, plan, status, external_id, created_at, receipt: None }
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
        let Project { id, account_id, name, created_at, prefixes: _, no: _, account: _ } = project;
        Self { id, account_id, name, prefixes, created_at }
    }
}

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserObject {
    #[schema(value_type = uuid::Uuid)]
    id: UserId,
    #[schema(value_type = uuid::Uuid)]
    account_id: AccountId,
    #[schema(value_type = EmailText)]
    email: Email,
    #[schema(value_type = NameText)]
    name: Name,
    #[schema(value_type = RoleName)]
    role: Role,
    /// Who it is to an issuer of JWTs.
    #[schema(value_type = Option<IdentityObject>, required)]
    identity: Option<Identity>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// Which proxies have the change; only in the answer to one with `wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ReceiptObject>, required = false)]
    receipt: Option<Box<ReceiptObject>>,
}

impl UserObject {
    /// The same with a receipt, if one was asked for.
    pub fn with(self, receipt: Option<Box<ReceiptObject>>) -> Self {
        Self { receipt, ..self }
    }
}

/// What a user is in its account.
#[derive(ToSchema)]
#[schema(as = Role, rename_all = "snake_case")]
#[expect(dead_code, reason = "says what the domain's type looks like")]
pub enum RoleName {
    Owner,
    Admin,
    Member,
}

/// Who a user is to an issuer of JWTs.
#[derive(ToSchema)]
#[schema(as = Identity)]
#[expect(dead_code, reason = "says what the domain's type looks like")]
struct IdentityObject {
    #[schema(value_type = ForeignText)]
    issuer: String,
    #[schema(value_type = ForeignText)]
    subject: String,
}

impl From<User> for UserObject {
    fn from(user: User) -> Self {
        let User { id, account_id, email, name, role, identity, created_at, no: _, account: _ } = user;
        Self { id, account_id, email, name, role, identity, created_at, receipt: None }
    }
}

/// A personal access token, as it may always be shown.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonalAccessToken)]
pub struct PersonalTokenObject {
    #[schema(value_type = uuid::Uuid)]
    id: KeyId,
    #[schema(value_type = NameText)]
    name: Name,
    /// The mask.
    key_prefix: String,
    #[schema(value_type = uuid::Uuid)]
    user_id: Option<UserId>,
    #[schema(value_type = uuid::Uuid)]
    account_id: AccountId,
    #[serde(flatten)]
    #[schema(inline)]
    common: CommonObject,
    /// Which proxies have the change; only in the answer to one with `wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ReceiptObject>, required = false)]
    receipt: Option<Box<ReceiptObject>>,
}

/// What keys and personal access tokens have in common.
#[derive(Serialize, ToSchema)]
pub struct CommonObject {
    #[schema(value_type = Vec<ScopeText>, max_items = 64)]
    scopes: Scopes,
    /// The networks from which it may be used; empty for all.
    #[schema(value_type = Vec<NetworkText>, max_items = 32)]
    allowed_cidrs: Networks,
    /// What its owner keeps with it.
    #[schema(value_type = Object)]
    metadata: Metadata,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    expires_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    last_used_at: Option<Time>,
    #[schema(value_type = KeyStatusName)]
    status: Status,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    revoked_at: Option<Time>,
    /// Why it was revoked, if somebody said so.
    #[schema(value_type = Option<ReasonText>, required)]
    revoke_reason: Option<RevokeReason>,
}

impl CommonObject {
    fn at(now: Time, key: &Key) -> Self {
        Self {
            scopes: key.scopes.clone(),
            allowed_cidrs: key.networks.clone(),
            metadata: key.metadata.clone(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            status: key.status(now),
            revoked_at: key.revoked_at(),
            revoke_reason: key.revoke_reason.clone(),
        }
    }
}

impl PersonalTokenObject {
    /// The token as it is at `now`.
    pub fn at(now: Time, key: Key) -> Self {
        let common = CommonObject::at(now, &key);
        let user_id = key.owner.user();
        let (id, name, key_prefix, account_id) = (key.id, key.name, key.mask, key.account_id);
        Self { id, name, key_prefix, user_id, account_id, common, receipt: None }
    }

    /// The same with a receipt, if one was asked for.
    pub fn with(self, receipt: Option<Box<ReceiptObject>>) -> Self {
        Self { receipt, ..self }
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
    project_id: Option<ProjectId>,
    #[schema(value_type = uuid::Uuid)]
    account_id: AccountId,
    #[serde(flatten)]
    #[schema(inline)]
    common: CommonObject,
    /// The key that took its place when it was rotated.
    #[schema(value_type = Option<uuid::Uuid>, required)]
    replaced_by: Option<KeyId>,
    /// It is revoked once no proxy has seen it for so many hours. Null unless it was rotated so.
    #[schema(required)]
    retire_when_idle_hours: Option<u64>,
    /// Which proxies have the change; only in the answer to one with `wait`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ReceiptObject>, required = false)]
    receipt: Option<Box<ReceiptObject>>,
}

impl KeyObject {
    /// The key as it is at `now`.
    pub fn at(now: Time, key: Key) -> Self {
        let common = CommonObject::at(now, &key);
        Self {
            id: key.id,
            name: key.name,
            key_prefix: key.mask,
            environment: key.environment.name(),
            project_id: key.owner.project(),
            account_id: key.account_id,
            common,
            replaced_by: key.replaced_by,
            retire_when_idle_hours: key.idle_limit.map(|limit| limit.as_secs() / (60 * 60)),
            receipt: None,
        }
    }

    /// The same with a receipt, if one was asked for.
    pub fn with(self, receipt: Option<Box<ReceiptObject>>) -> Self {
        Self { receipt, ..self }
    }
}

/// Whether an admin key may change things.
#[derive(ToSchema)]
#[schema(as = Access, rename_all = "snake_case")]
#[expect(dead_code, reason = "says what the domain's type looks like")]
pub enum AccessName {
    Read,
    Write,
}

/// An admin key, as it may always be shown.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminKey)]
pub struct AdminKeyObject {
    #[schema(value_type = uuid::Uuid)]
    id: AdminKeyId,
    #[schema(value_type = NameText)]
    name: Name,
    /// The mask.
    key_prefix: String,
    #[schema(value_type = AccessName)]
    access: Access,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// Null while it is valid.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    revoked_at: Option<Time>,
}

impl From<AdminKey> for AdminKeyObject {
    fn from(key: AdminKey) -> Self {
        let AdminKey { id, name, mask, access, created_at, revoked_at } = key;
        Self { id, name, key_prefix: mask, access, created_at, revoked_at }
    }
}

/// A proxy token, as it may always be shown.
#[derive(Serialize, ToSchema)]
#[schema(as = ProxyToken)]
pub struct ProxyTokenObject {
    #[schema(value_type = uuid::Uuid)]
    id: ProxyTokenId,
    #[schema(value_type = NameText)]
    name: Name,
    /// The mask.
    key_prefix: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// Null while it is valid.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    revoked_at: Option<Time>,
}

impl From<ProxyToken> for ProxyTokenObject {
    fn from(token: ProxyToken) -> Self {
        let ProxyToken { id, name, mask, created_at, revoked_at } = token;
        Self { id, name, key_prefix: mask, created_at, revoked_at }
    }
}

/// An entry of the audit log.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditEntryObject {
    /// Its number. Later entries have greater ones.
    id: String,
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Who acted.
    actor: ActorObject,
    /// What was done, such as `key.revoke`.
    action: String,
    /// To what it was done.
    object: SubjectObject,
    /// The account that the object belongs to; null for the operator's own.
    #[schema(value_type = Option<uuid::Uuid>, required)]
    account_id: Option<AccountId>,
    /// The request that asked for it, as in the log of the process.
    #[schema(value_type = Option<uuid::Uuid>, required)]
    request_id: Option<RequestId>,
    /// Address that the request came from. Null for what Keyplane did by itself, and for the operator's address when a tenant looks.
    #[schema(required)]
    source: Option<String>,
    /// What changed. Never a secret.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
}

/// Who acted.
#[derive(Serialize, ToSchema)]
#[schema(as = Actor)]
struct ActorObject {
    /// `admin_key`, `key`, `user`, or `system`: Keyplane itself.
    kind: String,
    /// Null for Keyplane itself.
    #[schema(value_type = Option<uuid::Uuid>, required)]
    id: Option<String>,
}

/// To what something was done.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditObject)]
struct SubjectObject {
    /// Such as `key`.
    kind: String,
    /// Null where none came to be: of a session that was refused.
    #[schema(value_type = Option<uuid::Uuid>, required)]
    id: Option<String>,
}

impl From<Recorded> for AuditEntryObject {
    fn from(entry: Recorded) -> Self {
        let text = |id: Option<Id>| id.map(|id| id.to_string());
        let Recorded { no, at, actor_kind, actor_id, action, object_kind, object_id, .. } = entry;
        let Recorded { account_id, request_id, source, detail, .. } = entry;
        Self {
            id: no.to_string(),
            at,
            actor: ActorObject { kind: actor_kind, id: text(actor_id) },
            action,
            object: SubjectObject { kind: object_kind, id: text(object_id) },
            account_id,
            request_id,
            source,
            detail,
        }
    }
}
