//! Rows of `admin_keys` and `proxy_tokens`: Keyplane's own credentials, by digest.

use super::row::{id, name};
use super::{Store, StoreError, WriteTx};
use crate::domain::id::{AdminKeyId, ProxyTokenId};
use crate::domain::name::Name;
use crate::domain::rights::Access;
use crate::domain::time::Time;
use keyplane_contract::digest::Digest;
use sqlx::Row as _;

/// What a new row of either table is made of.
#[derive(Debug)]
pub struct NewCredential<I> {
    /// Its id.
    pub id: I,
    /// What it is looked up by.
    pub digest: Digest,
    /// The mask.
    pub mask: String,
    /// Its name.
    pub name: Name,
    /// When it is made.
    pub created_at: Time,
}

impl WriteTx {
    /// Adds an admin key.
    pub async fn insert_admin_key(&mut self, key: &NewCredential<AdminKeyId>) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO admin_keys (id, digest, mask, name, created_at) VALUES (?, ?, ?, ?, ?)")
            .bind(key.id.as_bytes())
            .bind(&key.digest.as_bytes()[..])
            .bind(&key.mask)
            .bind(key.name.as_str())
            .bind(key.created_at.millis())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Adds a proxy token. The database refuses a third valid one.
    pub async fn insert_proxy_token(&mut self, token: &NewCredential<ProxyTokenId>) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO proxy_tokens (id, digest, mask, name, created_at) VALUES (?, ?, ?, ?, ?)")
            .bind(token.id.as_bytes())
            .bind(&token.digest.as_bytes()[..])
            .bind(&token.mask)
            .bind(token.name.as_str())
            .bind(token.created_at.millis())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

impl Store {
    /// The valid admin key with this digest.
    pub async fn admin_key(&self, digest: &Digest) -> Result<Option<(AdminKeyId, Access)>, StoreError> {
        let row = sqlx::query("SELECT id, access FROM admin_keys WHERE digest = ? AND revoked_at IS NULL")
            .bind(&digest.as_bytes()[..])
            .fetch_optional(&self.readers)
            .await?;
        let corrupt = StoreError::Corrupt { column: "access" };
        row.map(|row| {
            let access = Access::from_name(row.try_get("access")?).ok_or(corrupt)?;
            Ok((AdminKeyId(id(&row, "id")?), access))
        })
        .transpose()
    }

    /// The name of a valid admin key.
    pub async fn admin_key_name(&self, id: AdminKeyId) -> Result<Option<Name>, StoreError> {
        let row = sqlx::query("SELECT name FROM admin_keys WHERE id = ? AND revoked_at IS NULL")
            .bind(id.as_bytes())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(|row| name(row, "name")).transpose()
    }

    /// The valid proxy token with this digest.
    pub async fn proxy_token(&self, digest: &Digest) -> Result<Option<ProxyTokenId>, StoreError> {
        let row = sqlx::query("SELECT id FROM proxy_tokens WHERE digest = ? AND revoked_at IS NULL")
            .bind(&digest.as_bytes()[..])
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| id(&row, "id").map(ProxyTokenId)).transpose()
    }

    /// Whether there has ever been a proxy token.
    pub async fn has_proxy_token(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query("SELECT 1 FROM proxy_tokens LIMIT 1").fetch_optional(&self.readers).await?.is_some())
    }
}
