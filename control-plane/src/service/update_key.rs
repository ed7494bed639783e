//! Edits a key or a personal access token: its labels, its restrictions, its end, and whether it is switched on.
//!
//! Name and metadata of a revoked key can still be changed, for people who look back; nothing else of it can.

use super::permit::visible;
use super::receipt::ChangedKey;
use super::tell_proxies::policy;
use super::{App, audit, future};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::KeyId;
use crate::domain::key::{Key, KeyKind, State};
use crate::domain::metadata::Metadata;
use crate::domain::name::Name;
use crate::domain::networks::Networks;
use crate::domain::rights::{Right, Rights};
use crate::domain::scope::Scopes;
use crate::domain::time::Time;
use crate::domain::version::Expected;
use crate::error::{Code, Error, FieldError};
use serde_json::{Value, json};

/// What is to change; `None` leaves it as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyChange {
    /// Its name.
    pub name: Option<Name>,
    /// What it may be used for.
    pub scopes: Option<Scopes>,
    /// From where it may be used.
    pub networks: Option<Networks>,
    /// What its owner keeps with it.
    pub metadata: Option<Metadata>,
    /// When it ends; `Some(None)` for never.
    pub expires_at: Option<Option<Time>>,
    /// Whether it is switched on.
    pub enabled: Option<bool>,
}

/// Edits a key of this kind, if it is as `expected`. What is so already changes nothing.
pub async fn update_key(
    app: &App,
    by: &Origin,
    kind: KeyKind,
    id: KeyId,
    expected: &Expected,
    change: KeyChange,
) -> Result<ChangedKey, Error> {
    let reach = by.may(Right::write(kind.resource()))?;
    let now = app.now();
    let mut tx = app.store.write().await?;
    let stored = visible(tx.key(id).await?, kind, reach)?;
    let old = &stored.key;
    if !expected.allows(old.version()) {
        return Err(Error::new(Code::PreconditionFailed));
    }
    let mut new = old.clone();
    if let Some(name) = change.name {
        new.name = name;
    }
    if let Some(scopes) = change.scopes {
        if scopes != old.scopes {
            may_give(by, kind, &scopes)?;
        }
        new.scopes = scopes;
    }
    if let Some(networks) = change.networks {
        new.networks = networks;
    }
    if let Some(metadata) = change.metadata {
        new.metadata = metadata;
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
    let terms =
        |key: &Key| json!({ "scopes": key.scopes, "allowed_cidrs": key.networks, "expires_at": key.expires_at });
    let edited = terms(&new) != terms(old);
    if edited && matches!(old.state, State::Revoked { .. } | State::Gone { .. }) {
        return Err(Error::new(Code::KeyRevoked));
    }

    let mut entries: Vec<(Action, Value)> = Vec::new();
    if (&new.name, &new.metadata) != (&old.name, &old.metadata) {
        tx.update_key_labels(stored.no, &new.name, &new.metadata).await?;
    }
    if new.metadata != old.metadata {
        entries.push((Action::UpdateKey, json!({ "metadata": "changed" })));
    }
    if new.name != old.name {
        entries.push((Action::RenameKey, json!({ "from": old.name, "to": new.name })));
    }
    let told = |key: &Key| app.proxy_metadata.of(&key.metadata);
    let terms_changed = edited || told(&new) != told(old);
    if terms_changed {
        let policy = policy(app, &mut tx, &new).await?;
        tx.update_key_terms(stored.no, policy, new.expires_at).await?;
    }
    if edited {
        entries.push((Action::UpdateKey, json!({ "from": terms(old), "to": terms(&new) })));
    }
    if new.state != old.state {
        tx.update_key_state(stored.no, old.state, new.state).await?;
        let action = if new.state == State::Disabled { Action::DisableKey } else { Action::EnableKey };
        entries.push((action, json!({ "name": new.name, "key_prefix": new.mask })));
    }
    let synced = terms_changed || new.state != old.state;
    let revision = if synced { tx.last_revision() } else { stored.revision };
    for (action, detail) in entries {
        tx.append_audit(&audit(now, by, action, id.0, Some(stored.account), detail)).await?;
    }
    // Also when nothing changed: that it is so may not be on the disk yet.
    tx.commit().await?;
    Ok(ChangedKey { key: new, revision })
}

/// Refuses scopes that would give more than who acts may give.
fn may_give(by: &Origin, kind: KeyKind, scopes: &Scopes) -> Result<(), Error> {
    if kind == KeyKind::PersonalToken && Rights::of(scopes) != Rights::default() {
        let field = FieldError::new("scopes", "must not hold scopes that begin with `keyplane:`");
        return Err(Error::fields(Code::InvalidRequest, vec![field]));
    }
    by.may_hand_on(scopes)
}
