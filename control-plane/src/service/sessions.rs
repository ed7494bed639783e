//! Signing in to the dashboard and out again.
//!
//! A session says who signed in, never what they may do: at each request the credential behind it is looked at again, with the
//! same eyes as at the API. So a revoked admin key, a removed user or a suspended account ends its sessions at once.

use super::App;
use super::authenticate::{caller, holder};
use crate::domain::actor::Actor;
use crate::domain::secret::Secret;
use crate::domain::session::{MAX_SESSIONS, SEEN_STEP, SESSION_PREFIX, Session, SignedInWith};
use crate::error::{Code, Error};
use crate::jwt::looks_like_jwt;
use keyplane_contract::key::Prefix;
use std::net::IpAddr;

/// Begins a session for who presents `credential`; gives what the browser is to hold. A session that it held ends.
pub async fn sign_in(
    app: &App,
    credential: &Secret,
    source: Option<IpAddr>,
    held: Option<&Secret>,
) -> Result<Secret, Error> {
    if looks_like_jwt(credential.expose()) {
        return Err(Error::new(Code::CredentialInvalid));
    }
    let (with, holder) = match caller(app, credential, source).await? {
        Actor::AdminKey { id, .. } => (SignedInWith::AdminKey(id), id.0),
        Actor::User { id, token: Some(token), .. } => (SignedInWith::PersonalToken(token), id.0),
        Actor::User { .. } | Actor::Key { .. } | Actor::System => {
            let detail = "This is a project's key: it belongs to a program. Sign in with an admin key or a personal access token.";
            return Err(Error::with_detail(Code::Forbidden, detail));
        }
    };
    let prefix = Prefix::parse(SESSION_PREFIX).map_err(Error::internal)?;
    let secret = Secret::generate(&prefix, &*app.random)?;
    let now = app.now();
    let mut tx = app.store.write().await?;
    if let Some(held) = held {
        tx.delete_session(&held.digest()).await?;
    }
    let session = Session { with, holder, created_at: now, seen_at: now };
    tx.insert_session(&secret.digest(), &session, MAX_SESSIONS).await?;
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
        tx.touch_session(&digest, now).await?;
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
        // Nobody can have signed in so yet.
        SignedInWith::User(_) => Ok(None),
    }
}

/// Ends a session.
pub async fn sign_out(app: &App, held: &Secret) -> Result<(), Error> {
    let mut tx = app.store.write().await?;
    tx.delete_session(&held.digest()).await?;
    Ok(tx.commit().await?)
}

/// Ends all sessions of the holder of this one; gives how many.
pub async fn sign_out_everywhere(app: &App, session: &Session) -> Result<u64, Error> {
    let mut tx = app.store.write().await?;
    let ended = tx.delete_sessions_of(session.holder).await?;
    tx.commit().await?;
    Ok(ended)
}
