//! Which key another took the place of.
//!
//! A key's row names its successor. Its predecessor is in the audit entry of its making, which never goes: that is found by an index
//! that is there anyway.

use super::{Store, StoreError};
use crate::domain::audit::Action;
use crate::domain::id::KeyId;
use sqlx::Row as _;

impl Store {
    /// The key that this one was made to replace; `None` for one that was not made by a rotation.
    pub async fn replaced_key(&self, key: KeyId) -> Result<Option<KeyId>, StoreError> {
        let row = sqlx::query(
            "SELECT detail ->> 'replaces' AS replaces FROM audit WHERE object_id = ? AND action = ? ORDER BY at, no LIMIT 1",
        )
        .bind(key.as_bytes())
        .bind(Action::CreateKey.name())
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(row.try_get::<Option<&str>, _>("replaces")?.and_then(KeyId::parse))
    }
}
