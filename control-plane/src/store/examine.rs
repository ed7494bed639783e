//! Looks at a database without using it, beside the server that may: for `keyplane doctor`.

use super::open::{check, options};
use super::row::{number, optional_time};
use super::{DATABASE_FILE, OpenError};
use crate::domain::time::Time;
use sqlx::{ConnectOptions as _, Connection as _};
use std::path::Path;

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Examination {
    /// The newest entry of the audit log.
    pub newest: Option<Time>,
    /// Valid proxy tokens.
    pub proxy_tokens: u64,
    /// Valid admin keys.
    pub admin_keys: u64,
    /// Size of the file without its log, in bytes.
    pub bytes: u64,
}

/// Checks the pages of the database in `folder` (`PRAGMA quick_check`) and looks at its newest rows. Changes nothing.
pub async fn examine(folder: &Path) -> Result<Examination, OpenError> {
    let path = folder.join(DATABASE_FILE);
    if !path.try_exists().map_err(|source| OpenError::Io { path: path.clone(), source })? {
        return Err(OpenError::Missing(folder.to_owned()));
    }
    check(&path).await?;
    let failed = |error: sqlx::Error| OpenError::Database { path: path.clone(), source: error.into() };
    let damaged = |found: String| OpenError::Damaged { path: path.clone(), found };
    let mut connection = options(&path).read_only(true).connect().await.map_err(failed)?;
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut connection)
        .await
        .map_err(|error| damaged(error.to_string()))?;
    if found != "ok" {
        return Err(damaged(found));
    }
    let sql = "SELECT (SELECT max(at) FROM audit) AS newest, \
               (SELECT count(*) FROM proxy_tokens WHERE revoked_at IS NULL) AS proxy_tokens, \
               (SELECT count(*) FROM admin_keys WHERE revoked_at IS NULL) AS admin_keys, \
               (SELECT page_count * page_size FROM pragma_page_count, pragma_page_size) AS bytes";
    let row = sqlx::query(sql).fetch_one(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    let wrong = |source| OpenError::Database { path: path.clone(), source };
    Ok(Examination {
        newest: optional_time(&row, "newest").map_err(wrong)?,
        proxy_tokens: number(&row, "proxy_tokens").map_err(wrong)?,
        admin_keys: number(&row, "admin_keys").map_err(wrong)?,
        bytes: number(&row, "bytes").map_err(wrong)?,
    })
}
