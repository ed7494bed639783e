//! What the database says of itself, for metrics.

use super::row::number;
use super::{Store, StoreError};

/// What the database says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// Key rows in the feed: all but those that left it.
    pub keys: u64,
    /// Size of the file without its log, in bytes.
    pub bytes: u64,
}

impl Store {
    /// Looks at the database. Costs the same whatever its size.
    pub async fn status(&self) -> Result<Status, StoreError> {
        let sql = "SELECT live_keys, page_count * page_size AS bytes FROM meta, pragma_page_count, pragma_page_size";
        let row = sqlx::query(sql).fetch_one(&self.readers).await?;
        Ok(Status { keys: number(&row, "live_keys")?, bytes: number(&row, "bytes")? })
    }
}
