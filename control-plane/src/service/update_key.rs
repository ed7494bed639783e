//! Edits a key: its name, its scopes, its end, and whether it is switched on.
//!
//! The name of a revoked key can still be changed, for people who look back; nothing else of it can.

use super::{App, audit, future};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::KeyId;
use crate::domain::key::{Key, State};
use crate::domain::name::Name;
use crate::domain::scope::Scopes;
use crate::domain::time::Time;
use crate::domain::version::Expected;
use crate::error::{Code, Error};
use serde_json::{Value, json};

/// What is to change; `None` leaves it as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyChange {
    /// Its name.
    pub name: Option<Name>,
    /// What it may be used for.
    pub scopes: Option<Scopes>,
    /// When it ends; `Some(None)` for never.
    pub expires_at: Option<Option<Time>>,
    /// Whether it is switched on.
    pub enabled: Option<bool>,
}

/// Edits a key, if it is as `expected`. What is so already changes nothing.
pub async fn update_key(
    app: &App,
    origin: &Origin,
    id: KeyId,
    expected: &Expected,
    change: KeyChange,
) -> Result<Key, Error> {
    let now = app.now();
    let mut tx = app.store.write().await?;
    let stored = tx.key(id).await?.ok_or_else(|| Error::not_found("key"))?;
    let old = &stored.key;
    if !expected.allows(old.version()) {
        return Err(Error::new(Code::PreconditionFailed));
    }
    let mut new = old.clone();
    if let Some(name) = change.name {
        new.name = name;
    }
    if let Some(scopes) = change.scopes {
        new.scopes = scopes;
    }
    if let Some(end) = change.expires_at {
        if end != old.expires_at {
            future("expires_at", end, now)?;
        }
        new.expires_at = end;
    }
    if let Some(enabled) = change.enabled {
        new.state = old.state.switch(enabled).map_err(|_| Error::new(Code::KeyRevoked))?;
    }
    let edited = (&new.scopes, new.expires_at) != (&old.scopes, old.expires_at);
    if edited && matches!(old.state, State::Revoked { .. } | State::Gone { .. }) {
        return Err(Error::new(Code::KeyRevoked));
    }

    let mut entries: Vec<(Action, Value)> = Vec::new();
    if new.name != old.name {
        tx.update_key_name(stored.no, &new.name).await?;
        entries.push((Action::RenameKey, json!({ "from": old.name, "to": new.name })));
    }
    if edited {
        let policy = tx.policy(&new.scopes).await?;
        tx.update_key_terms(stored.no, policy, new.expires_at).await?;
        let terms = |key: &Key| json!({ "scopes": key.scopes, "expires_at": key.expires_at });
        entries.push((Action::UpdateKey, json!({ "from": terms(old), "to": terms(&new) })));
    }
    if new.state != old.state {
        tx.update_key_state(stored.no, old.state, new.state).await?;
        let action = if new.state == State::Disabled { Action::DisableKey } else { Action::EnableKey };
        entries.push((action, json!({ "name": new.name, "key_prefix": new.mask })));
    }
    for (action, detail) in entries {
        tx.append_audit(&audit(now, origin, action, id.0, Some(stored.account), detail)).await?;
    }
    // Also when nothing changed: that it is so may not be on the disk yet.
    tx.commit().await?;
    Ok(new)
}
