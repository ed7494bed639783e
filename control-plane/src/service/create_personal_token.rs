//! Makes a personal access token: a key that acts as its user. This is the only time that its secret leaves.
//!
//! Nobody makes one for somebody else, for who holds it is that person; only the operator does, to set things up.

use super::create_key::{CreatedKey, Terms, insert, told};
use super::pending::Pending;
use super::{App, audit, future};
use crate::domain::actor::Actor;
use crate::domain::audit::{Action, Origin};
use crate::domain::id::{KeyId, UserId};
use crate::domain::key::{Key, Owner, State};
use crate::domain::rights::{Resource, Right, Rights};
use crate::domain::secret::Secret;
use crate::error::{Code, Error, FieldError};
use crate::store::OwnerNo;
use keyplane_contract::sync::Environment;

/// What a new personal access token is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewPersonalToken {
    /// Whose it is; `None` for the caller's own.
    pub user_id: Option<UserId>,
    /// Its terms.
    pub terms: Terms,
}

/// Makes a personal access token.
pub async fn create_personal_token(
    app: &App,
    by: &Origin,
    new: NewPersonalToken,
) -> Result<Pending<CreatedKey>, Error> {
    by.may(Right::write(Resource::PersonalTokens))?;
    let refused = |field, message| Error::fields(Code::InvalidRequest, vec![FieldError::new(field, message)]);
    let user_id = match (by.actor, new.user_id) {
        (Actor::User { id, .. }, Some(other)) if id != other => {
            return Err(Error::with_detail(Code::Forbidden, "A personal access token can be made by its user only."));
        }
        (Actor::User { id, .. }, None) | (_, Some(id)) => id,
        (_, None) => return Err(refused("user_id", "is missing: an admin key makes tokens for a user")),
    };
    if Rights::of(&new.terms.scopes) != Rights::default() {
        let message = "must not hold scopes that begin with `keyplane:`: a personal access token has its user's rights";
        return Err(refused("scopes", message));
    }
    let now = app.now();
    future("expires_at", new.terms.expires_at, now)?;
    let id = KeyId::generate(now, &*app.random)?;
    let secret = Secret::generate(&app.personal_token_prefix, &*app.random)?;
    let mut tx = app.store.write().await?;
    let user = tx.user(user_id).await?.ok_or_else(|| Error::not_found_in("user", "user_id"))?;
    let Terms { name, scopes, networks, expires_at, metadata } = new.terms;
    let key = Key {
        id,
        owner: Owner::User(user.id),
        account_id: user.account_id,
        environment: Environment::Live,
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
    insert(app, &mut tx, &key, &secret, user.account, OwnerNo::User(user.no)).await?;
    tx.append_audit(&audit(now, by, Action::CreateKey, id.0, Some(user.account), told(&key))).await?;
    Ok(Pending::new(CreatedKey { key, secret }, tx))
}
