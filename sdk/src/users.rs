//! Users, the people of an account: `/v1/users`.

use crate::change::Change;
use crate::error::Error;
use crate::id::{AccountId, UserId};
use crate::page::{Page, Pager, Range, one_page};
use crate::receipt::{Receipt, parameter};
use crate::transport::{Call, Transport};
use crate::version::{Version, Versioned};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const PATH: &[&str] = &["v1", "users"];

/// The operations on users; see [`Client::users`](crate::Client::users).
#[derive(Clone, Copy)]
pub struct Users<'a> {
    pub(crate) transport: &'a Arc<Transport>,
}

impl Users<'_> {
    /// Adds a person to an account.
    ///
    /// ```no_run
    /// # async fn run(client: keyplane_sdk::Client, account: keyplane_sdk::Account) -> Result<(), keyplane_sdk::Error> {
    /// use keyplane_sdk::{CreateUser, Role};
    ///
    /// let new = CreateUser::new(account.id, "ada@example.com", "Ada").role(Role::Admin);
    /// let user = client.users().create(&new).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create(self, user: &CreateUser) -> Result<User, Error> {
        self.transport.send(Call::post(PATH, user)).await
    }

    /// The user with this id.
    pub async fn get(self, id: UserId) -> Result<User, Error> {
        self.transport.send(Call::get(&["v1", "users", &id.to_string()])).await
    }

    /// The user with this id, and its version, for an edit that is done only if nobody edited it meanwhile.
    pub async fn get_versioned(self, id: UserId) -> Result<Versioned<User>, Error> {
        self.transport.send_versioned(Call::get(&["v1", "users", &id.to_string()])).await
    }

    /// One page of users.
    pub async fn list(self, list: ListUsers) -> Result<Page<User>, Error> {
        one_page(self.transport, PATH, list.into()).await
    }

    /// All users of the list, read page by page.
    pub fn all(self, list: ListUsers) -> Pager<User> {
        Pager::new(Arc::clone(self.transport), PATH, list.into())
    }

    /// Edits a user. What the change does not name stays as it is.
    pub async fn update(self, id: UserId, change: &UpdateUser) -> Result<User, Error> {
        let call = Call::patch(&["v1", "users", &id.to_string()], change);
        self.transport.send(call.if_version(change.version.as_ref())).await
    }

    /// Takes a user out of its account. Their personal access tokens are revoked in the same moment.
    ///
    /// A user that is gone is not found, so this call is sent again only where it is certain that nothing happened.
    pub async fn remove(self, id: UserId) -> Result<User, Error> {
        self.transport.send(Call::delete(&["v1", "users", &id.to_string()]).once()).await
    }

    /// Takes a user out of its account as [`remove`](Self::remove) does, and waits until every live proxy refuses their
    /// tokens, for at most `wait`: 55 seconds, to the millisecond. The answer holds a [receipt](User::receipt).
    pub async fn remove_and_wait(self, id: UserId, wait: Duration) -> Result<User, Error> {
        let call = Call::delete(&["v1", "users", &id.to_string()]).once();
        self.transport.send(call.query(parameter(Some(wait))).waiting(Some(wait))).await
    }
}

/// A person in an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The account that it belongs to.
    pub account_id: AccountId,
    /// Its mail address, the only one in the account.
    pub email: String,
    /// Its name, for people.
    pub name: String,
    /// What it is in the account.
    pub role: Role,
    /// Who it is to an issuer of JWTs.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// When it was added.
    pub created_at: Timestamp,
    /// Which proxies have the change; only in the answer to one with a wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// Who a user is to an issuer of JWTs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// The issuer: the `iss` of its tokens.
    pub issuer: String,
    /// The user: the `sub` of the tokens.
    pub subject: String,
}

impl Identity {
    /// The `sub` of this `iss`.
    pub fn new(issuer: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), subject: subject.into() }
    }
}

/// What a user is in its account.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Everything in the account.
    Owner,
    /// Everything in the account but owners.
    Admin,
    /// Makes and changes keys, and sees the rest.
    Member,
    /// A role that this version does not know.
    #[serde(other)]
    Other,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Other => "other",
        })
    }
}

/// What a new user is to be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CreateUser {
    account_id: AccountId,
    email: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
}

impl CreateUser {
    /// A member of the account.
    pub fn new(account_id: AccountId, email: impl Into<String>, name: impl Into<String>) -> Self {
        Self { account_id, email: email.into(), name: name.into(), role: None, identity: None }
    }

    /// What it is in the account.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// Who they are to an issuer of JWTs.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }
}

/// What is to change of a user.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct UpdateUser {
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(skip_serializing_if = "Change::is_keep")]
    identity: Change<Identity>,
    #[serde(skip)]
    version: Option<Version>,
}

impl UpdateUser {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Its mail address.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What it is in the account.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// Who they are to an issuer of JWTs.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Change::Set(identity);
        self
    }

    /// They are nobody to issuers of JWTs.
    #[must_use]
    pub fn no_identity(mut self) -> Self {
        self.identity = Change::Clear;
        self
    }

    /// Does it only if it still has this version, as it was read with [`get_versioned`](crate::Users::get_versioned). Otherwise
    /// the answer is [`Error::Changed`](crate::Error::Changed).
    #[must_use]
    pub fn if_version(mut self, version: &Version) -> Self {
        self.version = Some(version.clone());
        self
    }
}

/// Which users to list, and how many at a time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListUsers {
    account_id: Option<AccountId>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl ListUsers {
    /// All that the credential may see, in pages of the server's usual size.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of this account.
    #[must_use]
    pub fn account(mut self, id: AccountId) -> Self {
        self.account_id = Some(id);
        self
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

impl From<ListUsers> for Range {
    fn from(list: ListUsers) -> Self {
        let filters = [
            list.account_id.map(|value| ("account_id", value.to_string())),
            list.limit.map(|limit| ("limit", limit.to_string())),
        ];
        Self { filters: filters.into_iter().flatten().collect(), cursor: list.cursor }
    }
}
