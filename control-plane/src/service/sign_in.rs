//! Signing in to the dashboard.
//!
//! Each sign-in is in the audit log with its session, in one transaction; so is one that was refused to somebody who is known. What is presented
//! is in neither. A credential of nobody is not written down: who invents them would fill the log.

use super::authenticate::{as_actor, caller, is_active, user_and_status_of};
use super::{App, audit};
use crate::domain::actor::Actor;
use crate::domain::audit::{Action, Entry, Filter, Origin};
use crate::domain::id::RequestId;
use crate::domain::key::{Owner, Status};
use crate::domain::rights::Rights;
use crate::domain::secret::Secret;
use crate::domain::session::{MAX_AGENT, MAX_SESSIONS, SESSION_PREFIX, Session, SignedInWith, log_id};
use crate::error::{Code, Error};
use crate::jwt::{VerifiedToken, looks_like_jwt};
use crate::store::HeldKey;
use keyplane_contract::key::Prefix;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Duration;

/// Of somebody who is refused again and again one entry is written in this time.
const REFUSALS: Duration = Duration::from_mins(1);

/// A browser at the door.
#[derive(Clone, Copy, Debug)]
pub struct Visitor<'a> {
    /// Its address, if that is known.
    pub source: Option<IpAddr>,
    /// The request that it sent.
    pub request: Option<RequestId>,
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
    let (with, actor) = match admitted(app, credential, visitor).await {
        Ok(admitted) => admitted,
        Err(error) if error.code.status() >= 500 => return Err(error),
        Err(error) => {
            if let Some((actor, detail)) = known(app, credential).await? {
                refuse(app, actor, detail, error.code, visitor).await?;
            }
            return Err(error);
        }
    };
    let detail = known(app, credential).await?.map_or(Value::Null, |(_, detail)| detail);
    begin(app, with, actor, detail, visitor).await
}

/// Begins a session for who signed in elsewhere, as the user that this token names; otherwise as [`sign_in`].
pub async fn sign_in_by_login(app: &App, token: &VerifiedToken, visitor: Visitor<'_>) -> Result<Secret, Error> {
    let (user, status) = user_and_status_of(app, token).await?;
    let (actor, detail) = (as_actor(&user), json!({ "with": "login", "issuer": token.issuer }));
    if let Err(error) = is_active(status) {
        refuse(app, actor, detail, error.code, visitor).await?;
        return Err(error);
    }
    begin(app, SignedInWith::User(user.id), actor, detail, visitor).await
}

/// Who may come in with a credential.
async fn admitted(app: &App, credential: &Secret, visitor: Visitor<'_>) -> Result<(SignedInWith, Actor), Error> {
    let actor = caller(app, credential, visitor.source).await?;
    match actor {
        Actor::AdminKey { id, .. } => Ok((SignedInWith::AdminKey(id), actor)),
        Actor::User { token: Some(token), .. } => Ok((SignedInWith::PersonalToken(token), actor)),
        Actor::User { .. } | Actor::Key { .. } | Actor::System => {
            let detail = "This is a project's key: it belongs to a program. Sign in with an admin key or a personal access token.";
            Err(Error::with_detail(Code::Forbidden, detail))
        }
    }
}

async fn begin(
    app: &App,
    with: SignedInWith,
    actor: Actor,
    mut detail: Value,
    visitor: Visitor<'_>,
) -> Result<Secret, Error> {
    let prefix = Prefix::parse(SESSION_PREFIX).map_err(Error::internal)?;
    let secret = Secret::generate(&prefix, &*app.random)?;
    let digest = secret.digest();
    let holder = actor.id().ok_or_else(|| Error::internal("nobody signs in as Keyplane itself"))?;
    let now = app.now();
    let agent = agent(visitor);
    detail["browser"] = json!(agent);
    let mut tx = app.store.write().await?;
    if let Some(before) = visitor.held.map(Secret::digest)
        && tx.delete_session(&before).await?
    {
        detail["replaces"] = json!(log_id(&before).to_string());
    }
    let session = Session { with, holder, created_at: now, seen_at: now, source: visitor.source };
    tx.insert_session(&digest, &session, &agent, MAX_SESSIONS).await?;
    let by = origin(actor, visitor);
    tx.append_audit(&audit(now, &by, Action::BeginSession, log_id(&digest), actor.account(), detail)).await?;
    tx.commit().await?;
    Ok(secret)
}

/// Writes down that somebody who is known was not let in, unless that was written a moment ago.
async fn refuse(app: &App, actor: Actor, mut detail: Value, code: Code, visitor: Visitor<'_>) -> Result<(), Error> {
    let now = app.now();
    let action = Action::RefuseSession;
    let recent = Filter {
        actor_id: actor.id(),
        action: Some(action.name()),
        from: Some(now.before(REFUSALS)),
        ..Filter::default()
    };
    if !app.store.audit(None, &recent, None, 1).await?.is_empty() {
        return Ok(());
    }
    // Why a credential is not valid is known already where it is.
    if detail["reason"].is_null() {
        detail["reason"] = json!(code.name());
    }
    detail["browser"] = json!(agent(visitor));
    let origin = origin(actor, visitor);
    let mut tx = app.store.write().await?;
    tx.append_audit(&Entry { at: now, origin, action, object: None, account: actor.account(), detail }).await?;
    Ok(tx.commit().await?)
}

fn origin(actor: Actor, visitor: Visitor<'_>) -> Origin {
    Origin { actor, request: visitor.request, source: visitor.source }
}

fn agent(visitor: Visitor<'_>) -> String {
    visitor.agent.chars().filter(|c| !c.is_control()).take(MAX_AGENT).collect()
}

/// Whose credential this is, whether it works or not, and what the log tells of it. `None`: nobody's.
async fn known(app: &App, credential: &Secret) -> Result<Option<(Actor, Value)>, Error> {
    let digest = credential.digest();
    if let Some(key) = app.store.admin_key_of(&digest).await? {
        let mut detail = json!({ "with": "admin_key", "name": key.name, "key_prefix": key.mask });
        if key.revoked_at.is_some() {
            detail["reason"] = json!("revoked");
        }
        return Ok(Some((Actor::AdminKey { id: key.id, access: key.access }, detail)));
    }
    let Some(HeldKey { stored, role, .. }) = app.store.held_key(&digest).await? else { return Ok(None) };
    let (key, account) = (&stored.key, stored.account);
    let (with, actor) = match (key.owner, stored.user, role) {
        (Owner::User(id), Some(no), Some(role)) => {
            ("personal_token", Actor::User { id, no, account, role, token: Some(key.id) })
        }
        _ => ("key", Actor::Key { id: key.id, account, rights: Rights::of(&key.scopes) }),
    };
    let mut detail = json!({ "with": with, "name": key.name, "key_prefix": key.mask });
    let status = key.status(app.now());
    if status != Status::Active {
        detail["reason"] = json!(status);
    }
    Ok(Some((actor, detail)))
}
