//! Rows of `audit`: written in the transaction of the change they tell of, and never changed.

use super::row::{number, optional_id, sql_number, time};
use super::{Store, StoreError, WriteTx};
use crate::domain::audit::{Entry, Filter, Recorded};
use crate::domain::cursor::AuditCursor;
use crate::domain::id::{AccountId, RequestId};
use crate::domain::time::Time;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

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

/// The entries that fit, newest first. `$index` leads to those that fit `$driver`, in their order, from the place on.
macro_rules! select {
    ($index:literal, $driver:literal) => {
        concat!(
            "SELECT e.no, e.at, e.actor_kind, e.actor_id, e.action, e.object_kind, e.object_id, a.id AS account_id,
                    e.request_id, e.source, e.detail
             FROM audit e INDEXED BY ",
            $index,
            " LEFT JOIN accounts a ON a.no = e.account WHERE ",
            $driver,
            " AND (e.at, e.no) < (?1, ?2) AND e.at >= ?3
                AND (?4 IS NULL OR e.object_id = ?4) AND (?5 IS NULL OR e.actor_id = ?5) AND (?6 IS NULL OR e.account = ?6)
                AND (?7 IS NULL OR e.object_kind = ?7) AND (?8 IS NULL OR e.actor_kind = ?8) AND (?9 IS NULL OR e.action = ?9)
             ORDER BY e.at DESC, e.no DESC LIMIT ?10"
        )
    };
}

const BY_OBJECT: &str = select!("audit_by_object", "e.object_id = ?4");
const BY_ACTOR: &str = select!("audit_by_actor", "e.actor_id = ?5");
const BY_ACCOUNT: &str = select!("audit_by_account", "e.account = ?6");
const BY_TIME: &str = select!("audit_by_time", "TRUE");

impl Store {
    /// Entries of one account (by its number) or of all, newest first, after the place `cursor`, with one more than `limit`.
    ///
    /// The order is by time, then by number, so that a range of times is a stretch of each index, and a page costs the same at
    /// any depth.
    pub async fn audit(
        &self,
        account: Option<u32>,
        filter: &Filter,
        cursor: Option<AuditCursor>,
        limit: u32,
    ) -> Result<Vec<Recorded>, StoreError> {
        let sql = match (filter.object_id, filter.actor_id, account) {
            (Some(_), _, _) => BY_OBJECT,
            (None, Some(_), _) => BY_ACTOR,
            (None, None, Some(_)) => BY_ACCOUNT,
            (None, None, None) => BY_TIME,
        };
        // Before a time is before its first number.
        let end = filter.to.map(|to| (to.millis(), 0));
        let place = cursor.map(|cursor| (cursor.at.millis(), sql_number(cursor.no)));
        let (at, no) = [end, place].into_iter().flatten().min().unwrap_or((i64::MAX, 0));
        let rows = sqlx::query(sql)
            .bind(at)
            .bind(no)
            .bind(filter.from.map_or(0, Time::millis))
            .bind(filter.object_id.map(|id| id.0.to_vec()))
            .bind(filter.actor_id.map(|id| id.0.to_vec()))
            .bind(account.map(i64::from))
            .bind(filter.object_kind)
            .bind(filter.actor_kind)
            .bind(filter.action)
            .bind(i64::from(limit) + 1)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(recorded).collect()
    }
}

fn recorded(row: &SqliteRow) -> Result<Recorded, StoreError> {
    let detail = serde_json::from_str(row.try_get("detail")?).map_err(|_| StoreError::Corrupt { column: "detail" })?;
    Ok(Recorded {
        no: number(row, "no")?,
        at: time(row, "at")?,
        actor_kind: row.try_get("actor_kind")?,
        actor_id: optional_id(row, "actor_id")?,
        action: row.try_get("action")?,
        object_kind: row.try_get("object_kind")?,
        object_id: optional_id(row, "object_id")?,
        account_id: optional_id(row, "account_id")?.map(AccountId),
        request_id: optional_id(row, "request_id")?.map(RequestId),
        source: row.try_get("source")?,
        detail,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::open::MIGRATIONS;
    use sqlx::{Connection as _, SqliteConnection};

    #[tokio::test]
    async fn each_filter_walks_its_own_index_and_nothing_is_sorted() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        MIGRATIONS.run_direct(None, &mut connection, false).await.unwrap();
        for (sql, walk) in [
            (BY_OBJECT, "USING INDEX audit_by_object (object_id=? AND at>? AND "),
            (BY_ACTOR, "USING INDEX audit_by_actor (actor_id=? AND at>? AND "),
            (BY_ACCOUNT, "USING INDEX audit_by_account (account=? AND at>? AND "),
            (BY_TIME, "USING INDEX audit_by_time (at>? AND "),
        ] {
            let explain = format!("EXPLAIN QUERY PLAN {sql}");
            let rows = sqlx::query(sqlx::AssertSqlSafe(explain)).fetch_all(&mut connection).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(plan[0].contains(walk), "{plan:?}");
            assert!(plan.iter().all(|step| !step.contains("TEMP B-TREE")), "{plan:?}");
        }
    }
}
