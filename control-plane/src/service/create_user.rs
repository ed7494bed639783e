//! Adds a person to an account.

use super::pending::Pending;
use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::{AccountId, UserId};
use crate::domain::name::Name;
use crate::domain::rights::{Resource, Right};
use crate::domain::user::{Email, Identity, Role, User};
use crate::error::{Code, Error};
use crate::store::{NewUserRow, WriteTx};
use serde_json::{Value, json};

/// What a new user is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewUser {
    /// Its account.
    pub account_id: AccountId,
    /// Its mail address, the only one in the account.
    pub email: Email,
    /// Its name.
    pub name: Name,
    /// What it is in the account.
    pub role: Role,
    /// Who it is to an issuer of JWTs. One subject may be a user of several accounts, but one user of each.
    pub identity: Option<Identity>,
}

/// Adds a user to an account. Only owners and the operator add owners.
pub async fn create_user(app: &App, by: &Origin, new: NewUser) -> Result<Pending<User>, Error> {
    let reach = by.may(Right::write(Resource::Users))?;
    may_rule_over(by, new.role)?;
    let now = app.now();
    let id = UserId::generate(now, &*app.random)?;
    let mut tx = app.store.write().await?;
    let account = tx.account(new.account_id).await?.filter(|account| reach.covers(account.no));
    let account = account.ok_or_else(|| Error::not_found_in("account", "account_id"))?;
    if tx.has_email(account.no, &new.email).await? {
        return Err(Error::taken("email", "belongs to another user of the account"));
    }
    if let Some(identity) = &new.identity {
        identity_is_free(&mut tx, account.no, identity).await?;
    }
    let NewUser { account_id: _, email, name, role, identity } = new;
    let user = tx.insert_user(&account, NewUserRow { id, email, name, role, identity, created_at: now }).await?;
    tx.append_audit(&audit(now, by, Action::CreateUser, id.0, Some(account.no), told(&user))).await?;
    Ok(Pending::new(user, tx))
}

/// Refuses to decide about users of a role that is above the actor's own.
pub(super) fn may_rule_over(by: &Origin, role: Role) -> Result<(), Error> {
    if by.actor.rules_over(role) {
        Ok(())
    } else {
        let detail = "Only an owner of the account makes, changes and removes owners.";
        Err(Error::with_detail(Code::Forbidden, detail))
    }
}

/// Refuses an identity that another user of the account has.
pub(super) async fn identity_is_free(tx: &mut WriteTx, account: u32, identity: &Identity) -> Result<(), Error> {
    match tx.identity_holder(account, identity).await? {
        Some(_) => Err(Error::taken("identity", "belongs to another user of the account")),
        None => Ok(()),
    }
}

/// What the audit log tells of a user.
pub(super) fn told(user: &User) -> Value {
    json!({ "email": user.email, "name": user.name, "role": user.role, "identity": user.identity })
}
