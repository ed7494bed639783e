//! Rows of `usage_workers`, `usage_daily` and `usage_hourly`, and the keys' last use.

use super::row::sql_number;
use super::{Store, StoreError, WriteTx};
use crate::domain::time::Time;
use keyplane_contract::code::Reason;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{UsageBatch, UsageRecord};
use serde_json::json;
use sqlx::Row as _;

/// What a batch changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UsageEffect {
    /// Counted.
    Counted {
        /// Records of keys that this control plane does not know: their counts went nowhere.
        unknown_keys: u64,
    },
    /// The worker's batch of this or a later sequence was counted before: nothing changed.
    Repeated,
}

impl WriteTx {
    /// Counts a batch unless it was counted before. A last use that lies in the future is taken for `now`, so that a
    /// proxy with a wrong clock cannot freeze it.
    ///
    /// The whole batch is one JSON parameter for each of a few statements: a batch of thousands of keys holds the writer
    /// for a moment only.
    pub async fn count_usage(&mut self, batch: &UsageBatch, now: Time) -> Result<UsageEffect, StoreError> {
        let taken = sqlx::query(
            "INSERT INTO usage_workers (worker, sequence, seen_at) VALUES (?, ?, ?)
             ON CONFLICT (worker) DO UPDATE SET sequence = excluded.sequence, seen_at = excluded.seen_at
             WHERE excluded.sequence > usage_workers.sequence",
        )
        .bind(&batch.worker.0[..])
        .bind(sql_number(batch.sequence))
        .bind(now.millis())
        .execute(self.connection())
        .await?
        .rows_affected();
        if taken == 0 {
            return Ok(UsageEffect::Repeated);
        }
        self.note_last_use(&batch.records, now).await?;
        self.add_counts(&batch.records, now).await?;
        self.count_sources(&batch.sources, now).await?;

        let keys: Vec<_> = batch.records.iter().map(|record| hex(record.key)).collect();
        let row = sqlx::query(
            "SELECT count(*) FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM keys WHERE id = unhex(value))",
        )
        .bind(json!(keys).to_string())
        .fetch_one(self.connection())
        .await?;
        Ok(UsageEffect::Counted { unknown_keys: row.try_get::<i64, _>(0)?.unsigned_abs() })
    }

    /// `last_used_at` is told by the proxy and only of allowed requests. `last_seen_at` is the moment of the report, of any
    /// request: a rotated key must not be taken for idle because the clock of a proxy is behind.
    async fn note_last_use(&mut self, records: &[UsageRecord], now: Time) -> Result<(), StoreError> {
        let used: Vec<_> = records
            .iter()
            .map(|record| {
                let allowed = record.counts.iter().any(|(reason, count)| *reason == Reason::Allowed && *count > 0);
                json!([hex(record.key), allowed.then(|| seen(record.last_seen, now).millis())])
            })
            .collect();
        sqlx::query(
            "UPDATE keys SET
                 last_seen_at = max(coalesce(last_seen_at, 0), ?),
                 last_used_at = coalesce(max(coalesce(last_used_at, 0), used.at), last_used_at)
             FROM (SELECT unhex(value ->> 0) AS id, max(value ->> 1) AS at FROM json_each(?) GROUP BY 1) AS used
             WHERE keys.id = used.id",
        )
        .bind(now.millis())
        .bind(json!(used).to_string())
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The same counts by the day, kept long, and by the hour, kept short.
    async fn add_counts(&mut self, records: &[UsageRecord], now: Time) -> Result<(), StoreError> {
        let counts: Vec<_> = records
            .iter()
            .flat_map(|record| {
                let (key, seen) = (hex(record.key), seen(record.last_seen, now));
                let row =
                    move |(reason, count): &(Reason, u32)| json!([key, seen.day(), seen.hour(), *reason as u8, count]);
                record.counts.iter().map(row)
            })
            .collect();
        let counts = json!(counts).to_string();
        for statement in [
            "INSERT INTO usage_daily (key, day, reason, count)
             SELECT keys.no, value ->> 1, value ->> 3, sum(value ->> 4)
             FROM json_each(?) JOIN keys ON keys.id = unhex(value ->> 0)
             WHERE value ->> 4 > 0 GROUP BY 1, 2, 3
             ON CONFLICT (key, day, reason) DO UPDATE SET count = count + excluded.count",
            "INSERT INTO usage_hourly (key, hour, reason, count)
             SELECT keys.no, value ->> 2, value ->> 3, sum(value ->> 4)
             FROM json_each(?) JOIN keys ON keys.id = unhex(value ->> 0)
             WHERE value ->> 4 > 0 GROUP BY 1, 2, 3
             ON CONFLICT (key, hour, reason) DO UPDATE SET count = count + excluded.count",
        ] {
            sqlx::query(statement).bind(&counts).execute(self.connection()).await?;
        }
        Ok(())
    }

    /// Forgets at most `limit` rows of hours that ended at or before `before`; gives how many.
    pub async fn forget_hours(&mut self, before: Time, limit: u32) -> Result<u64, StoreError> {
        let forgotten = sqlx::query(
            "DELETE FROM usage_hourly WHERE (key, hour, reason) IN
                 (SELECT key, hour, reason FROM usage_hourly WHERE hour < ? ORDER BY hour LIMIT ?)",
        )
        .bind(before.hour())
        .bind(i64::from(limit))
        .execute(self.connection())
        .await?;
        Ok(forgotten.rows_affected())
    }

    /// Forgets at most `limit` rows of days that ended at or before `before`; gives how many.
    pub async fn forget_days(&mut self, before: Time, limit: u32) -> Result<u64, StoreError> {
        let forgotten = sqlx::query(
            "DELETE FROM usage_daily WHERE (key, day, reason) IN
                 (SELECT key, day, reason FROM usage_daily WHERE day < ? ORDER BY day LIMIT ?)",
        )
        .bind(before.day())
        .bind(i64::from(limit))
        .execute(self.connection())
        .await?;
        Ok(forgotten.rows_affected())
    }

    /// Forgets workers that sent nothing since `before`. One that came back with the same batch after so long would
    /// count twice; a worker lives as long as its proxy's configuration and sends every few seconds.
    pub async fn forget_workers(&mut self, before: Time) -> Result<u64, StoreError> {
        let deleted = sqlx::query("DELETE FROM usage_workers WHERE seen_at < ?")
            .bind(before.millis())
            .execute(self.connection())
            .await?;
        Ok(deleted.rows_affected())
    }
}

/// An id as the database's `unhex` reads it.
pub(super) fn hex(id: Id) -> String {
    id.to_string().replace('-', "")
}

/// A time that a proxy tells: never in the future.
pub(super) fn seen(at: u64, now: Time) -> Time {
    Time::from_millis(i64::try_from(at).unwrap_or(i64::MAX)).min(now)
}

impl Store {
    /// Sum of a key's counts by reason over all days.
    pub async fn usage_totals(&self, key: Id) -> Result<Vec<(Reason, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT reason, sum(count) AS total FROM usage_daily JOIN keys ON keys.no = usage_daily.key
             WHERE keys.id = ? GROUP BY reason ORDER BY reason",
        )
        .bind(&key.0[..])
        .fetch_all(&self.readers)
        .await?;
        let mut totals = Vec::with_capacity(rows.len());
        for row in rows {
            if let Some(reason) = Reason::from_number(super::row::number(&row, "reason")?) {
                totals.push((reason, super::row::number(&row, "total")?));
            }
        }
        Ok(totals)
    }
}
