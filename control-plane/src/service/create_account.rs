//! Makes an account.

use super::pending::Pending;
use super::{App, audit, known_plan};
use crate::domain::account::{Account, ExternalId};
use crate::domain::actor::Reach;
use crate::domain::audit::{Action, Origin};
use crate::domain::id::AccountId;
use crate::domain::name::Name;
use crate::domain::rights::{Resource, Right};
use crate::error::{Code, Error};
use crate::store::{NewAccountRow, WriteTx};
use serde_json::json;

/// What a new account is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAccount {
    /// Its name. Names need not be unique.
    pub name: Name,
    /// Name of its plan; without it the operator's default.
    pub plan: Option<String>,
    /// What issuers of JWTs call it; no two accounts share one.
    pub external_id: Option<ExternalId>,
}

/// Makes an account. Only the operator does.
pub async fn create_account(app: &App, by: &Origin, new: NewAccount) -> Result<Pending<Account>, Error> {
    if by.may(Right::write(Resource::Accounts))? != Reach::Everything {
        return Err(Error::new(Code::Forbidden));
    }
    let now = app.now();
    let plan = known_plan(app, new.plan.as_deref().unwrap_or(app.plans.default_plan()))?;
    let id = AccountId::generate(now, &*app.random)?;
    let mut tx = app.store.write().await?;
    is_free(&mut tx, new.external_id.as_ref()).await?;
    let row = NewAccountRow { id, name: new.name, plan, external_id: new.external_id, created_at: now };
    let account = tx.insert_account(row).await?;
    let detail = json!({ "name": account.name, "plan": account.plan, "external_id": account.external_id });
    tx.append_audit(&audit(now, by, Action::CreateAccount, id.0, Some(account.no), detail)).await?;
    Ok(Pending::new(account, tx))
}

/// Refuses an external id that another account has.
pub(super) async fn is_free(tx: &mut WriteTx, external_id: Option<&ExternalId>) -> Result<(), Error> {
    match external_id {
        Some(external_id) if tx.has_external_id(external_id).await? => {
            Err(Error::taken("external_id", "belongs to another account"))
        }
        _ => Ok(()),
    }
}
