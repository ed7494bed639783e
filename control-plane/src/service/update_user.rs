//! Edits a user: name, mail address, role, and who they are to an issuer of JWTs.

use super::create_user::{identity_is_free, may_rule_over, told};
use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::UserId;
use crate::domain::name::Name;
use crate::domain::rights::{Resource, Right};
use crate::domain::user::{Email, Identity, Role, User};
use crate::domain::version::Expected;
use crate::error::{Code, Error};
use serde_json::json;

/// What is to change; `None` leaves it as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserChange {
    /// Its mail address.
    pub email: Option<Email>,
    /// Its name.
    pub name: Option<Name>,
    /// What it is in the account.
    pub role: Option<Role>,
    /// Who it is to an issuer of JWTs; `Some(None)` for nobody.
    pub identity: Option<Option<Identity>>,
}

/// Edits a user, if it is as `expected`. What is so already changes nothing.
pub async fn update_user(
    app: &App,
    by: &Origin,
    id: UserId,
    expected: &Expected,
    change: UserChange,
) -> Result<User, Error> {
    let reach = by.may(Right::write(Resource::Users))?;
    let now = app.now();
    let mut tx = app.store.write().await?;
    let old = tx.user(id).await?.filter(|user| reach.covers(user.account));
    let old = old.ok_or_else(|| Error::not_found("user"))?;
    may_rule_over(by, old.role)?;
    if !expected.allows(old.version()) {
        return Err(Error::new(Code::PreconditionFailed));
    }
    let mut new = old.clone();
    if let Some(email) = change.email {
        if email != old.email && tx.has_email(old.account, &email).await? {
            return Err(Error::taken("email", "belongs to another user of the account"));
        }
        new.email = email;
    }
    if let Some(name) = change.name {
        new.name = name;
    }
    if let Some(role) = change.role {
        may_rule_over(by, role)?;
        new.role = role;
    }
    if let Some(identity) = change.identity {
        if let Some(identity) = &identity
            && tx.identity_holder(old.account, identity).await? != Some(old.no)
        {
            identity_is_free(&mut tx, old.account, identity).await?;
        }
        new.identity = identity;
    }
    if new == old {
        tx.commit().await?;
        return Ok(new);
    }
    tx.update_user(&new).await?;
    if new.identity != old.identity {
        // Who signed in as the one before is not the one after.
        tx.delete_logins_of(id).await?;
    }
    let detail = json!({ "from": told(&old), "to": told(&new) });
    tx.append_audit(&audit(now, by, Action::UpdateUser, id.0, Some(new.account), detail)).await?;
    tx.commit().await?;
    Ok(new)
}
