//! Puts a backup back, as the beginning of a new history.

use super::initialize::InitializeError;
use crate::domain::audit::{Action, Entry, Origin};
use crate::domain::id::generate;
use crate::domain::random::Random;
use crate::domain::time::Time;
use crate::store::{DataDir, Store};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Makes `from` the database of `folder`, whole or not at all. Gives where the one before is kept, if there was one.
///
/// The epoch is new, so that each proxy takes its whole table again; the revision goes on from the backup's.
pub async fn restore(
    folder: &DataDir,
    now: Time,
    random: &dyn Random,
    from: &Path,
) -> Result<Option<PathBuf>, InitializeError> {
    let epoch = generate(now, random)?;
    let entry = Entry {
        at: now,
        origin: Origin::SYSTEM,
        action: Action::Restore,
        object: Some(epoch),
        account: None,
        detail: json!({}),
    };
    let kept = folder.restore(from, epoch, async |store: &Store| {
        let mut tx = store.write().await?;
        tx.append_audit(&entry).await?;
        tx.commit().await
    });
    Ok(kept.await?)
}
