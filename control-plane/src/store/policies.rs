//! Rows of `policies`: what many keys share, found by its content and never changed.

use super::row::number;
use super::{StoreError, WriteTx};
use crate::domain::networks::Networks;
use crate::domain::scope::Scopes;

impl WriteTx {
    /// The number of the policy with these scopes and networks; adds it when it is new. `None`: nothing to restrict, so no
    /// policy is needed.
    pub async fn policy(&mut self, scopes: &Scopes, networks: &Networks) -> Result<Option<u32>, StoreError> {
        if scopes.is_empty() && networks.is_empty() {
            return Ok(None);
        }
        let (scopes, networks) = (scopes.joined(), networks.to_bytes());
        let found = sqlx::query("SELECT no FROM policies WHERE scopes = ? AND networks = ?")
            .bind(&scopes)
            .bind(&networks)
            .fetch_optional(self.connection())
            .await?;
        if let Some(row) = found {
            return number(&row, "no").map(Some);
        }
        let revision = self.next_revision();
        let row = sqlx::query("INSERT INTO policies (revision, scopes, networks) VALUES (?, ?, ?) RETURNING no")
            .bind(revision)
            .bind(&scopes)
            .bind(&networks)
            .fetch_one(self.connection())
            .await?;
        number(&row, "no").map(Some)
    }
}
