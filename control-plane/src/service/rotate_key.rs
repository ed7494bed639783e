//! Replaces a key by a new one with the same attributes. The old one works on, so that its holders can change over in their
//! own time: until the grace ends, until nobody uses it any more, or until the first of both.
//!
//! The end of the grace is the old key's expiry: proxies know it beforehand, so nothing has to happen when it comes. That
//! nobody uses it is found by the sweeper; see `retire_idle_keys`. Either way proxies report from now on where the old key is used from.

use super::create_key::{CreatedKey, allows_one_more, insert, told};
use super::pending::Pending;
use super::permit::visible;
use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::KeyId;
use crate::domain::key::{Key, KeyKind, State, Status};
use crate::domain::project::OwnedProject;
use crate::domain::rights::{Resource, Right};
use crate::domain::secret::Secret;
use crate::domain::time::Time;
use crate::error::{Code, Error};
use crate::store::{OwnerNo, WriteTx};
use serde_json::json;
use std::time::Duration;

/// How the old key ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handover {
    /// It works for so long at most; `None` sets no end, zero revokes it at once.
    pub grace: Option<Duration>,
    /// It is revoked once no proxy has seen it for so long.
    pub idle_limit: Option<Duration>,
}

/// The new key and the one that it replaces.
#[derive(Debug)]
pub struct RotatedKey {
    /// The new key.
    pub new: CreatedKey,
    /// The old key as it is now.
    pub old: Key,
    /// Until when the old key works at the latest; `None` when it has no fixed end.
    pub grace_ends_at: Option<Time>,
    /// The revision of the change: a proxy that has it knows the new key, and what became of the old one.
    pub revision: u64,
}

/// Rotates a key that works. Without grace the old key is revoked at once; a key that would end within the grace
/// anyway keeps its end. A key that was rotated before hands over as the last rotation says.
///
/// A key that is being replaced does not count against the plan's cap, so rotating passes at the cap, but for only as many keys
/// at once as the cap; rotating the same key
/// again makes one key more, and does not.
pub async fn rotate_key(app: &App, by: &Origin, id: KeyId, handover: Handover) -> Result<Pending<RotatedKey>, Error> {
    let reach = by.may(Right::write(Resource::Keys))?;
    let now = app.now();
    let new_id = KeyId::generate(now, &*app.random)?;
    let mut tx = app.store.write().await?;
    let stored = visible(tx.key(id).await?, KeyKind::Key, reach)?;
    let mut old = stored.key;
    by.may_hand_on(&old.scopes)?;
    if old.status(now) != Status::Active {
        return Err(Error::new(Code::KeyNotActive));
    }
    let project_id = old.owner.project().ok_or_else(|| Error::internal("a key without a project"))?;
    let owned = tx.owned_project(project_id).await?.ok_or_else(|| Error::internal("a key without a project"))?;
    let at_once = handover.grace == Some(Duration::ZERO);
    if old.replaced_by.is_some() {
        allows_one_more(app, &mut tx, &owned, now).await?;
    } else if !at_once {
        lets_one_more_end(app, &mut tx, &owned, now).await?;
    }
    let secret = Secret::generate(owned.project.prefixes.of(old.environment), &*app.random)?;
    let new = Key {
        id: new_id,
        mask: secret.mask(),
        created_at: now,
        last_used_at: None,
        state: State::Active,
        replaced_by: None,
        idle_limit: None,
        ..old.clone()
    };
    insert(app, &mut tx, &new, &secret, owned.account.no, OwnerNo::Project(owned.project.no)).await?;

    if !at_once && let Some(grace) = handover.grace {
        let end = now.after(grace);
        old.expires_at = Some(old.expires_at.map_or(end, |own| own.min(end)));
    }
    (old.replaced_by, old.idle_limit) = (Some(new.id), handover.idle_limit);
    tx.replace_key(stored.no, new.id, old.expires_at, old.idle_limit, now).await?;
    if at_once {
        let revoked = old.state.revoke(now).map_err(Error::internal)?;
        tx.update_key_state(stored.no, old.state, revoked).await?;
        old.state = revoked;
    }
    let revision = tx.last_revision();
    let grace_ends_at = if at_once { Some(now) } else { old.expires_at };
    let account = Some(stored.account);
    let detail = json!({
        "new_key_id": new.id,
        "grace_ends_at": grace_ends_at,
        "retire_when_idle_seconds": handover.idle_limit.map(|limit| limit.as_secs()),
    });
    tx.append_audit(&audit(now, by, Action::RotateKey, old.id.0, account, detail)).await?;
    let mut detail = told(&new);
    detail["replaces"] = json!(old.id);
    tx.append_audit(&audit(now, by, Action::CreateKey, new.id.0, account, detail)).await?;
    Ok(Pending::new(RotatedKey { new: CreatedKey { key: new, secret }, old, grace_ends_at, revision }, tx))
}

/// Refuses when as many keys of the project are being replaced as the plan allows it keys. They do not count against the cap, so a
/// chain of rotations would otherwise make working keys without end.
async fn lets_one_more_end(app: &App, tx: &mut WriteTx, owned: &OwnedProject, now: Time) -> Result<(), Error> {
    let cap = app.plans.cap(&owned.account.plan);
    if cap.number().is_none() || cap.allows_one_more(tx.ending_keys(owned.project.no, now).await?) {
        return Ok(());
    }
    let detail = "As many keys of the project are being replaced and still work as its plan allows it keys. Revoke those \
                  that nobody uses any more, or rotate with grace_seconds 0.";
    Err(Error::with_detail(Code::KeyLimitReached, detail))
}
