//! Counts a batch of usage from a worker, once.

use super::App;
use crate::error::Error;
use crate::store::UsageEffect;
use keyplane_contract::sync::UsageBatch;

/// Counts the batch unless it was counted before. Both are a success: the worker may forget it.
pub async fn record_usage(app: &App, batch: &UsageBatch) -> Result<UsageEffect, Error> {
    let mut tx = app.store.write().await?;
    let effect = tx.count_usage(batch, app.now()).await?;
    tx.commit().await?;
    if let UsageEffect::Counted { unknown_keys: unknown @ 1.. } = effect {
        tracing::warn!(worker = %batch.worker, unknown, "a usage batch names keys that do not exist here");
    }
    Ok(effect)
}
