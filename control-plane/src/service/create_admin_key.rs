//! Makes an admin key. This is the only time that its secret leaves.

use super::pending::Pending;
use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::credential::AdminKey;
use crate::domain::id::AdminKeyId;
use crate::domain::name::Name;
use crate::domain::rights::{Access, Resource, Right};
use crate::domain::secret::{ADMIN_PREFIX, Secret};
use crate::error::Error;
use keyplane_contract::key::Prefix;
use serde_json::{Value, json};

/// A new admin key and its secret.
#[derive(Debug)]
pub struct CreatedAdminKey {
    /// The key.
    pub key: AdminKey,
    /// The full key.
    pub secret: Secret,
}

/// Makes an admin key: one for each person or program of the operator, so that each can be revoked alone.
pub async fn create_admin_key(
    app: &App,
    by: &Origin,
    name: Name,
    access: Access,
) -> Result<Pending<CreatedAdminKey>, Error> {
    by.may(Right::write(Resource::AdminKeys))?;
    let now = app.now();
    let id = AdminKeyId::generate(now, &*app.random)?;
    let secret = Secret::generate(&Prefix::parse(ADMIN_PREFIX).map_err(Error::internal)?, &*app.random)?;
    let key = AdminKey { id, name, mask: secret.mask(), access, created_at: now, revoked_at: None };
    let mut tx = app.store.write().await?;
    tx.insert_admin_key(&key, &secret.digest()).await?;
    tx.append_audit(&audit(now, by, Action::CreateAdminKey, id.0, None, told(&key))).await?;
    Ok(Pending::new(CreatedAdminKey { key, secret }, tx))
}

/// What the audit log tells of an admin key.
pub(super) fn told(key: &AdminKey) -> Value {
    json!({ "name": key.name, "key_prefix": key.mask, "access": key.access })
}
