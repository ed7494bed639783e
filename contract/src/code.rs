//! The codes of a decision: [`Refusal`] is what the caller is told, [`Reason`] what metrics and usage are told.
//!
//! Several reasons share one refusal on purpose: unknown, revoked, disabled and expired keys look alike from
//! outside, so that an answer tells a thief nothing.

/// What a refused caller is told. The text of [`Refusal::code`] never changes once released.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Refusal {
    /// No credential in any configured place.
    CredentialMissing,
    /// A credential that is not accepted, for whatever reason.
    CredentialInvalid,
    /// More than one credential, even if they are equal or each is valid.
    MultipleCredentials,
    /// A key that may be used from certain networks only, and the request comes from another address or from an unknown one.
    AddressNotAllowed,
    /// A key whose account is suspended.
    AccountSuspended,
    /// A path that could be read in two ways, so that no rule can be trusted to match what the upstream sees.
    PathNotAccepted,
    /// The rule takes a signed-in user's token only, and there is none.
    TokenRequired,
    /// A key or token without a scope that the rule needs.
    ScopeMissing,
    /// A test key where the rule takes live ones, or the other way round.
    EnvironmentNotAllowed,
    /// Too many credentials from this address that were not accepted.
    TooManyAttempts,
    /// This proxy has not heard from the control plane for longer than the operator accepts.
    TableTooOld,
    /// This proxy has no complete key table yet.
    TableNotReady,
    /// The filter could not decide. A fault denies.
    Fault,
}

impl Refusal {
    /// Every refusal, for tests and documentation.
    pub const ALL: [Self; 13] = [
        Self::CredentialMissing,
        Self::CredentialInvalid,
        Self::MultipleCredentials,
        Self::AddressNotAllowed,
        Self::AccountSuspended,
        Self::PathNotAccepted,
        Self::TokenRequired,
        Self::ScopeMissing,
        Self::EnvironmentNotAllowed,
        Self::TooManyAttempts,
        Self::TableTooOld,
        Self::TableNotReady,
        Self::Fault,
    ];

    /// The stable code, as in the problem body.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::CredentialMissing => "credential_missing",
            Self::CredentialInvalid => "credential_invalid",
            Self::MultipleCredentials => "multiple_credentials",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::AccountSuspended => "account_suspended",
            Self::PathNotAccepted => "path_not_accepted",
            Self::TokenRequired => "token_required",
            Self::ScopeMissing => "scope_missing",
            Self::EnvironmentNotAllowed => "environment_not_allowed",
            Self::TooManyAttempts => "too_many_attempts",
            Self::TableTooOld => "table_too_old",
            Self::TableNotReady => "table_not_ready",
            Self::Fault => "filter_fault",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::CredentialMissing | Self::CredentialInvalid | Self::TokenRequired => 401,
            Self::MultipleCredentials | Self::PathNotAccepted => 400,
            Self::AddressNotAllowed | Self::AccountSuspended | Self::ScopeMissing | Self::EnvironmentNotAllowed => 403,
            Self::TooManyAttempts => 429,
            Self::TableTooOld | Self::TableNotReady | Self::Fault => 503,
        }
    }

    /// The gRPC status (16 unauthenticated, 3 invalid argument, 7 permission denied, 8 resource exhausted, 14 unavailable).
    #[must_use]
    pub const fn grpc_status(self) -> i32 {
        match self {
            Self::CredentialMissing | Self::CredentialInvalid | Self::TokenRequired => 16,
            Self::MultipleCredentials | Self::PathNotAccepted => 3,
            Self::AddressNotAllowed | Self::AccountSuspended | Self::ScopeMissing | Self::EnvironmentNotAllowed => 7,
            Self::TooManyAttempts => 8,
            Self::TableTooOld | Self::TableNotReady | Self::Fault => 14,
        }
    }

    /// The problem's title.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::CredentialMissing => "API key required",
            Self::CredentialInvalid => "API key not accepted",
            Self::MultipleCredentials => "More than one credential",
            Self::AddressNotAllowed => "Address not allowed",
            Self::AccountSuspended => "Account suspended",
            Self::PathNotAccepted => "Path not accepted",
            Self::TokenRequired => "Sign-in required",
            Self::ScopeMissing => "Scope missing",
            Self::EnvironmentNotAllowed => "Wrong environment",
            Self::TooManyAttempts => "Too many attempts",
            Self::TableTooOld => "Keys too old",
            Self::TableNotReady => "Not ready yet",
            Self::Fault => "Could not be decided",
        }
    }

    /// The problem's detail: what the caller can do.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::CredentialMissing => {
                "Send your API key in the X-API-Key header, or in the Authorization header as: Bearer <key>."
            }
            Self::CredentialInvalid => {
                "The API key is not valid. Check that it was copied whole and has not been revoked or expired."
            }
            Self::MultipleCredentials => "The request carries more than one API key. Send exactly one.",
            Self::AddressNotAllowed => {
                "The API key may be used from certain networks only, and this request comes from another address."
            }
            Self::AccountSuspended => {
                "The account of this API key is suspended. Whoever runs this API can say why, and lift it."
            }
            Self::PathNotAccepted => {
                "The path can be read in more than one way. Send it without empty or dot segments, encoded slashes and the like."
            }
            Self::TokenRequired => "This needs a valid token of a signed-in user.",
            Self::ScopeMissing => "The API key or token is valid, but it lacks a scope that this request needs.",
            Self::EnvironmentNotAllowed => {
                "The API key is for the other environment: this takes either live or test keys only."
            }
            Self::TooManyAttempts => {
                "Too many invalid API keys came from this address. Check the key, and try again later."
            }
            Self::TableTooOld => {
                "This proxy has not been able to refresh its keys for too long. Try again in a moment."
            }
            Self::TableNotReady => "This proxy is still loading its keys. Try again in a moment.",
            Self::Fault => "The request could not be checked, so it was refused. Try again in a moment.",
        }
    }
}

/// Why a request was decided as it was, for metrics and usage. The numbers are part of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reason {
    /// Allowed.
    Allowed = 0,
    /// No credential.
    Missing = 1,
    /// More than one credential.
    Multiple = 2,
    /// Empty, too long, or bytes that no credential has.
    Malformed = 3,
    /// Not in the table.
    Unknown = 4,
    /// Revoked.
    Revoked = 5,
    /// Disabled, for now.
    Disabled = 6,
    /// Past its expiry.
    Expired = 7,
    /// The key has a restriction that this filter is too old to know.
    Unsupported = 8,
    /// No complete table.
    NotReady = 9,
    /// A fault of the filter or its host.
    Fault = 10,
    /// The key may not be used from this address, or the proxy does not know the address.
    Network = 11,
    /// The key's account is suspended.
    Suspended = 12,
    /// A scope that the rule needs is missing.
    Scope = 13,
    /// The key is for another environment than the rule.
    Environment = 14,
    /// The table is older than the operator accepts.
    Stale = 15,
    /// Too many invalid credentials from this address.
    Throttled = 16,
    /// The path could be read in two ways.
    Path = 17,
    /// The rule needs a JWT, and there is none that counts.
    Token = 18,
    /// Passes without a credential: the rule is public.
    Public = 19,
    /// Passes without a credential: a CORS preflight.
    Preflight = 20,
    /// Allowed by a JWT that Envoy has verified.
    Jwt = 21,
    /// Answered by the filter itself: the question whether it is healthy.
    Health = 22,
}

impl Reason {
    /// Every reason, in the order of the numbers.
    pub const ALL: [Self; 23] = [
        Self::Allowed,
        Self::Missing,
        Self::Multiple,
        Self::Malformed,
        Self::Unknown,
        Self::Revoked,
        Self::Disabled,
        Self::Expired,
        Self::Unsupported,
        Self::NotReady,
        Self::Fault,
        Self::Network,
        Self::Suspended,
        Self::Scope,
        Self::Environment,
        Self::Stale,
        Self::Throttled,
        Self::Path,
        Self::Token,
        Self::Public,
        Self::Preflight,
        Self::Jwt,
        Self::Health,
    ];

    /// The name in metrics, usage and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Missing => "missing",
            Self::Multiple => "multiple",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Unsupported => "unsupported",
            Self::NotReady => "not_ready",
            Self::Fault => "fault",
            Self::Network => "network",
            Self::Suspended => "suspended",
            Self::Scope => "scope",
            Self::Environment => "environment",
            Self::Stale => "stale",
            Self::Throttled => "throttled",
            Self::Path => "path",
            Self::Token => "token",
            Self::Public => "public",
            Self::Preflight => "preflight",
            Self::Jwt => "jwt",
            Self::Health => "health",
        }
    }

    /// The reason of a number in a usage batch; `None` for one that this version does not know.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Whether the request passes: with a key, with a JWT, or because none is needed.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed | Self::Public | Self::Preflight | Self::Jwt)
    }

    /// What the caller is told; `None` when the request is allowed, or answered with what it asked for.
    #[must_use]
    pub const fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Allowed | Self::Public | Self::Preflight | Self::Jwt | Self::Health => None,
            Self::Missing => Some(Refusal::CredentialMissing),
            Self::Multiple => Some(Refusal::MultipleCredentials),
            Self::Malformed | Self::Unknown | Self::Revoked | Self::Disabled | Self::Expired | Self::Unsupported => {
                Some(Refusal::CredentialInvalid)
            }
            Self::Network => Some(Refusal::AddressNotAllowed),
            Self::Suspended => Some(Refusal::AccountSuspended),
            Self::Scope => Some(Refusal::ScopeMissing),
            Self::Environment => Some(Refusal::EnvironmentNotAllowed),
            Self::Stale => Some(Refusal::TableTooOld),
            Self::Throttled => Some(Refusal::TooManyAttempts),
            Self::Path => Some(Refusal::PathNotAccepted),
            Self::Token => Some(Refusal::TokenRequired),
            Self::NotReady => Some(Refusal::TableNotReady),
            Self::Fault => Some(Refusal::Fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_each_reason_reads_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_number(reason as u8), Some(reason));
        }
        assert_eq!(Reason::from_number(23), None);
    }

    #[test]
    fn only_these_pass() {
        let allowed: Vec<_> = Reason::ALL.into_iter().filter(|reason| reason.is_allowed()).collect();
        assert_eq!(allowed, [Reason::Allowed, Reason::Public, Reason::Preflight, Reason::Jwt]);
    }
}
