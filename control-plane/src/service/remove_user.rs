//! Takes a person out of an account: their tokens are revoked in the same transaction, and their JWTs name nobody any more.

use super::create_user::may_rule_over;
use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::UserId;
use crate::domain::rights::{Resource, Right};
use crate::domain::user::User;
use crate::error::Error;
use serde_json::json;

/// A user that was removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemovedUser {
    /// The user, as it was.
    pub user: User,
    /// A proxy that has this revision refuses all of the user's personal access tokens.
    pub revision: u64,
}

/// Removes a user. Keys of projects stay: they belong to the account, not to who made them.
pub async fn remove_user(app: &App, by: &Origin, id: UserId) -> Result<RemovedUser, Error> {
    let reach = by.may(Right::write(Resource::Users))?;
    let now = app.now();
    let mut tx = app.store.write().await?;
    let user = tx.user(id).await?.filter(|user| reach.covers(user.account));
    let user = user.ok_or_else(|| Error::not_found("user"))?;
    may_rule_over(by, user.role)?;
    for stored in tx.unrevoked_tokens(user.no).await? {
        let key = &stored.key;
        let state = key.state.revoke(now).map_err(Error::internal)?;
        tx.update_key_state(stored.no, key.state, state).await?;
        let detail = json!({ "name": key.name, "key_prefix": key.mask, "reason": "the user was removed" });
        tx.append_audit(&audit(now, by, Action::RevokeKey, key.id.0, Some(stored.account), detail)).await?;
    }
    tx.remove_user(user.no, now).await?;
    let revision = tx.last_revision();
    let detail = json!({ "email": user.email, "name": user.name, "role": user.role });
    tx.append_audit(&audit(now, by, Action::RemoveUser, id.0, Some(user.account), detail)).await?;
    tx.commit().await?;
    Ok(RemovedUser { user, revision })
}
