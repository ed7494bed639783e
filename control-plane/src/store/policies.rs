//! Rows of `policies`: what many keys share, found by its content and never changed; forgotten when no key refers to it.

use super::row::number;
use super::{Store, StoreError, WriteTx};
use crate::domain::networks::Networks;
use crate::domain::scope::Scopes;
use sqlx::Row as _;

impl WriteTx {
    /// The number of the policy with these scopes, networks and metadata (as on the wire); adds it when it is new. `None`: nothing to
    /// restrict and nothing to tell, so no policy is needed.
    pub async fn policy(
        &mut self,
        scopes: &Scopes,
        networks: &Networks,
        metadata: &[u8],
    ) -> Result<Option<u32>, StoreError> {
        if scopes.is_empty() && networks.is_empty() && metadata.is_empty() {
            return Ok(None);
        }
        let (scopes, networks) = (scopes.joined(), networks.to_bytes());
        let found = sqlx::query("SELECT no FROM policies WHERE scopes = ? AND networks = ? AND metadata = ?")
            .bind(&scopes)
            .bind(&networks)
            .bind(metadata)
            .fetch_optional(self.connection())
            .await?;
        if let Some(row) = found {
            return number(&row, "no").map(Some);
        }
        let revision = self.next_revision();
        let sql = "INSERT INTO policies (revision, scopes, networks, metadata) VALUES (?, ?, ?, ?) RETURNING no";
        let row = sqlx::query(sql)
            .bind(revision)
            .bind(&scopes)
            .bind(&networks)
            .bind(metadata)
            .fetch_one(self.connection())
            .await?;
        number(&row, "no").map(Some)
    }

    /// Forgets at most `limit` policies that no key refers to; gives their number. Proxies need not hear of it: nothing refers to
    /// them there either, and their numbers are never given again.
    pub async fn forget_policies(&mut self, limit: u32) -> Result<u64, StoreError> {
        let sql = "DELETE FROM policies WHERE no IN (SELECT p.no FROM policies p
                       WHERE NOT EXISTS (SELECT 1 FROM keys k WHERE k.policy = p.no) LIMIT ?)";
        Ok(sqlx::query(sql).bind(i64::from(limit)).execute(self.connection()).await?.rows_affected())
    }
}

impl Store {
    /// Whether there are policies that no key refers to. Asked of a reader, so that looking does not take the writer's time.
    pub async fn has_unused_policies(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM policies p
                       WHERE NOT EXISTS (SELECT 1 FROM keys k WHERE k.policy = p.no))";
        Ok(sqlx::query(sql).fetch_one(&self.readers).await?.try_get(0)?)
    }
}
