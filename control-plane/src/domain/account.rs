//! An account: a tenant, usually an organization. It owns projects and has users.

use super::id::AccountId;
use super::name::Name;
use super::time::Time;
use super::version::Version;

/// The longest external id, in characters.
const MAX_EXTERNAL_ID_LEN: usize = 255;

/// An account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// The number that other rows and the sync feed refer to it by.
    pub no: u32,
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: Name,
    /// Name of its plan.
    pub plan: String,
    /// Whether its keys work.
    pub status: AccountStatus,
    /// What issuers of JWTs call it.
    pub external_id: Option<ExternalId>,
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

impl AccountStatus {
    /// `active` or `suspended`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// Reads its name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Suspended].into_iter().find(|status| status.name() == name)
    }
}

/// An id that another system gave to the account, such as Clerk's `org_id`.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct ExternalId(String);

/// A text is no external id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must have 1 to 255 characters and no control characters")]
pub struct ExternalIdError;

impl ExternalId {
    /// Takes a text of 1 to 255 characters without control characters, as it is.
    pub fn parse(text: &str) -> Result<Self, ExternalIdError> {
        let fits = (1..=MAX_EXTERNAL_ID_LEN).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits { Ok(Self(text.to_owned())) } else { Err(ExternalIdError) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Account {
    /// The version of what can be edited.
    pub fn version(&self) -> Version {
        let external_id = self.external_id.as_ref().map_or("", ExternalId::as_str);
        Version::of(&[self.name.as_str(), &self.plan, self.status.name(), external_id])
    }
}
