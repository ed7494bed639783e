//! Rows of `accounts`.

use super::row::{id, name, number, time, upper_bound};
use super::{Store, StoreError, WriteTx};
use crate::domain::account::{Account, AccountStatus};
use crate::domain::cursor::PageRequest;
use crate::domain::id::AccountId;
use crate::domain::name::Name;
use crate::domain::time::Time;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

const ACTIVE: &str = "active";
const SUSPENDED: &str = "suspended";

impl WriteTx {
    /// Adds an account. It takes the next revision.
    pub async fn insert_account(&mut self, id: AccountId, name: Name, now: Time) -> Result<Account, StoreError> {
        let revision = self.next_revision();
        let row = sqlx::query(
            "INSERT INTO accounts (id, revision, name, status, created_at) VALUES (?, ?, ?, ?, ?) RETURNING no",
        )
        .bind(id.as_bytes())
        .bind(revision)
        .bind(name.as_str())
        .bind(ACTIVE)
        .bind(now.millis())
        .fetch_one(self.connection())
        .await?;
        Ok(Account { no: number(&row, "no")?, id, name, status: AccountStatus::Active, created_at: now })
    }

    /// The account of this id; `None` when there is none.
    pub async fn account(&mut self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query("SELECT no, id, name, status, created_at FROM accounts WHERE id = ?")
            .bind(id.as_bytes())
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map(account).transpose()
    }
}

impl Store {
    /// The account of this id; `None` when there is none.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query("SELECT no, id, name, status, created_at FROM accounts WHERE id = ?")
            .bind(id.as_bytes())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(account).transpose()
    }

    /// A page of accounts, newest first, with one row more than `page` asks for when there are more.
    pub async fn accounts(&self, page: PageRequest) -> Result<Vec<Account>, StoreError> {
        let rows = sqlx::query(
            "SELECT no, id, name, status, created_at FROM accounts
             WHERE id < ? ORDER BY id DESC LIMIT ?",
        )
        .bind(upper_bound(page))
        .bind(i64::from(page.limit) + 1)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(account).collect()
    }
}

fn account(row: &SqliteRow) -> Result<Account, StoreError> {
    Ok(Account {
        no: number(row, "no")?,
        id: AccountId(id(row, "id")?),
        name: name(row, "name")?,
        status: status(row, "status")?,
        created_at: time(row, "created_at")?,
    })
}

pub(super) fn status(row: &SqliteRow, column: &'static str) -> Result<AccountStatus, StoreError> {
    match row.try_get(column)? {
        ACTIVE => Ok(AccountStatus::Active),
        SUSPENDED => Ok(AccountStatus::Suspended),
        _ => Err(StoreError::Corrupt { column }),
    }
}
