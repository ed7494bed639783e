//! Sessions of the dashboard: who is signed in, by reference to what they signed in with, and for how long.

use super::id::{AdminKeyId, KeyId, UserId};
use super::time::Time;
use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use std::net::IpAddr;
use std::time::Duration;

/// What the id of a session begins with, in the browser's cookie.
pub const SESSION_PREFIX: &str = "kp_session";

/// The most sessions of one holder; the one that was not used for longest makes room.
pub const MAX_SESSIONS: u32 = 20;

/// How exactly a session's last use is known: each use within is one write less.
pub const SEEN_STEP: Duration = Duration::from_secs(30);

/// How much of what a browser says of itself is kept, in characters.
pub const MAX_AGENT: usize = 200;

/// What somebody signed in with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignedInWith {
    /// An admin key.
    AdminKey(AdminKeyId),
    /// A personal access token.
    PersonalToken(KeyId),
    /// A login elsewhere, which named this user.
    User(UserId),
}

impl SignedInWith {
    /// The kind's name in the database.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::AdminKey(_) => "admin_key",
            Self::PersonalToken(_) => "personal_token",
            Self::User(_) => "user",
        }
    }

    /// Which one of the kind.
    pub const fn id(self) -> Id {
        match self {
            Self::AdminKey(id) => id.0,
            Self::PersonalToken(id) => id.0,
            Self::User(id) => id.0,
        }
    }

    /// Reads what `kind` and `id` say.
    pub fn from_parts(kind: &str, id: Id) -> Option<Self> {
        match kind {
            "admin_key" => Some(Self::AdminKey(AdminKeyId(id))),
            "personal_token" => Some(Self::PersonalToken(KeyId(id))),
            "user" => Some(Self::User(UserId(id))),
            _ => None,
        }
    }
}

/// Names a session in the audit log, by its digest in the database: a UUID of version 8 that says nothing of the digest.
pub fn log_id(digest: &Digest) -> Id {
    let made = Digest::of(&[b"keyplane session log 1 ", &digest.as_bytes()[..]].concat());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(made.as_bytes()).for_each(|(byte, found)| *byte = *found);
    Id(uuid::Builder::from_custom_bytes(bytes).into_uuid().into_bytes())
}

/// A session, without what the browser holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// What was signed in with.
    pub with: SignedInWith,
    /// Who it is: the admin key or the user.
    pub holder: Id,
    /// When it began.
    pub created_at: Time,
    /// When it was used last, within [`SEEN_STEP`].
    pub seen_at: Time,
    /// From which address, if that is known.
    pub source: Option<IpAddr>,
}

/// A session among its holder's others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnSession {
    /// Of what the browser holds.
    pub digest: Digest,
    /// The session.
    pub session: Session,
    /// What the browser said of itself at sign-in.
    pub agent: String,
}

impl OwnSession {
    /// Names the session to its holder. It says nothing of the digest, let alone of what the browser holds.
    pub fn handle(&self) -> Digest {
        Digest::of(&[b"keyplane session 1 ", &self.digest.as_bytes()[..]].concat())
    }
}

/// How long sessions last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionLimits {
    /// Without a use.
    pub idle: Duration,
    /// From the sign-in on.
    pub total: Duration,
}

impl SessionLimits {
    /// Whether a session is past its end at `now`.
    pub fn ended(&self, session: &Session, now: Time) -> bool {
        now.since(session.seen_at) >= self.idle || now.since(session.created_at) >= self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_it_is_idle_and_at_the_latest_after_its_total() {
        let limits = SessionLimits { idle: Duration::from_secs(10), total: Duration::from_mins(1) };
        let at = |seconds: i64| Time::from_millis(seconds * 1000);
        let session = |seen| Session {
            with: SignedInWith::AdminKey(AdminKeyId(Id([1; 16]))),
            holder: Id([1; 16]),
            created_at: at(100),
            seen_at: at(seen),
            source: None,
        };
        assert!(!limits.ended(&session(100), at(109)));
        assert!(limits.ended(&session(100), at(110)));
        assert!(!limits.ended(&session(155), at(159)));
        assert!(limits.ended(&session(155), at(160)));
    }
}
