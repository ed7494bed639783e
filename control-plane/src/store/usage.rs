//! Rows of `usage_workers` and `usage_daily`, and the keys' last use.

use super::row::sql_number;
use super::{Store, StoreError, WriteTx};
use crate::domain::time::Time;
use keyplane_contract::code::Reason;
use keyplane_contract::id::Id;
use keyplane_contract::sync::UsageRecord;
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
    /// The whole batch is one JSON parameter for each of two statements: a batch of thousands of keys holds the writer
    /// for a moment only.
    pub async fn count_usage(
        &mut self,
        worker: Id,
        sequence: u64,
        records: &[UsageRecord],
        now: Time,
    ) -> Result<UsageEffect, StoreError> {
        let taken = sqlx::query(
            "INSERT INTO usage_workers (worker, sequence, seen_at) VALUES (?, ?, ?)
             ON CONFLICT (worker) DO UPDATE SET sequence = excluded.sequence, seen_at = excluded.seen_at
             WHERE excluded.sequence > usage_workers.sequence",
        )
        .bind(&worker.0[..])
        .bind(sql_number(sequence))
        .bind(now.millis())
        .execute(self.connection())
        .await?
        .rows_affected();
        if taken == 0 {
            return Ok(UsageEffect::Repeated);
        }

        let seen =
            |record: &UsageRecord| Time::from_millis(i64::try_from(record.last_seen).unwrap_or(i64::MAX)).min(now);
        let key = |record: &UsageRecord| record.key.to_string().replace('-', "");
        let used: Vec<_> = records
            .iter()
            .filter(|record| record.counts.iter().any(|(reason, count)| *reason == Reason::Allowed && *count > 0))
            .map(|record| json!([key(record), seen(record).millis()]))
            .collect();
        sqlx::query(
            "UPDATE keys SET last_used_at = max(coalesce(last_used_at, 0), used.seen)
             FROM (SELECT unhex(value ->> 0) AS id, max(value ->> 1) AS seen FROM json_each(?) GROUP BY 1) AS used
             WHERE keys.id = used.id",
        )
        .bind(json!(used).to_string())
        .execute(self.connection())
        .await?;

        let counts: Vec<_> = records
            .iter()
            .flat_map(|record| {
                let (key, day) = (key(record), seen(record).day());
                record.counts.iter().map(move |(reason, count)| json!([key, day, *reason as u8, count]))
            })
            .collect();
        sqlx::query(
            "INSERT INTO usage_daily (key, day, reason, count)
             SELECT keys.no, value ->> 1, value ->> 2, sum(value ->> 3)
             FROM json_each(?) JOIN keys ON keys.id = unhex(value ->> 0)
             WHERE value ->> 3 > 0 GROUP BY 1, 2, 3
             ON CONFLICT (key, day, reason) DO UPDATE SET count = count + excluded.count",
        )
        .bind(json!(counts).to_string())
        .execute(self.connection())
        .await?;

        let keys: Vec<_> = records.iter().map(key).collect();
        let row = sqlx::query(
            "SELECT count(*) FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM keys WHERE id = unhex(value))",
        )
        .bind(json!(keys).to_string())
        .fetch_one(self.connection())
        .await?;
        Ok(UsageEffect::Counted { unknown_keys: row.try_get::<i64, _>(0)?.unsigned_abs() })
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
