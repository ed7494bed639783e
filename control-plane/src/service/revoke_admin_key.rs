//! Revokes an admin key: at once, and for good.

use super::create_admin_key::told;
use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::credential::AdminKey;
use crate::domain::id::AdminKeyId;
use crate::domain::rights::{Access, Resource, Right};
use crate::domain::version::Expected;
use crate::error::{Code, Error};

/// Revokes an admin key, if it is as `expected`, but never the last one with write access: nobody could manage Keyplane any more.
/// One that is revoked already stays as it is.
pub async fn revoke_admin_key(app: &App, by: &Origin, id: AdminKeyId, expected: &Expected) -> Result<AdminKey, Error> {
    by.may(Right::write(Resource::AdminKeys))?;
    let now = app.now();
    let mut tx = app.store.write().await?;
    let key = tx.admin_key(id).await?.ok_or_else(|| Error::not_found("admin key"))?;
    if key.revoked_at.is_some() {
        // The revoking that was seen here may not be on the disk yet.
        tx.commit().await?;
        return Ok(key);
    }
    if !expected.allows(key.version()) {
        return Err(Error::new(Code::PreconditionFailed));
    }
    if key.access == Access::Write && !tx.has_other_writing_admin_key(id).await? {
        return Err(Error::new(Code::LastAdminKey));
    }
    let key = AdminKey { revoked_at: Some(now), ..key };
    tx.update_admin_key(&key).await?;
    tx.append_audit(&audit(now, by, Action::RevokeAdminKey, id.0, None, told(&key))).await?;
    tx.commit().await?;
    Ok(key)
}
