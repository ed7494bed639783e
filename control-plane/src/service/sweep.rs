//! What time brings: revoked keys leave the feed after a while, and workers that went away are forgotten.
//!
//! The feed would otherwise carry each key that ever was. Until a revoked key leaves it, proxies can tell "revoked" from
//! "unknown" in their metrics; callers see no difference.

use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::error::Error;
use serde_json::json;
use std::time::Duration;

/// How many keys leave the feed in one transaction: the writer is free again in between.
const BATCH: u32 = 500;

/// How long the sequence of a silent worker is remembered.
const WORKER_MEMORY: Duration = Duration::from_hours(30 * 24);

/// Sweeps once; gives how many keys left the feed.
pub async fn sweep(app: &App) -> Result<usize, Error> {
    let mut swept = 0;
    loop {
        let left = retire_keys(app).await?;
        swept += left;
        if left < usize::try_from(BATCH).unwrap_or(usize::MAX) || *app.stopping.borrow() {
            break;
        }
    }
    let mut tx = app.store.write().await?;
    tx.forget_workers(app.now().before(WORKER_MEMORY)).await?;
    tx.commit().await?;
    Ok(swept)
}

async fn retire_keys(app: &App) -> Result<usize, Error> {
    let now = app.now();
    let mut tx = app.store.write().await?;
    let due = tx.keys_revoked_until(now.before(app.revoked_retention), BATCH).await?;
    for stored in &due {
        let key = &stored.key;
        let state = key.state.retire(now, app.revoked_retention).map_err(Error::internal)?;
        tx.update_key_state(stored.no, key.state, state).await?;
        let entry = audit(now, &Origin::SYSTEM, Action::RetireKey, key.id.0, Some(stored.account), json!({}));
        tx.append_audit(&entry).await?;
    }
    tx.commit().await?;
    Ok(due.len())
}
