//! Sessions of the dashboard: who holds one, and its end.
//!
//! A session says who signed in, never what they may do: at each request the credential behind it is looked at again, with the
//! same eyes as at the API. So a revoked admin key, a removed user or a suspended account ends its sessions at once.

use super::authenticate::{as_actor, holder, is_active};
use super::{App, audit};
use crate::domain::actor::Actor;
use crate::domain::audit::{Action, Origin};
use crate::domain::id::{RequestId, UserId};
use crate::domain::secret::Secret;
use crate::domain::session::{OwnSession, SEEN_STEP, Session, SignedInWith, log_id};
use crate::error::{Code, Error};
use serde_json::json;
use std::net::IpAddr;

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

/// Signs out who holds a session: of it, or of all their sessions. One that is over already is no error, and who may not come in any more, as
/// their account is suspended, may still go out.
pub async fn sign_out(
    app: &App,
    held: &Secret,
    everywhere: bool,
    request: Option<RequestId>,
    source: Option<IpAddr>,
) -> Result<(), Error> {
    let digest = held.digest();
    let leaves = match app.store.session(&digest).await? {
        Some(session) if is_over(app, &session, source).await? => None,
        Some(session) => behind(app, &session).await?.map(|actor| (session, actor)),
        None => None,
    };
    let stood = match &leaves {
        Some((session, _)) if everywhere => own(app, session).await?.len(),
        _ => 1,
    };
    let now = app.now();
    let mut tx = app.store.write().await?;
    let is_here = tx.delete_session(&digest).await?;
    if let Some((session, actor)) = leaves.filter(|_| is_here) {
        let by = Origin { actor, request, source };
        let (action, detail) = if everywhere {
            tx.delete_sessions_of(session.holder).await?;
            (Action::EndSessions, json!({ "sessions": stood }))
        } else {
            (Action::EndSession, json!({ "elsewhere": false }))
        };
        tx.append_audit(&audit(now, &by, action, log_id(&digest), actor.account(), detail)).await?;
    }
    Ok(tx.commit().await?)
}

/// Whether a session is over, though it is still written down.
async fn is_over(app: &App, session: &Session, source: Option<IpAddr>) -> Result<bool, Error> {
    if app.dashboard.sessions.ended(session, app.now()) {
        return Ok(true);
    }
    match standing(app, session, source).await {
        Ok(actor) => Ok(actor.is_none()),
        // They may not come in, but the session stands.
        Err(error) if error.code.status() < 500 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Who holds a session, whether they may come in or not; `None` when they left.
async fn behind(app: &App, session: &Session) -> Result<Option<Actor>, Error> {
    let token = match session.with {
        SignedInWith::AdminKey(id) => {
            let key = app.store.admin_key(id).await?;
            return Ok(key.map(|key| Actor::AdminKey { id, access: key.access }));
        }
        SignedInWith::PersonalToken(token) => Some(token),
        SignedInWith::User(_) => None,
    };
    let user = app.store.user(UserId(session.holder)).await?;
    Ok(user.map(|user| match as_actor(&user) {
        Actor::User { id, no, account, role, .. } => Actor::User { id, no, account, role, token },
        other => other,
    }))
}

/// The sessions of the holder of this one that are not over, used last first.
pub async fn own(app: &App, session: &Session) -> Result<Vec<OwnSession>, Error> {
    let (now, limits) = (app.now(), app.dashboard.sessions);
    let mut found = app.store.sessions_of(session.holder).await?;
    found.retain(|own| !limits.ended(&own.session, now));
    Ok(found)
}

/// Ends one of them from another.
pub async fn end(app: &App, by: &Origin, own: &OwnSession) -> Result<(), Error> {
    let mut tx = app.store.write().await?;
    if tx.delete_session(&own.digest).await? {
        let detail = json!({ "elsewhere": true, "browser": own.agent });
        let (id, account) = (log_id(&own.digest), by.actor.account());
        tx.append_audit(&audit(app.now(), by, Action::EndSession, id, account, detail)).await?;
    }
    Ok(tx.commit().await?)
}
