//! Revokes a key: at once, and for good.

use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::KeyId;
use crate::domain::key::{Key, TransitionError};
use crate::error::Error;
use serde_json::json;

/// Revokes a key. One that is revoked already stays as it is.
pub async fn revoke_key(app: &App, origin: &Origin, id: KeyId) -> Result<Key, Error> {
    let now = app.now();
    let mut tx = app.store.write().await?;
    let stored = tx.key(id).await?.ok_or_else(|| Error::not_found("key"))?;
    let state = match stored.key.state.revoke(now) {
        Ok(state) => state,
        Err(TransitionError::AlreadyRevoked) => {
            // The revoking that was seen here may not be on the disk yet.
            tx.commit().await?;
            return Ok(stored.key);
        }
        Err(error) => return Err(Error::internal(error)),
    };
    tx.update_key_state(stored.no, stored.key.state, state).await?;
    let detail = json!({ "name": stored.key.name, "key_prefix": stored.key.mask });
    tx.append_audit(&audit(now, origin, Action::RevokeKey, id.0, Some(stored.account), detail)).await?;
    tx.commit().await?;
    Ok(Key { state, ..stored.key })
}
