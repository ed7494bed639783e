//! Rows of `policies`: what many keys share, found by its content and never changed.

use super::row::number;
use super::{StoreError, WriteTx};
use crate::domain::scope::Scopes;

impl WriteTx {
    /// The number of the policy with these scopes and no bound on networks; adds it when it is new. `None`: nothing to
    /// restrict, so no policy is needed.
    pub async fn policy(&mut self, scopes: &Scopes) -> Result<Option<u32>, StoreError> {
        if scopes.is_empty() {
            return Ok(None);
        }
        let networks: &[u8] = &[];
        let found = sqlx::query("SELECT no FROM policies WHERE scopes = ? AND networks = ?")
            .bind(scopes.joined())
            .bind(networks)
            .fetch_optional(self.connection())
            .await?;
        if let Some(row) = found {
            return number(&row, "no").map(Some);
        }
        let revision = self.next_revision();
        let row = sqlx::query("INSERT INTO policies (revision, scopes, networks) VALUES (?, ?, ?) RETURNING no")
            .bind(revision)
            .bind(scopes.joined())
            .bind(networks)
            .fetch_one(self.connection())
            .await?;
        number(&row, "no").map(Some)
    }
}
