//! Who calls: from a credential to an [`Actor`] of the management API, or to a proxy.
//!
//! A credential is looked up by its digest. Someone who measures the look-up's time learns about digests only, and
//! cannot turn that into a credential. Whatever is wrong with a credential, the answer is the same.

use super::App;
use crate::domain::account::{Account, AccountStatus};
use crate::domain::actor::Actor;
use crate::domain::id::{AccountId, ProxyTokenId};
use crate::domain::key::{Owner, Status};
use crate::domain::rights::Rights;
use crate::domain::secret::Secret;
use crate::domain::user::User;
use crate::error::{Code, Error};
use crate::jwt::{JwtError, VerifiedToken, looks_like_jwt};
use crate::store::HeldKey;
use std::net::IpAddr;

/// Finds out who presents `credential` to the management API, from the address `source`.
pub async fn caller(app: &App, credential: &Secret, source: Option<IpAddr>) -> Result<Actor, Error> {
    if looks_like_jwt(credential.expose()) && !app.jwt.is_empty() {
        return user_of_jwt(app, credential).await;
    }
    let digest = credential.digest();
    if let Some((id, access)) = app.store.admin_key(&digest).await? {
        return Ok(Actor::AdminKey { id, access });
    }
    let held = app.store.held_key(&digest).await?.ok_or(Error::new(Code::CredentialInvalid))?;
    holder(app, held, source)
}

/// Who holds a key, if it works.
fn holder(app: &App, held: HeldKey, source: Option<IpAddr>) -> Result<Actor, Error> {
    let HeldKey { stored, account_status, role } = held;
    if stored.key.status(app.now()) != Status::Active {
        return Err(Error::new(Code::CredentialInvalid));
    }
    if !stored.key.networks.allow(source) {
        return Err(Error::new(Code::AddressNotAllowed));
    }
    is_active(account_status)?;
    let (id, account) = (stored.key.id, stored.account);
    match (stored.key.owner, stored.user, role) {
        (Owner::User(user), Some(no), Some(role)) => Ok(Actor::User { id: user, no, account, role, token: Some(id) }),
        _ => Ok(Actor::Key { id, account, rights: Rights::of(&stored.key.scopes) }),
    }
}

/// Finds the user of a JWT.
async fn user_of_jwt(app: &App, credential: &Secret) -> Result<Actor, Error> {
    let token = app.jwt.verify(credential.expose(), app.now()).await.map_err(|error| match error {
        JwtError::KeysUnavailable => Error {
            cause: Some(error.into()),
            ..Error::with_detail(
                Code::Unavailable,
                "The keys of the token's issuer cannot be read now. Try again soon.",
            )
        },
        error => {
            tracing::info!(reason = %error, "a JWT was refused");
            Error::new(Code::CredentialInvalid)
        }
    })?;
    let found = app.store.users_of_identity(&token.issuer, &token.subject).await?;
    let (user, status) = match account_of(app, &token).await? {
        Some(account) => found.into_iter().find(|(user, _)| user.account == account.no),
        // The token names no account: it is clear only if its subject is a user of one.
        None => <[_; 1]>::try_from(found).ok().map(|[only]| only),
    }
    .ok_or(Error::new(Code::UserUnknown))?;
    is_active(status)?;
    let User { id, no, account, role, .. } = user;
    Ok(Actor::User { id, no, account, role, token: None })
}

/// The account that a token names, by the external id or by Keyplane's own. `None`: it names none.
async fn account_of(app: &App, token: &VerifiedToken) -> Result<Option<Account>, Error> {
    let Some(name) = &token.account else { return Ok(None) };
    if let Some(account) = app.store.account_of_external_id(name).await? {
        return Ok(Some(account));
    }
    let account = match AccountId::parse(name) {
        Some(id) => app.store.account(id).await?,
        None => None,
    };
    account.map(Some).ok_or(Error::new(Code::UserUnknown))
}

fn is_active(status: AccountStatus) -> Result<(), Error> {
    match status {
        AccountStatus::Active => Ok(()),
        AccountStatus::Suspended => Err(Error::new(Code::AccountSuspended)),
    }
}

/// Finds out whether `credential` is a proxy token.
pub async fn proxy(app: &App, credential: &Secret) -> Result<ProxyTokenId, Error> {
    let token = app.store.proxy_token(&credential.digest()).await?;
    token.ok_or_else(|| {
        Error::with_detail(
            Code::CredentialInvalid,
            "The proxy token is not valid. Proxies read it from the environment variable KEYPLANE_PROXY_TOKEN.",
        )
    })
}
