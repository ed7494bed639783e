//! A user: a person in an account, who may hold personal access tokens.

use super::id::{AccountId, UserId};
use super::name::Name;
use super::time::Time;
use super::version::Version;

/// The longest mail address, in bytes (RFC 5321, section 4.5.3.1.3: a path has 256 with its brackets).
pub const MAX_EMAIL_LEN: usize = 254;

/// A user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// The number that other rows and the sync feed refer to it by.
    pub no: u32,
    /// Its id.
    pub id: UserId,
    /// Number of its account.
    pub account: u32,
    /// Id of its account.
    pub account_id: AccountId,
    /// Its mail address.
    pub email: Email,
    /// Its name.
    pub name: Name,
    /// What it is in its account.
    pub role: Role,
    /// Who it is to an issuer of JWTs.
    pub identity: Option<Identity>,
    /// When it was made.
    pub created_at: Time,
}

impl User {
    /// The version of what can be edited.
    pub fn version(&self) -> Version {
        let identity = self.identity.as_ref();
        let (issuer, subject) = identity.map_or(("", ""), |identity| (&identity.issuer, &identity.subject));
        Version::of(&[self.email.as_str(), self.name.as_str(), self.role.name(), issuer, subject])
    }
}

/// What a user is in an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything in the account, other owners included.
    Owner,
    /// Everything in the account but owners.
    Admin,
    /// Makes and changes keys, and sees the rest.
    Member,
}

impl Role {
    /// Whether a user of this role makes, changes and removes users of `other`.
    pub const fn rules_over(self, other: Self) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => !matches!(other, Self::Owner),
            Self::Member => false,
        }
    }

    /// `owner`, `admin` or `member`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }

    /// Reads its name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Owner, Self::Admin, Self::Member].into_iter().find(|role| role.name() == name)
    }
}

/// A mail address as it was given, in lower case: one person, one address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Email(String);

/// A text is no mail address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a mail address of at most 254 bytes, such as ada@example.com")]
pub struct EmailError;

impl Email {
    /// Takes a text that has the shape of an address: something on both sides of one `@`, and nothing that ends or
    /// hides a line. Whether mail arrives there only sending it would tell.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let text = text.trim();
        let plain = text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | '"' | ','));
        match text.split_once('@') {
            Some((local, domain))
                if plain
                    && !local.is_empty()
                    && !domain.is_empty()
                    && !domain.contains('@')
                    && text.len() <= MAX_EMAIL_LEN =>
            {
                Ok(Self(text.to_lowercase()))
            }
            _ => Err(EmailError),
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for Email {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The longest issuer and subject of an identity, in characters (`OpenID` Connect Core, section 2, for the subject).
const MAX_IDENTITY_LEN: usize = 255;

/// Who a user is to an issuer of JWTs.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Identity {
    /// The issuer (`iss`).
    issuer: String,
    /// The user's id there.
    subject: String,
}

/// Texts that are no identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must have 1 to 255 characters and no control characters")]
pub struct IdentityError {
    /// `issuer` or `subject`.
    pub field: &'static str,
}

impl Identity {
    /// Takes an issuer and a subject as they stand in tokens.
    pub fn new(issuer: &str, subject: &str) -> Result<Self, IdentityError> {
        for (field, text) in [("issuer", issuer), ("subject", subject)] {
            if !(1..=MAX_IDENTITY_LEN).contains(&text.chars().count()) || text.chars().any(char::is_control) {
                return Err(IdentityError { field });
            }
        }
        Ok(Self { issuer: issuer.to_owned(), subject: subject.to_owned() })
    }

    /// The issuer (`iss`).
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The user's id there.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_two_sides_and_one_line() {
        assert_eq!(Email::parse(" Ada@Example.com ").unwrap().as_str(), "ada@example.com");
        for text in
            ["", "ada", "@example.com", "ada@", "a@b@c", "a b@c", "a@b\nc", "<a@b>", &format!("a@{}", "b".repeat(260))]
        {
            assert_eq!(Email::parse(text), Err(EmailError), "{text}");
        }
    }

    #[test]
    fn only_owners_rule_over_owners() {
        assert!(Role::Owner.rules_over(Role::Owner) && !Role::Admin.rules_over(Role::Owner));
        assert!(Role::Admin.rules_over(Role::Admin) && !Role::Member.rules_over(Role::Member));
    }
}
