//! Edits an account: its name, its plan, whether its keys work, and what issuers of JWTs call it.
//!
//! Plan, status and external id are the operator's; the people of an account change its name.

use super::create_account::is_free;
use super::{App, audit, known_plan};
use crate::domain::account::{Account, AccountStatus, ExternalId};
use crate::domain::audit::{Action, Origin};
use crate::domain::id::AccountId;
use crate::domain::name::Name;
use crate::domain::rights::{Resource, Right};
use crate::domain::version::Expected;
use crate::error::{Code, Error};
use serde_json::{Value, json};

/// What is to change; `None` leaves it as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AccountChange {
    /// Its name.
    pub name: Option<Name>,
    /// Name of its plan. Keys beyond a lower cap work on; there are just no new ones.
    pub plan: Option<String>,
    /// Whether its keys work.
    pub status: Option<AccountStatus>,
    /// What issuers of JWTs call it; `Some(None)` for nothing.
    pub external_id: Option<Option<ExternalId>>,
}

/// An account as a change left it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangedAccount {
    /// The account.
    pub account: Account,
    /// A proxy that has this revision knows the account as it is.
    pub revision: u64,
}

/// Edits an account, if it is as `expected`. What is so already changes nothing.
pub async fn update_account(
    app: &App,
    by: &Origin,
    id: AccountId,
    expected: &Expected,
    change: AccountChange,
) -> Result<ChangedAccount, Error> {
    let reach = by.may(Right::write(Resource::Accounts))?;
    let now = app.now();
    let mut tx = app.store.write().await?;
    let old = tx.account(id).await?.filter(|account| reach.covers(account.no));
    let old = old.ok_or_else(|| Error::not_found("account"))?;
    let operators = change.plan.is_some() || change.status.is_some() || change.external_id.is_some();
    if operators && !by.actor.is_operator() {
        let detail = "Only the operator changes an account's plan, status and external id; you may change its name.";
        return Err(Error::with_detail(Code::Forbidden, detail));
    }
    if !expected.allows(old.version()) {
        return Err(Error::new(Code::PreconditionFailed));
    }
    let mut new = old.clone();
    if let Some(name) = change.name {
        new.name = name;
    }
    if let Some(plan) = change.plan {
        new.plan = known_plan(app, &plan)?;
    }
    if let Some(status) = change.status {
        new.status = status;
    }
    if let Some(external_id) = change.external_id {
        if external_id != old.external_id {
            is_free(&mut tx, external_id.as_ref()).await?;
        }
        new.external_id = external_id;
    }
    if new != old {
        tx.update_account(&old, &new).await?;
    }
    // What was so before has an earlier one; who has this has that too.
    let revision = tx.last_revision();
    for (action, detail) in entries(&old, &new) {
        tx.append_audit(&audit(now, by, action, id.0, Some(new.no), detail)).await?;
    }
    tx.commit().await?;
    Ok(ChangedAccount { account: new, revision })
}

fn entries(old: &Account, new: &Account) -> Vec<(Action, Value)> {
    let mut entries = Vec::new();
    let labels = |account: &Account| json!({ "name": account.name, "external_id": account.external_id });
    if labels(old) != labels(new) {
        entries.push((Action::UpdateAccount, json!({ "from": labels(old), "to": labels(new) })));
    }
    if old.plan != new.plan {
        entries.push((Action::ChangePlan, json!({ "from": old.plan, "to": new.plan })));
    }
    if old.status != new.status {
        let action = match new.status {
            AccountStatus::Suspended => Action::SuspendAccount,
            AccountStatus::Active => Action::ResumeAccount,
        };
        entries.push((action, json!({ "name": new.name })));
    }
    entries
}
