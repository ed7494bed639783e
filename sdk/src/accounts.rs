//! Accounts: `/v1/accounts`.

use crate::change::Change;
use crate::error::Error;
use crate::id::AccountId;
use crate::page::{Page, Pager, Range, one_page};
use crate::receipt::{Receipt, parameter};
use crate::transport::{Call, Transport};
use crate::version::{Version, Versioned};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const PATH: &[&str] = &["v1", "accounts"];

/// The operations on accounts; see [`Client::accounts`](crate::Client::accounts).
#[derive(Clone, Copy)]
pub struct Accounts<'a> {
    pub(crate) transport: &'a Arc<Transport>,
}

impl Accounts<'_> {
    /// Creates an account.
    ///
    /// ```no_run
    /// # async fn run(client: keyplane_sdk::Client) -> Result<(), keyplane_sdk::Error> {
    /// use keyplane_sdk::CreateAccount;
    ///
    /// let account = client.accounts().create(&CreateAccount::new("Example Ltd").plan("pro")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create(self, account: &CreateAccount) -> Result<Account, Error> {
        self.transport.send(Call::post(PATH, account)).await
    }

    /// The account with this id.
    pub async fn get(self, id: AccountId) -> Result<Account, Error> {
        self.transport.send(Call::get(&["v1", "accounts", &id.to_string()])).await
    }

    /// The account with this id, and its version, for an edit that is done only if nobody edited it meanwhile.
    pub async fn get_versioned(self, id: AccountId) -> Result<Versioned<Account>, Error> {
        self.transport.send_versioned(Call::get(&["v1", "accounts", &id.to_string()])).await
    }

    /// Edits an account. What the change does not name stays as it is. With a [wait](UpdateAccount::wait) the answer holds a
    /// [receipt](Account::receipt).
    ///
    /// ```no_run
    /// # async fn run(client: keyplane_sdk::Client, id: keyplane_sdk::AccountId) -> Result<(), keyplane_sdk::Error> {
    /// use keyplane_sdk::{AccountStatus, UpdateAccount};
    /// use std::time::Duration;
    ///
    /// // All its keys are refused, by every live proxy, when this is answered.
    /// let change = UpdateAccount::new().status(AccountStatus::Suspended).wait(Duration::from_secs(5));
    /// let account = client.accounts().update(id, &change).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update(self, id: AccountId, change: &UpdateAccount) -> Result<Account, Error> {
        let call = Call::patch(&["v1", "accounts", &id.to_string()], change);
        let call = call.query(parameter(change.wait)).waiting(change.wait);
        self.transport.send(call.if_version(change.version.as_ref())).await
    }

    /// One page of accounts.
    pub async fn list(self, list: ListAccounts) -> Result<Page<Account>, Error> {
        one_page(self.transport, PATH, list.into()).await
    }

    /// All accounts, read page by page.
    pub fn all(self, list: ListAccounts) -> Pager<Account> {
        Pager::new(Arc::clone(self.transport), PATH, list.into())
    }
}

/// A tenant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// The account's id.
    pub id: AccountId,
    /// Its name, for people.
    pub name: String,
    /// The plan that its caps and limits come from, where plans are in use.
    #[serde(default)]
    pub plan: Option<String>,
    /// Whether its keys work.
    pub status: AccountStatus,
    /// What issuers of JWTs call it.
    #[serde(default)]
    pub external_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Which proxies have the change; only in the answer to one with a wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// Whether an account's keys work.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountStatus {
    /// They work.
    Active,
    /// Every proxy refuses them, and nobody of the account may call.
    Suspended,
    /// A state that this version does not know.
    #[serde(other)]
    Other,
}

impl fmt::Display for AccountStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Other => "other",
        })
    }
}

/// What is to change of an account.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct UpdateAccount {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<AccountStatus>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    external_id: Change<String>,
    #[serde(skip)]
    wait: Option<Duration>,
    #[serde(skip)]
    version: Option<Version>,
}

impl UpdateAccount {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The plan's name.
    #[must_use]
    pub fn plan(mut self, plan: impl Into<String>) -> Self {
        self.plan = Some(plan.into());
        self
    }

    /// Whether its keys work.
    #[must_use]
    pub fn status(mut self, status: AccountStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// What issuers of JWTs call it.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Change::Set(id.into());
        self
    }

    /// Issuers of JWTs do not know it.
    #[must_use]
    pub fn no_external_id(mut self) -> Self {
        self.external_id = Change::Clear;
        self
    }

    /// Waits until every live proxy has the change, for at most so long: 55 seconds, to the millisecond. The answer then
    /// holds a [receipt](Account::receipt).
    #[must_use]
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// Does it only if it still has this version, as it was read with [`get_versioned`](crate::Accounts::get_versioned). Otherwise
    /// the answer is [`Error::Changed`](crate::Error::Changed).
    #[must_use]
    pub fn if_version(mut self, version: &Version) -> Self {
        self.version = Some(version.clone());
        self
    }
}

/// What a new account is to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CreateAccount {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
}

impl CreateAccount {
    /// An account of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), plan: None, external_id: None }
    }

    /// What issuers of JWTs call it, such as Clerk's `org_id`. No two accounts share one.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// The plan's name.
    #[must_use]
    pub fn plan(mut self, plan: impl Into<String>) -> Self {
        self.plan = Some(plan.into());
        self
    }
}

/// Which accounts to list, and how many at a time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListAccounts {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl ListAccounts {
    /// All of them, in pages of the server's usual size.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most objects on a page.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Begins where an earlier page ended: its [`next_cursor`](Page::next_cursor).
    #[must_use]
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }
}

impl From<ListAccounts> for Range {
    fn from(list: ListAccounts) -> Self {
        Self {
            filters: list.limit.map(|limit| ("limit", limit.to_string())).into_iter().collect(),
            cursor: list.cursor,
        }
    }
}
