//! Rows of `audit`, written in the transaction of the change they tell of.

use super::{StoreError, WriteTx};
use crate::domain::audit::Entry;

impl WriteTx {
    /// Appends an entry.
    pub async fn append_audit(&mut self, entry: &Entry) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO audit (at, actor_kind, actor_id, action, object_kind, object_id, account, request_id, source, detail)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(entry.at.millis())
        .bind(entry.origin.actor.kind())
        .bind(entry.origin.actor.id().map(|id| id.0.to_vec()))
        .bind(entry.action.name())
        .bind(entry.action.object_kind())
        .bind(entry.object.map(|id| id.0.to_vec()))
        .bind(entry.account.map(i64::from))
        .bind(entry.origin.request.map(|id| id.as_bytes().to_vec()))
        .bind(entry.origin.source.map(|source| source.to_string()))
        .bind(entry.detail.to_string())
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
