//! Uses of keys and personal access tokens at the management API itself. Proxies never see these, so they are noted here and
//! written down by the sweeper: a write for each request would be too much for what they are worth.

use super::App;
use crate::domain::time::Time;
use crate::error::Error;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// When each key was last used since the last writing down. Bounded by itself: only keys that work get in.
#[derive(Debug, Default)]
pub struct LastUses {
    uses: Mutex<HashMap<i64, Time>>,
}

impl LastUses {
    /// Notes that the key of this number is used.
    pub fn note(&self, no: i64, now: Time) {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).insert(no, now);
    }

    fn take(&self) -> HashMap<i64, Time> {
        std::mem::take(&mut *self.uses.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes the uses down.
pub async fn write_last_uses(app: &App) -> Result<(), Error> {
    let uses = app.last_uses.take();
    if uses.is_empty() {
        return Ok(());
    }
    let mut tx = app.store.write().await?;
    tx.note_last_uses(&uses).await?;
    Ok(tx.commit().await?)
}
