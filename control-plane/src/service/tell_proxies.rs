//! Chosen metadata: what proxies are told of a key beside its restrictions, and how they follow when the operator chooses
//! other names.
//!
//! What proxies are told is part of a key's policy, so a key whose metadata say the same as another's shares its policy.
//! The names are a setting, and the database knows for which names its policies were made. When the setting is
//! another one at a start, the keys concerned get other policies in small steps, while requests are served.

use super::App;
use crate::domain::key::Key;
use crate::error::Error;
use crate::store::{StoreError, WriteTx};

/// How many keys change in one transaction. Few: there may be very many batches, and a revocation must not wait long in between.
const BATCH: u32 = 100;

/// The number of the policy of `key`: its restrictions, and the metadata that proxies are told. This is the one place that says
/// what a policy is made of. `None` for a key that has neither.
pub(super) async fn policy(app: &App, tx: &mut WriteTx, key: &Key) -> Result<Option<u32>, StoreError> {
    tx.policy(&key.scopes, &key.networks, &app.proxy_metadata.of(&key.metadata)).await
}

/// Gives keys other policies where proxies are to be told other metadata than before; gives their number. Costs one small
/// read when the names are those of the last time.
///
/// One that is cut off begins again at the next start: keys that were done are passed over.
pub async fn follow_proxy_metadata(app: &App) -> Result<usize, Error> {
    let names = app.proxy_metadata.text();
    if app.store.proxy_metadata().await? == names {
        return Ok(0);
    }
    let (mut changed, mut after) = (0, 0);
    loop {
        let keys = app.store.keys_with_metadata(after, BATCH).await?;
        let Some(last) = keys.last() else { break };
        after = last.no;
        let differ: Vec<_> =
            keys.iter().filter(|key| app.proxy_metadata.of(&key.metadata) != key.told).map(|key| key.no).collect();
        if !differ.is_empty() {
            changed += differ.len();
            retell(app, &differ).await?;
        }
        if *app.stopping.borrow() {
            return Ok(changed);
        }
    }
    let mut tx = app.store.write().await?;
    tx.set_proxy_metadata(&names).await?;
    tx.commit().await?;
    Ok(changed)
}

async fn retell(app: &App, keys: &[i64]) -> Result<(), Error> {
    let mut tx = app.store.write().await?;
    for no in keys {
        // As it is now: it may have been edited since it was looked at.
        let Some(stored) = tx.key_of_number(*no).await? else { continue };
        let policy = policy(app, &mut tx, &stored.key).await?;
        tx.update_key_terms(stored.no, policy, stored.key.expires_at).await?;
    }
    Ok(tx.commit().await?)
}
