//! Rows of `users` and `identities`.

use super::row::{id, name, number, time, upper_bound};
use super::{Store, StoreError, WriteTx};
use crate::domain::account::{Account, AccountStatus};
use crate::domain::cursor::PageRequest;
use crate::domain::id::{AccountId, UserId};
use crate::domain::name::Name;
use crate::domain::time::Time;
use crate::domain::user::{Email, Identity, Role, User};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

/// A user who has not been removed, with the account.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT u.no, u.id, u.account, u.email, u.name, u.role, u.created_at, a.id AS account_id,
                    a.status AS account_status, i.issuer, i.subject
             FROM users u JOIN accounts a ON a.no = u.account LEFT JOIN identities i ON i.user = u.no ",
            $rest
        )
    };
}

/// What a new user row is made of.
#[derive(Debug)]
pub struct NewUserRow {
    /// Its id.
    pub id: UserId,
    /// Its mail address.
    pub email: Email,
    /// Its name.
    pub name: Name,
    /// What it is in its account.
    pub role: Role,
    /// Who it is to an issuer of JWTs.
    pub identity: Option<Identity>,
    /// When it is made.
    pub created_at: Time,
}

impl WriteTx {
    /// Adds a user. It takes the next revision.
    pub async fn insert_user(&mut self, account: &Account, new: NewUserRow) -> Result<User, StoreError> {
        let revision = self.next_revision();
        let row = sqlx::query(
            "INSERT INTO users (id, revision, account, email, name, role, created_at)
             VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING no",
        )
        .bind(new.id.as_bytes())
        .bind(revision)
        .bind(i64::from(account.no))
        .bind(new.email.as_str())
        .bind(new.name.as_str())
        .bind(new.role.name())
        .bind(new.created_at.millis())
        .fetch_one(self.connection())
        .await?;
        let NewUserRow { id, email, name, role, identity, created_at } = new;
        let (no, account, account_id) = (number(&row, "no")?, account.no, account.id);
        let user = User { no, id, account, account_id, email, name, role, identity, created_at };
        self.set_identity(&user).await?;
        Ok(user)
    }

    /// The user of this id; `None` when there is none, or it was removed.
    pub async fn user(&mut self, id: UserId) -> Result<Option<User>, StoreError> {
        let row = sqlx::query(select!("WHERE u.id = ? AND u.removed_at IS NULL"))
            .bind(id.as_bytes())
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map(user).transpose()
    }

    /// Whether the account has a user of this address.
    pub async fn has_email(&mut self, account: u32, email: &Email) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM users WHERE account = ? AND email = ? AND removed_at IS NULL")
            .bind(i64::from(account))
            .bind(email.as_str())
            .fetch_optional(self.connection())
            .await?;
        Ok(row.is_some())
    }

    /// Writes what can be edited of a user. Proxies know nothing of it, so no revision is taken.
    pub async fn update_user(&mut self, user: &User) -> Result<(), StoreError> {
        sqlx::query("UPDATE users SET email = ?, name = ?, role = ? WHERE no = ?")
            .bind(user.email.as_str())
            .bind(user.name.as_str())
            .bind(user.role.name())
            .bind(i64::from(user.no))
            .execute(self.connection())
            .await?;
        self.set_identity(user).await
    }

    /// Takes a user out of its account, with its identities. The row stays for the audit log, without an address.
    pub async fn remove_user(&mut self, no: u32, now: Time) -> Result<(), StoreError> {
        sqlx::query("UPDATE users SET removed_at = ?, email = '' WHERE no = ?")
            .bind(now.millis())
            .bind(i64::from(no))
            .execute(self.connection())
            .await?;
        sqlx::query("DELETE FROM identities WHERE user = ?").bind(i64::from(no)).execute(self.connection()).await?;
        Ok(())
    }

    /// The user whose identity this is in an account; `None` when it is nobody's.
    pub async fn identity_holder(&mut self, account: u32, identity: &Identity) -> Result<Option<u32>, StoreError> {
        let row = sqlx::query("SELECT user FROM identities WHERE issuer = ? AND subject = ? AND account = ?")
            .bind(identity.issuer())
            .bind(identity.subject())
            .bind(i64::from(account))
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map(|row| number(row, "user")).transpose()
    }

    async fn set_identity(&mut self, user: &User) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM identities WHERE user = ?")
            .bind(i64::from(user.no))
            .execute(self.connection())
            .await?;
        if let Some(identity) = &user.identity {
            sqlx::query("INSERT INTO identities (issuer, subject, account, user) VALUES (?, ?, ?, ?)")
                .bind(identity.issuer())
                .bind(identity.subject())
                .bind(i64::from(user.account))
                .bind(i64::from(user.no))
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }
}

impl Store {
    /// The user of this id; `None` when there is none, or it was removed.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        let row = sqlx::query(select!("WHERE u.id = ? AND u.removed_at IS NULL"))
            .bind(id.as_bytes())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(user).transpose()
    }

    /// The user with this id, with the account's status.
    pub async fn user_and_status(&self, id: UserId) -> Result<Option<(User, AccountStatus)>, StoreError> {
        let row = sqlx::query(select!("WHERE u.id = ? AND u.removed_at IS NULL"))
            .bind(id.as_bytes())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(|row| Ok((user(row)?, super::accounts::status(row, "account_status")?))).transpose()
    }

    /// A page of users, of one account (by its number) or of all, newest first, with one row more than `page` asks for.
    pub async fn users(&self, account: Option<u32>, page: PageRequest) -> Result<Vec<User>, StoreError> {
        let query = match account {
            Some(account) => sqlx::query(select!(
                "WHERE u.account = ? AND u.removed_at IS NULL AND u.id < ? ORDER BY u.id DESC LIMIT ?"
            ))
            .bind(i64::from(account)),
            None => sqlx::query(select!("WHERE u.removed_at IS NULL AND u.id < ? ORDER BY u.id DESC LIMIT ?")),
        };
        let rows = query.bind(upper_bound(page)).bind(i64::from(page.limit) + 1).fetch_all(&self.readers).await?;
        rows.iter().map(user).collect()
    }

    /// The users with this identity, each in an account of its own, with the accounts' status.
    pub async fn users_of_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Vec<(User, AccountStatus)>, StoreError> {
        let rows = sqlx::query(select!("WHERE i.issuer = ? AND i.subject = ? AND u.removed_at IS NULL"))
            .bind(issuer)
            .bind(subject)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok((user(row)?, super::accounts::status(row, "account_status")?))).collect()
    }
}

fn user(row: &SqliteRow) -> Result<User, StoreError> {
    Ok(User {
        no: number(row, "no")?,
        id: UserId(id(row, "id")?),
        account: number(row, "account")?,
        account_id: AccountId(id(row, "account_id")?),
        email: Email::parse(row.try_get("email")?).map_err(|_| StoreError::Corrupt { column: "email" })?,
        name: name(row, "name")?,
        role: role(row, "role")?,
        identity: identity(row)?,
        created_at: time(row, "created_at")?,
    })
}

fn identity(row: &SqliteRow) -> Result<Option<Identity>, StoreError> {
    let (issuer, subject): (Option<&str>, Option<&str>) = (row.try_get("issuer")?, row.try_get("subject")?);
    let both = issuer.zip(subject).map(|(issuer, subject)| Identity::new(issuer, subject));
    both.transpose().map_err(|_| StoreError::Corrupt { column: "issuer" })
}

pub(super) fn role(row: &SqliteRow, column: &'static str) -> Result<Role, StoreError> {
    Role::from_name(row.try_get(column)?).ok_or(StoreError::Corrupt { column })
}
