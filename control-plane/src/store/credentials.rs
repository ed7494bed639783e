//! Rows of `admin_keys` and `proxy_tokens`: Keyplane's own credentials, by digest.

use super::row::{id, name, optional_time, time, upper_bound};
use super::{Store, StoreError, WriteTx};
use crate::domain::credential::{AdminKey, ProxyToken};
use crate::domain::cursor::PageRequest;
use crate::domain::id::{AdminKeyId, ProxyTokenId};
use crate::domain::rights::Access;
use crate::domain::time::Time;
use keyplane_contract::digest::Digest;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

/// The columns of an admin key.
macro_rules! admin_keys {
    ($rest:literal) => {
        concat!("SELECT id, name, mask, access, created_at, revoked_at FROM admin_keys ", $rest)
    };
}

/// The columns of a proxy token.
macro_rules! proxy_tokens {
    ($rest:literal) => {
        concat!("SELECT id, name, mask, created_at, revoked_at FROM proxy_tokens ", $rest)
    };
}

impl WriteTx {
    /// Adds an admin key.
    pub async fn insert_admin_key(&mut self, key: &AdminKey, digest: &Digest) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO admin_keys (id, digest, mask, name, access, created_at) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(key.id.as_bytes())
            .bind(&digest.as_bytes()[..])
            .bind(&key.mask)
            .bind(key.name.as_str())
            .bind(key.access.name())
            .bind(key.created_at.millis())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// The admin key of this id, valid or revoked.
    pub async fn admin_key(&mut self, id: AdminKeyId) -> Result<Option<AdminKey>, StoreError> {
        let row =
            sqlx::query(admin_keys!("WHERE id = ?")).bind(id.as_bytes()).fetch_optional(self.connection()).await?;
        row.as_ref().map(admin_key).transpose()
    }

    /// Whether there is a valid admin key with write access beside this one.
    pub async fn has_other_writing_admin_key(&mut self, id: AdminKeyId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM admin_keys WHERE revoked_at IS NULL AND access = 'write' AND id <> ? LIMIT 1";
        Ok(sqlx::query(sql).bind(id.as_bytes()).fetch_optional(self.connection()).await?.is_some())
    }

    /// Writes what can change of an admin key: its name, and that it was revoked.
    pub async fn update_admin_key(&mut self, key: &AdminKey) -> Result<(), StoreError> {
        sqlx::query("UPDATE admin_keys SET name = ?, revoked_at = ? WHERE id = ?")
            .bind(key.name.as_str())
            .bind(key.revoked_at.map(Time::millis))
            .bind(key.id.as_bytes())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Adds a proxy token. The database refuses a third valid one.
    pub async fn insert_proxy_token(&mut self, token: &ProxyToken, digest: &Digest) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO proxy_tokens (id, digest, mask, name, created_at) VALUES (?, ?, ?, ?, ?)")
            .bind(token.id.as_bytes())
            .bind(&digest.as_bytes()[..])
            .bind(&token.mask)
            .bind(token.name.as_str())
            .bind(token.created_at.millis())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// The proxy token of this id, valid or revoked.
    pub async fn proxy_token(&mut self, id: ProxyTokenId) -> Result<Option<ProxyToken>, StoreError> {
        let row =
            sqlx::query(proxy_tokens!("WHERE id = ?")).bind(id.as_bytes()).fetch_optional(self.connection()).await?;
        row.as_ref().map(proxy_token).transpose()
    }

    /// The valid proxy tokens, the oldest first.
    pub async fn valid_proxy_tokens(&mut self) -> Result<Vec<ProxyToken>, StoreError> {
        let sql = proxy_tokens!("WHERE revoked_at IS NULL ORDER BY no");
        sqlx::query(sql).fetch_all(self.connection()).await?.iter().map(proxy_token).collect()
    }

    /// Writes what can change of a proxy token: its name, and that it was revoked.
    pub async fn update_proxy_token(&mut self, token: &ProxyToken) -> Result<(), StoreError> {
        sqlx::query("UPDATE proxy_tokens SET name = ?, revoked_at = ? WHERE id = ?")
            .bind(token.name.as_str())
            .bind(token.revoked_at.map(Time::millis))
            .bind(token.id.as_bytes())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

impl Store {
    /// The valid admin key with this digest.
    pub async fn valid_admin_key(&self, digest: &Digest) -> Result<Option<AdminKey>, StoreError> {
        let row = sqlx::query(admin_keys!("WHERE digest = ? AND revoked_at IS NULL"))
            .bind(&digest.as_bytes()[..])
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(admin_key).transpose()
    }

    /// The admin key with this digest, valid or revoked.
    pub async fn admin_key_of(&self, digest: &Digest) -> Result<Option<AdminKey>, StoreError> {
        let query = sqlx::query(admin_keys!("WHERE digest = ?")).bind(&digest.as_bytes()[..]);
        query.fetch_optional(&self.readers).await?.as_ref().map(admin_key).transpose()
    }

    /// The admin key of this id, valid or revoked.
    pub async fn admin_key(&self, id: AdminKeyId) -> Result<Option<AdminKey>, StoreError> {
        let row = sqlx::query(admin_keys!("WHERE id = ?")).bind(id.as_bytes()).fetch_optional(&self.readers).await?;
        row.as_ref().map(admin_key).transpose()
    }

    /// A page of admin keys, newest first, with one row more than `page` asks for.
    pub async fn admin_keys(&self, page: PageRequest) -> Result<Vec<AdminKey>, StoreError> {
        let query = sqlx::query(admin_keys!("WHERE id < ? ORDER BY id DESC LIMIT ?"));
        let rows = query.bind(upper_bound(page)).bind(i64::from(page.limit) + 1).fetch_all(&self.readers).await?;
        rows.iter().map(admin_key).collect()
    }

    /// The valid proxy token with this digest.
    pub async fn valid_proxy_token(&self, digest: &Digest) -> Result<Option<ProxyTokenId>, StoreError> {
        let row = sqlx::query("SELECT id FROM proxy_tokens WHERE digest = ? AND revoked_at IS NULL")
            .bind(&digest.as_bytes()[..])
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| id(&row, "id").map(ProxyTokenId)).transpose()
    }

    /// The proxy token of this id, valid or revoked.
    pub async fn proxy_token(&self, id: ProxyTokenId) -> Result<Option<ProxyToken>, StoreError> {
        let row = sqlx::query(proxy_tokens!("WHERE id = ?")).bind(id.as_bytes()).fetch_optional(&self.readers).await?;
        row.as_ref().map(proxy_token).transpose()
    }

    /// A page of proxy tokens, newest first, with one row more than `page` asks for.
    pub async fn proxy_tokens(&self, page: PageRequest) -> Result<Vec<ProxyToken>, StoreError> {
        let query = sqlx::query(proxy_tokens!("WHERE id < ? ORDER BY id DESC LIMIT ?"));
        let rows = query.bind(upper_bound(page)).bind(i64::from(page.limit) + 1).fetch_all(&self.readers).await?;
        rows.iter().map(proxy_token).collect()
    }

    /// Whether there has ever been a proxy token.
    pub async fn has_proxy_token(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query("SELECT 1 FROM proxy_tokens LIMIT 1").fetch_optional(&self.readers).await?.is_some())
    }
}

fn admin_key(row: &SqliteRow) -> Result<AdminKey, StoreError> {
    Ok(AdminKey {
        id: AdminKeyId(id(row, "id")?),
        name: name(row, "name")?,
        mask: row.try_get("mask")?,
        access: Access::from_name(row.try_get("access")?).ok_or(StoreError::Corrupt { column: "access" })?,
        created_at: time(row, "created_at")?,
        revoked_at: optional_time(row, "revoked_at")?,
    })
}

fn proxy_token(row: &SqliteRow) -> Result<ProxyToken, StoreError> {
    Ok(ProxyToken {
        id: ProxyTokenId(id(row, "id")?),
        name: name(row, "name")?,
        mask: row.try_get("mask")?,
        created_at: time(row, "created_at")?,
        revoked_at: optional_time(row, "revoked_at")?,
    })
}
