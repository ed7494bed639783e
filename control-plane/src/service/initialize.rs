//! Makes a new database with its first admin key and proxy token.

use super::{create_admin_key, create_proxy_token};
use crate::domain::audit::{Action, Entry, Origin};
use crate::domain::credential::{AdminKey, ProxyToken};
use crate::domain::id::{AdminKeyId, ProxyTokenId, generate};
use crate::domain::name::Name;
use crate::domain::random::{Random, RandomError};
use crate::domain::rights::Access;
use crate::domain::secret::Secret;
use crate::domain::time::Time;
use crate::store::{DataDir, OpenError, Store, StoreError, WriteTx};
use keyplane_contract::id::Id;
use serde_json::{Value, json};

/// The first credentials of a database.
pub struct FirstCredentials {
    /// The first admin key.
    pub admin_key: Secret,
    /// The first proxy token; `None` when proxies come later.
    pub proxy_token: Option<Secret>,
}

/// A new database could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InitializeError {
    /// The random source failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The file could not be made.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// Makes the database, whole or not at all. Its epoch is random: no two histories are taken for one another.
pub async fn initialize(
    folder: &DataDir,
    now: Time,
    random: &dyn Random,
    first: &FirstCredentials,
) -> Result<(), InitializeError> {
    let epoch = generate(now, random)?;
    let (admin, proxy) = (AdminKeyId::generate(now, random)?, ProxyTokenId::generate(now, random)?);
    folder.create(epoch, now, async |store: &Store| seed(store, now, epoch, first, admin, proxy).await).await?;
    Ok(())
}

/// Adds the first proxy token to a database that never had one. `false`: it had one, and nothing was changed.
pub async fn add_first_proxy_token(
    store: &Store,
    now: Time,
    random: &dyn Random,
    token: &Secret,
) -> Result<bool, crate::error::Error> {
    if store.has_proxy_token().await? {
        return Ok(false);
    }
    let id = ProxyTokenId::generate(now, random)?;
    let mut tx = store.write().await?;
    insert_proxy_token(&mut tx, id, token, now).await?;
    tx.commit().await?;
    Ok(true)
}

async fn seed(
    store: &Store,
    now: Time,
    epoch: Id,
    first: &FirstCredentials,
    admin: AdminKeyId,
    proxy: ProxyTokenId,
) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    let made = Entry {
        at: now,
        origin: Origin::SYSTEM,
        action: Action::Initialize,
        object: Some(epoch),
        account: None,
        detail: json!({}),
    };
    tx.append_audit(&made).await?;
    let (secret, access) = (&first.admin_key, Access::Write);
    let key = AdminKey { id: admin, name: name()?, mask: secret.mask(), access, created_at: now, revoked_at: None };
    tx.insert_admin_key(&key, &secret.digest()).await?;
    tx.append_audit(&entry(now, Action::CreateAdminKey, admin.0, create_admin_key::told(&key))).await?;
    if let Some(token) = &first.proxy_token {
        insert_proxy_token(&mut tx, proxy, token, now).await?;
    }
    tx.commit().await
}

async fn insert_proxy_token(tx: &mut WriteTx, id: ProxyTokenId, secret: &Secret, now: Time) -> Result<(), StoreError> {
    let token = ProxyToken { id, name: name()?, mask: secret.mask(), created_at: now, revoked_at: None };
    tx.insert_proxy_token(&token, &secret.digest()).await?;
    tx.append_audit(&entry(now, Action::CreateProxyToken, id.0, create_proxy_token::told(&token))).await
}

fn name() -> Result<Name, StoreError> {
    Name::parse("first").map_err(|_| StoreError::Corrupt { column: "name" })
}

fn entry(now: Time, action: Action, object: Id, detail: Value) -> Entry {
    Entry { at: now, origin: Origin::SYSTEM, action, object: Some(object), account: None, detail }
}
