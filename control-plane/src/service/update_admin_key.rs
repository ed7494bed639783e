//! Gives an admin key another name.

use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::credential::AdminKey;
use crate::domain::id::AdminKeyId;
use crate::domain::name::Name;
use crate::domain::rights::{Resource, Right};
use crate::domain::version::Expected;
use crate::error::{Code, Error};
use serde_json::json;

/// Renames an admin key, if it is as `expected`. What is so already changes nothing.
pub async fn update_admin_key(
    app: &App,
    by: &Origin,
    id: AdminKeyId,
    expected: &Expected,
    name: Name,
) -> Result<AdminKey, Error> {
    by.may(Right::write(Resource::AdminKeys))?;
    let now = app.now();
    let mut tx = app.store.write().await?;
    let old = tx.admin_key(id).await?.ok_or_else(|| Error::not_found("admin key"))?;
    if !expected.allows(old.version()) {
        return Err(Error::new(Code::PreconditionFailed));
    }
    if name == old.name {
        // The name that was seen here may not be on the disk yet.
        tx.commit().await?;
        return Ok(old);
    }
    let detail = json!({ "from": old.name, "to": name });
    let key = AdminKey { name, ..old };
    tx.update_admin_key(&key).await?;
    tx.append_audit(&audit(now, by, Action::RenameAdminKey, id.0, None, detail)).await?;
    tx.commit().await?;
    Ok(key)
}
