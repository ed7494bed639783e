//! Rows of `accounts`.

use super::row::{id, name, number, time, upper_bound};
use super::{Store, StoreError, WriteTx};
use crate::domain::account::{Account, AccountStatus, ExternalId};
use crate::domain::cursor::PageRequest;
use crate::domain::id::AccountId;
use crate::domain::name::Name;
use crate::domain::time::Time;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

/// The columns of an account.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT no, id, name, plan, status, external_id, created_at FROM accounts ", $rest)
    };
}

/// What a new account row is made of.
#[derive(Debug)]
pub struct NewAccountRow {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: Name,
    /// Name of its plan.
    pub plan: String,
    /// What issuers of JWTs call it.
    pub external_id: Option<ExternalId>,
    /// When it is made.
    pub created_at: Time,
}

impl WriteTx {
    /// Adds an active account. It takes the next revision.
    pub async fn insert_account(&mut self, new: NewAccountRow) -> Result<Account, StoreError> {
        let revision = self.next_revision();
        let row = sqlx::query(
            "INSERT INTO accounts (id, revision, name, plan, status, external_id, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING no",
        )
        .bind(new.id.as_bytes())
        .bind(revision)
        .bind(new.name.as_str())
        .bind(&new.plan)
        .bind(AccountStatus::Active.name())
        .bind(new.external_id.as_ref().map(ExternalId::as_str))
        .bind(new.created_at.millis())
        .fetch_one(self.connection())
        .await?;
        let NewAccountRow { id, name, plan, external_id, created_at } = new;
        Ok(Account { no: number(&row, "no")?, id, name, plan, status: AccountStatus::Active, external_id, created_at })
    }

    /// The account of this id; `None` when there is none.
    pub async fn account(&mut self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query(select!("WHERE id = ?")).bind(id.as_bytes()).fetch_optional(self.connection()).await?;
        row.as_ref().map(account).transpose()
    }

    /// Whether an account has this external id.
    pub async fn has_external_id(&mut self, external_id: &ExternalId) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM accounts WHERE external_id = ?")
            .bind(external_id.as_str())
            .fetch_optional(self.connection())
            .await?;
        Ok(row.is_some())
    }

    /// Writes what can be edited of an account. It takes the next revision unless only the plan changed: proxies know the rest.
    pub async fn update_account(&mut self, old: &Account, new: &Account) -> Result<(), StoreError> {
        sqlx::query("UPDATE accounts SET name = ?, plan = ?, external_id = ? WHERE no = ?")
            .bind(new.name.as_str())
            .bind(&new.plan)
            .bind(new.external_id.as_ref().map(ExternalId::as_str))
            .bind(i64::from(new.no))
            .execute(self.connection())
            .await?;
        if (new.status, &new.name, &new.external_id) != (old.status, &old.name, &old.external_id) {
            let revision = self.next_revision();
            sqlx::query("UPDATE accounts SET status = ?, revision = ? WHERE no = ?")
                .bind(new.status.name())
                .bind(revision)
                .bind(i64::from(new.no))
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }
}

impl Store {
    /// The account of this id; `None` when there is none.
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query(select!("WHERE id = ?")).bind(id.as_bytes()).fetch_optional(&self.readers).await?;
        row.as_ref().map(account).transpose()
    }

    /// The account of this external id; `None` when there is none.
    pub async fn account_of_external_id(&self, external_id: &str) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query(select!("WHERE external_id = ?")).bind(external_id).fetch_optional(&self.readers).await?;
        row.as_ref().map(account).transpose()
    }

    /// A page of accounts, the one of this number or all, newest first, with one row more than `page` asks for when there
    /// are more.
    pub async fn accounts(&self, no: Option<u32>, page: PageRequest) -> Result<Vec<Account>, StoreError> {
        let query = match no {
            Some(no) => sqlx::query(select!("WHERE no = ? AND id < ? ORDER BY id DESC LIMIT ?")).bind(i64::from(no)),
            None => sqlx::query(select!("WHERE id < ? ORDER BY id DESC LIMIT ?")),
        };
        let rows = query.bind(upper_bound(page)).bind(i64::from(page.limit) + 1).fetch_all(&self.readers).await?;
        rows.iter().map(account).collect()
    }
}

fn account(row: &SqliteRow) -> Result<Account, StoreError> {
    let external_id = row.try_get::<Option<&str>, _>("external_id")?;
    Ok(Account {
        no: number(row, "no")?,
        id: AccountId(id(row, "id")?),
        name: name(row, "name")?,
        plan: row.try_get("plan")?,
        status: status(row, "status")?,
        external_id: external_id
            .map(ExternalId::parse)
            .transpose()
            .map_err(|_| StoreError::Corrupt { column: "external_id" })?,
        created_at: time(row, "created_at")?,
    })
}

pub(super) fn status(row: &SqliteRow, column: &'static str) -> Result<AccountStatus, StoreError> {
    AccountStatus::from_name(row.try_get(column)?).ok_or(StoreError::Corrupt { column })
}
