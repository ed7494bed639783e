//! Revokes a key or a personal access token: at once, and for good.

use super::permit::visible;
use super::receipt::ChangedKey;
use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::KeyId;
use crate::domain::key::{Key, KeyKind, RevokeReason, TransitionError};
use crate::domain::rights::Right;
use crate::domain::version::Expected;
use crate::error::{Code, Error};
use serde_json::json;

/// Revokes a key of this kind, if it is as `expected`. One that is revoked already stays as it is, its reason too.
pub async fn revoke_key(
    app: &App,
    by: &Origin,
    kind: KeyKind,
    id: KeyId,
    expected: &Expected,
    reason: Option<RevokeReason>,
) -> Result<ChangedKey, Error> {
    let reach = by.may(Right::write(kind.resource()))?;
    let now = app.now();
    let mut tx = app.store.write().await?;
    let stored = visible(tx.key(id).await?, kind, reach)?;
    let state = match stored.key.state.revoke(now) {
        Ok(state) => state,
        Err(TransitionError::AlreadyRevoked) => {
            // The revoking that was seen here may not be on the disk yet.
            tx.commit().await?;
            return Ok(ChangedKey { key: stored.key, revision: stored.revision });
        }
        Err(error) => return Err(Error::internal(error)),
    };
    if !expected.allows(stored.key.version()) {
        return Err(Error::new(Code::PreconditionFailed));
    }
    tx.update_key_state(stored.no, stored.key.state, state).await?;
    if let Some(reason) = &reason {
        tx.set_revoke_reason(stored.no, reason).await?;
    }
    let revision = tx.last_revision();
    let detail = json!({ "name": stored.key.name, "key_prefix": stored.key.mask, "reason": reason });
    tx.append_audit(&audit(now, by, Action::RevokeKey, id.0, Some(stored.account), detail)).await?;
    tx.commit().await?;
    Ok(ChangedKey { key: Key { state, revoke_reason: reason, ..stored.key }, revision })
}
