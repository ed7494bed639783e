//! Accounts: `/v1/accounts`.

use crate::error::Error;
use crate::id::AccountId;
use crate::page::{Page, Pager, Range, one_page};
use crate::transport::{Call, Transport};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

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
        self.transport.send(Call::get(&["v1", "accounts", &id.to_string()], Vec::new())).await
    }

    /// Edits an account. What the change does not name stays as it is.
    pub async fn update(self, id: AccountId, change: &UpdateAccount) -> Result<Account, Error> {
        self.transport.send(Call::patch(&["v1", "accounts", &id.to_string()], change)).await
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
}

/// What a new account is to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CreateAccount {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
}

impl CreateAccount {
    /// An account of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), plan: None }
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
