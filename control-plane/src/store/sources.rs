//! Rows of `key_sources`: where keys that are being replaced were used from.

use super::row::{bytes, number, time};
use super::usage::{hex, seen};
use super::{Store, StoreError, WriteTx};
use crate::domain::id::KeyId;
use crate::domain::source::{MAX_SOURCES, Source, SourceAddress};
use crate::domain::time::Time;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{Key, SourcesRecord};
use serde_json::json;

impl WriteTx {
    /// Adds what a worker reports, for keys whose sources are wanted. Of each key the sources used last stay.
    pub(super) async fn count_sources(&mut self, records: &[SourcesRecord], now: Time) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let uses: Vec<_> = records
            .iter()
            .flat_map(|record| {
                let key = hex(record.key);
                record.sources.iter().map(move |source| {
                    json!([key, hex(Id(source.address)), source.count, seen(source.last_seen, now).millis()])
                })
            })
            .collect();
        sqlx::query(
            "INSERT INTO key_sources (key, source, count, first_seen_at, last_seen_at)
             SELECT keys.no, unhex(value ->> 1), sum(value ->> 2), min(value ->> 3), max(value ->> 3)
             FROM json_each(?) JOIN keys ON keys.id = unhex(value ->> 0)
             WHERE value ->> 2 > 0 AND keys.flags & ? <> 0 GROUP BY 1, 2
             ON CONFLICT (key, source) DO UPDATE SET
                 count = count + excluded.count,
                 first_seen_at = min(first_seen_at, excluded.first_seen_at),
                 last_seen_at = max(last_seen_at, excluded.last_seen_at)",
        )
        .bind(json!(uses).to_string())
        .bind(i64::from(Key::REPORT_SOURCES))
        .execute(self.connection())
        .await?;
        let keys: Vec<_> = records.iter().map(|record| hex(record.key)).collect();
        sqlx::query(
            "DELETE FROM key_sources WHERE (key, source) IN (
                 SELECT key, source FROM (
                     SELECT key, source, row_number() OVER (PARTITION BY key ORDER BY last_seen_at DESC, source) AS place
                     FROM key_sources WHERE key IN (
                         SELECT keys.no FROM json_each(?) JOIN keys ON keys.id = unhex(value)))
                 WHERE place > ?)",
        )
        .bind(json!(keys).to_string())
        .bind(i64::from(MAX_SOURCES))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Store {
    /// All sources of a key, the one used last first.
    pub async fn key_sources(&self, key: KeyId) -> Result<Vec<Source>, StoreError> {
        let rows = sqlx::query(
            "SELECT s.source, s.count, s.first_seen_at, s.last_seen_at FROM key_sources s JOIN keys k ON k.no = s.key
             WHERE k.id = ? ORDER BY s.last_seen_at DESC, s.source",
        )
        .bind(key.as_bytes())
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Source {
                    address: SourceAddress::from_wire(bytes(row, "source")?),
                    count: number(row, "count")?,
                    first_seen_at: time(row, "first_seen_at")?,
                    last_seen_at: time(row, "last_seen_at")?,
                })
            })
            .collect()
    }
}
