//! Looks into the audit log.

use super::App;
use super::read::account_within;
use crate::domain::audit::{Filter, Origin, Recorded};
use crate::domain::cursor::{AuditCursor, Listing};
use crate::domain::id::AccountId;
use crate::domain::rights::{Resource, Right};
use crate::error::Error;

/// A page of at most `limit` entries, the newest first, after the place `cursor`: of one account, or of all that the caller may see.
///
/// A tenant sees the entries of its own account, the operator's there too, but not from which address the operator came.
pub async fn list_audit(
    app: &App,
    by: &Origin,
    account: Option<AccountId>,
    filter: &Filter,
    cursor: Option<AuditCursor>,
    limit: u32,
) -> Result<Listing<Recorded>, Error> {
    let reach = by.may(Right::read(Resource::Audit))?;
    let account = account_within(app, reach, account).await?;
    let rows = app.store.audit(account, filter, cursor, limit).await?;
    let found = Listing::cut(rows, limit, |entry| AuditCursor { at: entry.at, no: entry.no }.to_string());
    let operator = by.actor.is_operator();
    Ok(found.map(|entry| match entry {
        entry if !operator && entry.is_operators() => Recorded { source: None, ..entry },
        entry => entry,
    }))
}
