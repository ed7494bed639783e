//! Who calls: from a credential to an [`Actor`] of the management API, or to a proxy.
//!
//! A credential is looked up by its digest. Someone who measures the look-up's time learns about digests only, and
//! cannot turn that into a credential. Whatever is wrong with a credential, the answer is the same.

use super::App;
use super::create_user::{NewUser, create_user};
use crate::domain::account::{Account, AccountStatus};
use crate::domain::actor::Actor;
use crate::domain::audit::Origin;
use crate::domain::id::{AccountId, ProxyTokenId};
use crate::domain::key::{Owner, Status};
use crate::domain::name::Name;
use crate::domain::rights::Rights;
use crate::domain::secret::Secret;
use crate::domain::user::{Email, Identity, Role, User};
use crate::error::{Code, Error};
use crate::jwt::{JwtError, VerifiedToken, looks_like_jwt};
use crate::store::HeldKey;
use std::net::IpAddr;
use tokio::sync::watch;

/// Finds out who presents `credential` to the management API, from the address `source`.
pub async fn caller(app: &App, credential: &Secret, source: Option<IpAddr>) -> Result<Actor, Error> {
    if looks_like_jwt(credential.expose()) && !app.jwt.is_empty() {
        return user_of_jwt(app, credential).await;
    }
    let digest = credential.digest();
    if let Some(key) = app.store.valid_admin_key(&digest).await? {
        return Ok(Actor::AdminKey { id: key.id, access: key.access });
    }
    let held = app.store.held_key(&digest).await?.ok_or(Error::new(Code::CredentialInvalid))?;
    holder(app, held, source)
}

/// Who holds a key, if it works.
pub(super) fn holder(app: &App, held: HeldKey, source: Option<IpAddr>) -> Result<Actor, Error> {
    let HeldKey { stored, account_status, role } = held;
    if stored.key.status(app.now()) != Status::Active {
        return Err(Error::new(Code::CredentialInvalid));
    }
    if !stored.key.networks.allow(source) {
        return Err(Error::new(Code::AddressNotAllowed));
    }
    is_active(account_status)?;
    let (id, account) = (stored.key.id, stored.account);
    app.last_uses.note(stored.no, app.now());
    match (stored.key.owner, stored.user, role) {
        (Owner::User(user), Some(no), Some(role)) => Ok(Actor::User { id: user, no, account, role, token: Some(id) }),
        _ => Ok(Actor::Key { id, account, rights: Rights::of(&stored.key.scopes) }),
    }
}

/// Finds the user of a JWT that comes as a credential.
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
    Ok(as_actor(&user_of(app, &token).await?))
}

/// A person who is not here by a personal access token.
pub(super) const fn as_actor(user: &User) -> Actor {
    Actor::User { id: user.id, no: user.no, account: user.account, role: user.role, token: None }
}

/// The user that a verified token names, in an account that is active.
async fn user_of(app: &App, token: &VerifiedToken) -> Result<User, Error> {
    let (user, status) = user_and_status_of(app, token).await?;
    is_active(status)?;
    Ok(user)
}

/// The user that a verified token names, who may be a new one if the issuer's settings say so; and the account's status.
pub(super) async fn user_and_status_of(app: &App, token: &VerifiedToken) -> Result<(User, AccountStatus), Error> {
    let account = account_of(app, token).await?;
    match (find_user(app, token, account.as_ref()).await?, &account) {
        (Some(found), _) => Ok(found),
        (None, Some(account)) if token.create_user => {
            is_active(account.status)?;
            Ok((first_visit(app, token, account).await?, account.status))
        }
        (None, _) => Err(Error::new(Code::UserUnknown)),
    }
}

/// The user that a token's subject is, in the account that it names. A token that names none is clear only if its subject
/// is a user of one account.
async fn find_user(
    app: &App,
    token: &VerifiedToken,
    account: Option<&Account>,
) -> Result<Option<(User, AccountStatus)>, Error> {
    let found = app.store.users_of_identity(&token.issuer, &token.subject).await?;
    Ok(match account {
        Some(account) => found.into_iter().find(|(user, _)| user.account == account.no),
        None => <[_; 1]>::try_from(found).ok().map(|[only]| only),
    })
}

/// Makes a user of who comes for the first time. An address that another user has is no proof of being that user: nobody
/// but the issuer says that it was confirmed.
async fn first_visit(app: &App, token: &VerifiedToken, account: &Account) -> Result<User, Error> {
    let unknown = |detail| Error::with_detail(Code::UserUnknown, detail);
    let email = token.email.as_deref().and_then(|text| Email::parse(text).ok());
    let email = email.ok_or_else(|| unknown("The token is valid, but it has no mail address to make a user of."))?;
    let name = token.name.as_deref().and_then(|text| Name::parse(text).ok());
    let name = name.or_else(|| Name::parse(email.as_str().split('@').next()?).ok());
    let name = name.ok_or_else(|| unknown("The token is valid, but it has no name to make a user of."))?;
    let identity = Identity::new(&token.issuer, &token.subject).map_err(Error::internal)?;
    let new = NewUser { account_id: account.id, email, name, role: Role::Member, identity: Some(identity) };
    match create_user(app, &Origin::SYSTEM, new).await {
        // Somebody has the address, or two first requests came at once.
        Err(error) if error.code == Code::AlreadyTaken => {
            // What took it may share a commit that is still under way; this one ends no sooner.
            app.store.write().await?.commit().await?;
            let found = find_user(app, token, Some(account)).await?;
            found.map(|(user, _)| user).ok_or_else(|| {
                unknown("The token is valid, but its mail address belongs to another user of the account. Ask who manages the account to give that user this identity.")
            })
        }
        made => made?.commit().await,
    }
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

/// Refuses a suspended account.
pub(super) fn is_active(status: AccountStatus) -> Result<(), Error> {
    match status {
        AccountStatus::Active => Ok(()),
        AccountStatus::Suspended => Err(Error::new(Code::AccountSuspended)),
    }
}

/// Finds out whether `credential` is a proxy token.
pub async fn proxy(app: &App, credential: &Secret) -> Result<ProxyTokenId, Error> {
    let digest = credential.digest();
    let moment = match app.proxy_tokens.find(&digest) {
        Ok(token) => return Ok(token),
        Err(moment) => moment,
    };
    let token = app.store.valid_proxy_token(&digest).await?.ok_or_else(wrong_proxy_token)?;
    app.proxy_tokens.keep(moment, digest, token);
    Ok(token)
}

/// Returns once this proxy token is revoked, with the refusal: a poll may wait for most of a minute, and a revoked token
/// is told nothing. `revocations` is from before the token was looked at.
pub async fn proxy_token_revoked(app: &App, id: ProxyTokenId, mut revocations: watch::Receiver<()>) -> Error {
    loop {
        // The sender lives in `app`.
        let _ = revocations.changed().await;
        match app.store.proxy_token(id).await {
            Ok(Some(token)) if token.revoked_at.is_none() => {}
            Ok(_) => return wrong_proxy_token(),
            Err(error) => return error.into(),
        }
    }
}

fn wrong_proxy_token() -> Error {
    Error::with_detail(
        Code::CredentialInvalid,
        "The proxy token is not valid. Proxies read it from the environment variable KEYPLANE_PROXY_TOKEN.",
    )
}
