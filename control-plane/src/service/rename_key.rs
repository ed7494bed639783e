//! Gives a key another name. Revoked keys too: the name is for people who look back.

use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::KeyId;
use crate::domain::key::Key;
use crate::domain::name::Name;
use crate::error::Error;
use serde_json::json;

/// Renames a key. The name that it has already changes nothing.
pub async fn rename_key(app: &App, origin: &Origin, id: KeyId, name: Name) -> Result<Key, Error> {
    let now = app.now();
    let mut tx = app.store.write().await?;
    let stored = tx.key(id).await?.ok_or_else(|| Error::not_found("key"))?;
    if stored.key.name == name {
        return Ok(stored.key);
    }
    tx.update_key_name(stored.no, &name).await?;
    let detail = json!({ "from": stored.key.name, "to": name });
    tx.append_audit(&audit(now, origin, Action::RenameKey, id.0, Some(stored.account), detail)).await?;
    tx.commit().await?;
    Ok(Key { name, ..stored.key })
}
