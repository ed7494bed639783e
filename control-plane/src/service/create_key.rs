//! Makes a key. This is the only time that its secret leaves.

use super::pending::Pending;
use super::tell_proxies::policy;
use super::{App, audit, future};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::{KeyId, ProjectId};
use crate::domain::key::{Key, Owner, State};
use crate::domain::metadata::Metadata;
use crate::domain::name::Name;
use crate::domain::networks::Networks;
use crate::domain::project::OwnedProject;
use crate::domain::rights::{Resource, Right};
use crate::domain::scope::Scopes;
use crate::domain::secret::Secret;
use crate::domain::time::Time;
use crate::error::{Code, Error};
use crate::store::{NewKeyRow, OwnerNo, WriteTx};
use keyplane_contract::sync::Environment;
use serde_json::{Value, json};

/// What a new key is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewKey {
    /// Its project.
    pub project_id: ProjectId,
    /// `live` or `test`.
    pub environment: Environment,
    /// Its terms.
    pub terms: Terms,
}

/// What every new key says of itself, a project's or a person's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Its name.
    pub name: Name,
    /// What it may be used for.
    pub scopes: Scopes,
    /// From where it may be used.
    pub networks: Networks,
    /// When it ends; `None` for never.
    pub expires_at: Option<Time>,
    /// What its owner keeps with it.
    pub metadata: Metadata,
}

/// A new key and its secret.
#[derive(Debug)]
pub struct CreatedKey {
    /// The key.
    pub key: Key,
    /// The full key.
    pub secret: Secret,
}

/// Makes a key in a project, unless its account's plan allows no more.
pub async fn create_key(app: &App, by: &Origin, new: NewKey) -> Result<Pending<CreatedKey>, Error> {
    let reach = by.may(Right::write(Resource::Keys))?;
    by.may_hand_on(&new.terms.scopes)?;
    let now = app.now();
    future("expires_at", new.terms.expires_at, now)?;
    let id = KeyId::generate(now, &*app.random)?;
    let mut tx = app.store.write().await?;
    let owned = tx.owned_project(new.project_id).await?.filter(|owned| reach.covers(owned.account.no));
    let owned = owned.ok_or_else(|| Error::not_found_in("project", "project_id"))?;
    allows_one_more(app, &mut tx, &owned, now).await?;
    let secret = Secret::generate(owned.project.prefixes.of(new.environment), &*app.random)?;
    let Terms { name, scopes, networks, expires_at, metadata } = new.terms;
    let key = Key {
        id,
        owner: Owner::Project(new.project_id),
        account_id: owned.account.id,
        environment: new.environment,
        name,
        mask: secret.mask(),
        scopes,
        networks,
        metadata,
        created_at: now,
        expires_at,
        last_used_at: None,
        state: State::Active,
        replaced_by: None,
        idle_limit: None,
        revoke_reason: None,
    };
    insert(app, &mut tx, &key, &secret, owned.account.no, OwnerNo::Project(owned.project.no)).await?;
    tx.append_audit(&audit(now, by, Action::CreateKey, id.0, Some(owned.account.no), told(&key))).await?;
    Ok(Pending::new(CreatedKey { key, secret }, tx))
}

/// Refuses when the project has as many keys as its account's plan allows.
pub(super) async fn allows_one_more(app: &App, tx: &mut WriteTx, owned: &OwnedProject, now: Time) -> Result<(), Error> {
    let (plan, cap) = (&owned.account.plan, app.plans.cap(&owned.account.plan));
    let Some(most) = cap.number() else { return Ok(()) };
    if cap.allows_one_more(tx.counted_keys(owned.project.no, now).await?) {
        return Ok(());
    }
    let detail = format!(
        "The project has the {most} keys that the plan `{plan}` allows. Revoke keys that are not used, or upgrade the plan."
    );
    Err(Error::with_detail(Code::KeyLimitReached, detail))
}

/// Adds the row of a new key.
pub(super) async fn insert(
    app: &App,
    tx: &mut WriteTx,
    key: &Key,
    secret: &Secret,
    account: u32,
    owner: OwnerNo,
) -> Result<(), Error> {
    let policy = policy(app, tx, key).await?;
    let row = NewKeyRow {
        id: key.id,
        digest: secret.digest(),
        mask: key.mask.clone(),
        account,
        owner,
        environment: key.environment,
        name: key.name.clone(),
        policy,
        created_at: key.created_at,
        expires_at: key.expires_at,
        metadata: key.metadata.clone(),
    };
    Ok(tx.insert_key(&row).await?)
}

/// What the audit log tells of a new key. Metadata may be anything, so the log is not where it is kept.
pub(super) fn told(key: &Key) -> Value {
    json!({
        "name": key.name,
        "key_prefix": key.mask,
        "project_id": key.owner.project(),
        "user_id": key.owner.user(),
        "environment": key.environment.name(),
        "scopes": key.scopes,
        "allowed_cidrs": key.networks,
        "expires_at": key.expires_at,
    })
}
