//! Makes an account.

use super::{App, audit};
use crate::domain::account::Account;
use crate::domain::audit::{Action, Origin};
use crate::domain::id::AccountId;
use crate::domain::name::Name;
use crate::error::Error;
use serde_json::json;

/// Makes an account of this name. Names need not be unique.
pub async fn create_account(app: &App, origin: &Origin, name: Name) -> Result<Account, Error> {
    let now = app.now();
    let id = AccountId::generate(now, &*app.random)?;
    let mut tx = app.store.write().await?;
    let account = tx.insert_account(id, name, now).await?;
    let detail = json!({ "name": account.name });
    tx.append_audit(&audit(now, origin, Action::CreateAccount, id.0, Some(account.no), detail)).await?;
    tx.commit().await?;
    Ok(account)
}
