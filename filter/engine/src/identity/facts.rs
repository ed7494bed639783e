//! What is known of a request once it is decided, and the names under which a configuration asks for it.

use super::value::header_value;
use keyplane_contract::code::Reason;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{Environment, Metadata};
use std::borrow::Cow;

/// Something that can be told about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The key's id.
    KeyId,
    /// The account: its id, or what a JWT names it.
    Account,
    /// The project's id.
    Project,
    /// `live` or `test`.
    Environment,
    /// The user: an id, or what a JWT names it.
    User,
    /// Scopes joined by spaces.
    Scopes,
    /// The account's name.
    AccountName,
    /// The id that another system gave to the account.
    AccountExternalId,
    /// `true` when the request passes without an identity; else it is absent.
    Anonymous,
    /// Name of the rule that matched.
    Rule,
    /// The decision's reason, as in the metrics.
    Reason,
    /// Revision of the table that decided.
    Revision,
    /// Milliseconds since that table was last known to be at the control plane's revision.
    TableAge,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 13] = [
        Self::KeyId,
        Self::Account,
        Self::Project,
        Self::Environment,
        Self::User,
        Self::Scopes,
        Self::AccountName,
        Self::AccountExternalId,
        Self::Anonymous,
        Self::Rule,
        Self::Reason,
        Self::Revision,
        Self::TableAge,
    ];

    /// The field of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// The name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyId => "key_id",
            Self::Account => "account",
            Self::Project => "project",
            Self::Environment => "environment",
            Self::User => "user",
            Self::Scopes => "scopes",
            Self::AccountName => "account_name",
            Self::AccountExternalId => "account_external_id",
            Self::Anonymous => "anonymous",
            Self::Rule => "rule",
            Self::Reason => "reason",
            Self::Revision => "revision",
            Self::TableAge => "table_age",
        }
    }
}

/// An account or a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who<'a> {
    /// One of the control plane's.
    Id(Id),
    /// One that a JWT names.
    Text(&'a str),
}

/// What is known of a request. Empty texts are as good as absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The key's id.
    pub key: Option<Id>,
    /// The account.
    pub account: Option<Who<'a>>,
    /// The project's id.
    pub project: Option<Id>,
    /// `live` or `test`.
    pub environment: Option<Environment>,
    /// The user.
    pub user: Option<Who<'a>>,
    /// Scopes joined by spaces.
    pub scopes: &'a str,
    /// The account's name.
    pub account_name: &'a str,
    /// The id that another system gave to the account.
    pub account_external_id: &'a str,
    /// The key's chosen metadata.
    pub metadata: Metadata<'a>,
    /// Name of the rule that matched.
    pub rule: &'a str,
    /// Why it was decided so.
    pub reason: Reason,
    /// Revision of the table.
    pub revision: Option<u64>,
    /// Age of the table in milliseconds.
    pub table_age: Option<u64>,
}

impl Facts<'_> {
    /// A request of which only the outcome is known.
    #[must_use]
    pub const fn of(reason: Reason) -> Self {
        Self {
            key: None,
            account: None,
            project: None,
            environment: None,
            user: None,
            scopes: "",
            account_name: "",
            account_external_id: "",
            metadata: Metadata::NONE,
            rule: "",
            reason,
            revision: None,
            table_age: None,
        }
    }

    /// Hands the field's value, made safe for a header, to `tell`; `None` when there is nothing to tell.
    pub(super) fn tell<T>(&self, field: Field, tell: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let value: Cow<'_, [u8]> = match field {
            Field::KeyId => return self.key.map(|id| tell(&id.to_text())),
            Field::Project => return self.project.map(|id| tell(&id.to_text())),
            Field::Account | Field::User => {
                let who = if field == Field::Account { self.account } else { self.user };
                match who? {
                    Who::Id(id) => return Some(tell(&id.to_text())),
                    Who::Text(name) => header_value(name)?,
                }
            }
            Field::Environment => Cow::Borrowed(self.environment?.name().as_bytes()),
            Field::Scopes => header_value(self.scopes)?,
            Field::AccountName => header_value(self.account_name)?,
            Field::AccountExternalId => header_value(self.account_external_id)?,
            Field::Anonymous => matches!(self.reason, Reason::Public | Reason::Preflight).then_some(b"true")?.into(),
            Field::Rule => header_value(self.rule)?,
            Field::Reason => Cow::Borrowed(self.reason.name().as_bytes()),
            Field::Revision => self.revision?.to_string().into_bytes().into(),
            Field::TableAge => self.table_age?.to_string().into_bytes().into(),
        };
        Some(tell(&value))
    }

    /// The same for metadata.
    pub(super) fn tell_metadata<T>(&self, name: &str, tell: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.metadata.get(name).and_then(header_value).map(|value| tell(&value))
    }
}
