//! A key and the states of its life.
//!
//! ```text
//! active <-> disabled
//!    |          |
//!    +-> revoked <-+       for good; the feed still says so, until
//!           |
//!         gone             its row has left the feed; the row itself stays for lists and audit
//! ```
//!
//! Expiry is a time and no state: nothing has to happen when it comes, so nothing can be late.

use super::id::{AccountId, KeyId, ProjectId, UserId};
use super::metadata::Metadata;
use super::name::Name;
use super::networks::Networks;
use super::rights::Resource;
use super::scope::Scopes;
use super::time::Time;
use super::version::Version;
use keyplane_contract::sync::Environment;
use std::time::Duration;

/// A key, without anything that could be used as one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// Its id.
    pub id: KeyId,
    /// What it belongs to.
    pub owner: Owner,
    /// Id of its account.
    pub account_id: AccountId,
    /// `live` or `test`.
    pub environment: Environment,
    /// Its name.
    pub name: Name,
    /// The mask.
    pub mask: String,
    /// What it may be used for; empty when the operator does not use scopes.
    pub scopes: Scopes,
    /// From where it may be used.
    pub networks: Networks,
    /// What its owner keeps with it.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Time,
    /// When it ends; `None` for never.
    pub expires_at: Option<Time>,
    /// When a proxy last let it pass; `None` for never.
    pub last_used_at: Option<Time>,
    /// Where it stands in its life.
    pub state: State,
    /// The key that took its place.
    pub replaced_by: Option<KeyId>,
    /// It is revoked once no proxy has seen it for so long; `None` for a key that was not rotated so.
    pub idle_limit: Option<Duration>,
    /// Why it was revoked, if somebody said so.
    pub revoke_reason: Option<RevokeReason>,
}

/// What a key belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// A project.
    Project(ProjectId),
    /// A person: the key is a personal access token.
    User(UserId),
}

/// Keys and personal access tokens live alike, but they are different things to those who may see them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// A project's key.
    Key,
    /// A personal access token.
    PersonalToken,
}

impl KeyKind {
    /// What people call it.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::PersonalToken => "personal access token",
        }
    }

    /// What a right over it is about.
    pub const fn resource(self) -> Resource {
        match self {
            Self::Key => Resource::Keys,
            Self::PersonalToken => Resource::PersonalTokens,
        }
    }
}

impl Owner {
    /// What is owned.
    pub const fn kind(self) -> KeyKind {
        match self {
            Self::Project(_) => KeyKind::Key,
            Self::User(_) => KeyKind::PersonalToken,
        }
    }

    /// The project; `None` for a personal access token.
    pub const fn project(self) -> Option<ProjectId> {
        match self {
            Self::Project(id) => Some(id),
            Self::User(_) => None,
        }
    }

    /// The user; `None` for a project's key.
    pub const fn user(self) -> Option<UserId> {
        match self {
            Self::User(id) => Some(id),
            Self::Project(_) => None,
        }
    }
}

/// Why somebody revokes a key, in their own words.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct RevokeReason(String);

/// A text is no reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must have 1 to 200 characters and no control characters")]
pub struct RevokeReasonError;

impl RevokeReason {
    /// Takes a text of 1 to 200 characters in one line; white space around it is dropped.
    pub fn parse(text: &str) -> Result<Self, RevokeReasonError> {
        let (length, line) = (text.chars().count(), text.trim());
        let fits = length <= 200 && !line.is_empty() && !text.chars().any(char::is_control);
        if fits { Ok(Self(line.to_owned())) } else { Err(RevokeReasonError) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a key stands in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// May be used until it expires.
    Active,
    /// Switched off, for now.
    Disabled,
    /// Refused for good, and the feed says so.
    Revoked {
        /// Since when.
        at: Time,
    },
    /// Refused for good, and no longer in the feed.
    Gone {
        /// When it was revoked.
        revoked_at: Time,
        /// When it left the feed.
        at: Time,
    },
}

/// A step that the key's state does not allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TransitionError {
    /// Revoked already: nothing changes.
    #[error("the key is revoked already")]
    AlreadyRevoked,
    /// Only a key that was revoked long enough ago leaves the feed.
    #[error("the key is not due to leave the feed")]
    NotDue,
}

impl State {
    /// Revokes. A key that is revoked already keeps its first time.
    pub fn revoke(self, now: Time) -> Result<Self, TransitionError> {
        match self {
            Self::Active | Self::Disabled => Ok(Self::Revoked { at: now }),
            Self::Revoked { .. } | Self::Gone { .. } => Err(TransitionError::AlreadyRevoked),
        }
    }

    /// Switches on or off. What is so already stays as it is; a revoked key cannot be switched.
    pub fn switch(self, on: bool) -> Result<Self, TransitionError> {
        match self {
            Self::Active | Self::Disabled => Ok(if on { Self::Active } else { Self::Disabled }),
            Self::Revoked { .. } | Self::Gone { .. } => Err(TransitionError::AlreadyRevoked),
        }
    }

    /// Leaves the feed, once revoked for `retention`.
    pub fn retire(self, now: Time, retention: Duration) -> Result<Self, TransitionError> {
        match self {
            Self::Revoked { at } if at <= now.before(retention) => Ok(Self::Gone { revoked_at: at, at: now }),
            _ => Err(TransitionError::NotDue),
        }
    }

    /// Whether the key counts among the rows of the feed.
    pub const fn is_in_feed(self) -> bool {
        !matches!(self, Self::Gone { .. })
    }
}

/// What the API shows of a key's state at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Works.
    Active,
    /// Switched off, for now.
    Disabled,
    /// Refused for good.
    Revoked,
    /// Past its end.
    Expired,
}

impl Key {
    /// The version of what can be edited.
    pub fn version(&self) -> Version {
        let state = match self.state {
            State::Active => "active",
            State::Disabled => "disabled",
            State::Revoked { .. } | State::Gone { .. } => "revoked",
        };
        let end = self.expires_at.map(|end| end.to_string()).unwrap_or_default();
        let (scopes, networks, metadata) = (self.scopes.joined(), self.networks.to_string(), self.metadata.text());
        Version::of(&[self.name.as_str(), &scopes, &end, state, &networks, &metadata])
    }

    /// Since when it is revoked.
    pub const fn revoked_at(&self) -> Option<Time> {
        match self.state {
            State::Revoked { at } | State::Gone { revoked_at: at, .. } => Some(at),
            State::Active | State::Disabled => None,
        }
    }

    /// The status at `now`. What cannot be undone is said first: revoked, then expired, then disabled.
    pub fn status(&self, now: Time) -> Status {
        match self.state {
            State::Revoked { .. } | State::Gone { .. } => Status::Revoked,
            _ if self.expires_at.is_some_and(|end| end <= now) => Status::Expired,
            State::Disabled => Status::Disabled,
            State::Active => Status::Active,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyplane_contract::id::Id;

    const DAY: Duration = Duration::from_hours(24);

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn revoking_is_for_good_and_keeps_its_first_time() {
        let revoked = State::Active.revoke(at(5)).unwrap();
        assert_eq!(revoked, State::Revoked { at: at(5) });
        assert_eq!(State::Disabled.revoke(at(5)), Ok(revoked));
        assert_eq!(revoked.revoke(at(9)), Err(TransitionError::AlreadyRevoked));
        let gone = State::Gone { revoked_at: at(5), at: at(6) };
        assert_eq!(gone.revoke(at(9)), Err(TransitionError::AlreadyRevoked));
    }

    #[test]
    fn only_a_key_revoked_long_enough_ago_leaves_the_feed() {
        let revoked = State::Revoked { at: at(1000) };
        let due = at(1000 + 86_400_000);
        assert_eq!(revoked.retire(at(due.millis() - 1), DAY), Err(TransitionError::NotDue));
        let gone = revoked.retire(due, DAY).unwrap();
        assert_eq!(gone, State::Gone { revoked_at: at(1000), at: due });
        assert!(revoked.is_in_feed() && !gone.is_in_feed());
        for state in [State::Active, State::Disabled, gone] {
            assert_eq!(state.retire(at(i64::MAX), DAY), Err(TransitionError::NotDue));
        }
    }

    #[test]
    fn the_status_says_first_what_cannot_be_undone() {
        let mut key = Key {
            id: KeyId(Id::default()),
            owner: Owner::Project(ProjectId(Id::default())),
            account_id: AccountId(Id::default()),
            environment: Environment::Live,
            name: Name::parse("n").unwrap(),
            mask: String::new(),
            scopes: Scopes::default(),
            networks: Networks::default(),
            metadata: Metadata::default(),
            created_at: at(0),
            expires_at: Some(at(100)),
            last_used_at: None,
            state: State::Active,
            replaced_by: None,
            idle_limit: None,
            revoke_reason: None,
        };
        assert_eq!(key.status(at(99)), Status::Active);
        assert_eq!(key.status(at(100)), Status::Expired);
        key.state = State::Disabled;
        assert_eq!((key.status(at(99)), key.status(at(100))), (Status::Disabled, Status::Expired));
        key.state = State::Revoked { at: at(1) };
        assert_eq!(key.status(at(100)), Status::Revoked);
    }
}
