//! An account: a tenant, usually an organization. It owns projects.

use super::id::AccountId;
use super::name::Name;
use super::time::Time;

/// An account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The number that other rows and the sync feed refer to it by.
    pub no: u32,
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: Name,
    /// Whether its keys work.
    pub status: AccountStatus,
    /// When it was made.
    pub created_at: Time,
}

/// Whether an account's keys work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// They do.
    Active,
    /// All are switched off together.
    Suspended,
}
