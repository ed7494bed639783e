//! Signing in to the dashboard and out again.
//!
//! A session says who signed in, never what they may do: at each request the credential behind it is looked at again, with the
//! same eyes as at the API. So a revoked admin key, a removed user or a suspended account ends its sessions at once.

use super::App;
use super::authenticate::{as_actor, caller, holder, is_active, user_of};
use crate::domain::actor::Actor;
use crate::domain::secret::Secret;
use crate::domain::session::{MAX_AGENT, MAX_SESSIONS, OwnSession, SEEN_STEP, SESSION_PREFIX, Session, SignedInWith};
use crate::error::{Code, Error};
use crate::jwt::{VerifiedToken, looks_like_jwt};
use keyplane_contract::id::Id;
use keyplane_contract::key::Prefix;
use std::net::IpAddr;

/// A browser at the door.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// Its address, if that is known.
    pub source: Option<IpAddr>,
    /// What it says of itself.
    pub agent: &'a str,
    /// The session that it holds.
    pub held: Option<&'a Secret>,
}

/// Begins a session for who presents `credential`; gives what the browser is to hold. A session that it held ends.
pub async fn sign_in(app: &App, credential: &Secret, visitor: Visitor<'_>) -> Result<Secret, Error> {
    if looks_like_jwt(credential.expose()) {
        return Err(Error::new(Code::CredentialInvalid));
    }
    let (with, holder) = match caller(app, credential, visitor.source).await? {
        Actor::AdminKey { id, .. } => (SignedInWith::AdminKey(id), id.0),
        Actor::User { id, token: Some(token), .. } => (SignedInWith::PersonalToken(token), id.0),
        Actor::User { .. } | Actor::Key { .. } | Actor::System => {
            let detail = "This is a project's key: it belongs to a program. Sign in with an admin key or a personal access token.";
            return Err(Error::with_detail(Code::Forbidden, detail));
        }
    };
    begin(app, with, holder, visitor).await
}

/// Begins a session for who signed in elsewhere, as the user that this token names; otherwise as [`sign_in`].
pub async fn sign_in_by_login(app: &App, token: &VerifiedToken, visitor: Visitor<'_>) -> Result<Secret, Error> {
    let user = user_of(app, token).await?;
    begin(app, SignedInWith::User(user.id), user.id.0, visitor).await
}

async fn begin(app: &App, with: SignedInWith, holder: Id, visitor: Visitor<'_>) -> Result<Secret, Error> {
    let prefix = Prefix::parse(SESSION_PREFIX).map_err(Error::internal)?;
    let secret = Secret::generate(&prefix, &*app.random)?;
    let now = app.now();
    let mut tx = app.store.write().await?;
    if let Some(held) = visitor.held {
        tx.delete_session(&held.digest()).await?;
    }
    let session = Session { with, holder, created_at: now, seen_at: now, source: visitor.source };
    let agent: String = visitor.agent.chars().filter(|c| !c.is_control()).take(MAX_AGENT).collect();
    tx.insert_session(&secret.digest(), &session, &agent, MAX_SESSIONS).await?;
    tx.commit().await?;
    Ok(secret)
}

/// Who holds this session, from the address `source`. `None`: there is no such session any more, or what it stands on is gone.
pub async fn resume(app: &App, held: &Secret, source: Option<IpAddr>) -> Result<Option<(Session, Actor)>, Error> {
    let digest = held.digest();
    let Some(session) = app.store.session(&digest).await? else { return Ok(None) };
    let now = app.now();
    let actor =
        if app.dashboard.sessions.ended(&session, now) { None } else { standing(app, &session, source).await? };
    let Some(actor) = actor else {
        let mut tx = app.store.write().await?;
        tx.delete_session(&digest).await?;
        tx.commit().await?;
        return Ok(None);
    };
    if now.since(session.seen_at) >= SEEN_STEP {
        let mut tx = app.store.write().await?;
        tx.touch_session(&digest, now, source).await?;
        tx.commit().await?;
    }
    Ok(Some((session, actor)))
}

/// Who stands behind a session now, if somebody does.
async fn standing(app: &App, session: &Session, source: Option<IpAddr>) -> Result<Option<Actor>, Error> {
    match session.with {
        SignedInWith::AdminKey(id) => {
            let key = app.store.admin_key(id).await?.filter(|key| key.revoked_at.is_none());
            Ok(key.map(|key| Actor::AdminKey { id, access: key.access }))
        }
        SignedInWith::PersonalToken(id) => {
            let Some(held) = app.store.held_key_of_id(id).await? else { return Ok(None) };
            match holder(app, held, source) {
                Ok(actor @ Actor::User { .. }) => Ok(Some(actor)),
                // The token gave way to something else, or ended.
                Ok(_) => Ok(None),
                Err(error) if error.code == Code::CredentialInvalid => Ok(None),
                Err(error) => Err(error),
            }
        }
        SignedInWith::User(id) => {
            let Some((user, status)) = app.store.user_and_status(id).await? else { return Ok(None) };
            // The operator may have closed this way in since.
            let is_open = user.identity.as_ref().is_some_and(|identity| {
                app.jwt.providers().iter().any(|provider| provider.issuer() == identity.issuer())
            });
            if !is_open {
                return Ok(None);
            }
            is_active(status)?;
            Ok(Some(as_actor(&user)))
        }
    }
}

/// Ends a session.
pub async fn sign_out(app: &App, held: &Secret) -> Result<(), Error> {
    let mut tx = app.store.write().await?;
    tx.delete_session(&held.digest()).await?;
    Ok(tx.commit().await?)
}

/// The sessions of the holder of this one that are not over, used last first.
pub async fn own(app: &App, session: &Session) -> Result<Vec<OwnSession>, Error> {
    let (now, limits) = (app.now(), app.dashboard.sessions);
    let mut found = app.store.sessions_of(session.holder).await?;
    found.retain(|own| !limits.ended(&own.session, now));
    Ok(found)
}

/// Ends one of them.
pub async fn end(app: &App, own: &OwnSession) -> Result<(), Error> {
    let mut tx = app.store.write().await?;
    tx.delete_session(&own.digest).await?;
    Ok(tx.commit().await?)
}

/// Ends all sessions of the holder of this one; gives how many.
pub async fn sign_out_everywhere(app: &App, session: &Session) -> Result<u64, Error> {
    let mut tx = app.store.write().await?;
    let ended = tx.delete_sessions_of(session.holder).await?;
    tx.commit().await?;
    Ok(ended)
}
