//! For which names of metadata the policies were made, and the keys that such a choice concerns.

use super::{Store, StoreError, WriteTx};
use crate::domain::metadata::Metadata;
use sqlx::Row as _;

/// A key with metadata, and what proxies are told of them.
#[derive(Debug)]
pub struct ToldKey {
    /// The key's number.
    pub no: i64,
    /// Its metadata.
    pub metadata: Metadata,
    /// What proxies are told of them, as on the wire.
    pub told: Vec<u8>,
}

impl Store {
    /// The names that policies were made for, as text.
    pub async fn proxy_metadata(&self) -> Result<String, StoreError> {
        Ok(sqlx::query_scalar("SELECT proxy_metadata FROM meta").fetch_one(&self.readers).await?)
    }

    /// At most `limit` keys, of any state, that have metadata or of which some are told, with a number after `after`, in its order.
    pub async fn keys_with_metadata(&self, after: i64, limit: u32) -> Result<Vec<ToldKey>, StoreError> {
        let sql = "SELECT k.no, k.metadata, coalesce(o.metadata, x'') AS told FROM keys k LEFT JOIN policies o ON o.no = k.policy
                   WHERE k.no > ? AND (k.metadata <> '{}' OR o.metadata <> x'') ORDER BY k.no LIMIT ?";
        let rows = sqlx::query(sql).bind(after).bind(i64::from(limit)).fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                let metadata = Metadata::from_text(row.try_get("metadata")?);
                Ok(ToldKey {
                    no: row.try_get("no")?,
                    metadata: metadata.ok_or(StoreError::Corrupt { column: "metadata" })?,
                    told: row.try_get("told")?,
                })
            })
            .collect()
    }
}

impl WriteTx {
    /// Writes down for which names the policies are made.
    pub async fn set_proxy_metadata(&mut self, names: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE meta SET proxy_metadata = ?").bind(names).execute(self.connection()).await?;
        Ok(())
    }
}
