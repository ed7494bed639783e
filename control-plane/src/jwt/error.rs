//! Why a JWT is refused.
//!
//! Each reason has a stable name for logs and metrics. None carries a part of the token: what a caller sends must not come back
//! in a log. A caller over HTTP should be told no more than "not accepted"; the reasons help the operator.

/// A token is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JwtError {
    /// Longer than [`super::MAX_TOKEN_LEN`].
    #[error("the token is longer than 8 KiB")]
    TooLong,
    /// Not three base64url parts with JSON objects in the first two, or without a text as `iss`.
    #[error("this is no JWT with an issuer")]
    Malformed,
    /// The header asks for an unknown algorithm (`none` is one), a critical extension, or is of another type of token.
    #[error("the token's header names an algorithm, an extension or a type that is not taken")]
    HeaderNotAccepted,
    /// No issuer of that name is configured.
    #[error("the token's issuer is not configured")]
    UnknownIssuer,
    /// The algorithm is not in the issuer's list.
    #[error("the token's algorithm is not allowed for its issuer")]
    AlgorithmNotAllowed,
    /// The issuer's keys hold none that the token can mean.
    #[error("the issuer has no key of the token's key id")]
    UnknownKey,
    /// The key is of another type or for another algorithm, or the token names no key and several would do.
    #[error("the issuer's key does not fit the token's algorithm")]
    KeyMismatch,
    /// The issuer's keys were never read, or too long ago. Not the caller's fault: HTTP status 503.
    #[error("the issuer's keys cannot be read now")]
    KeysUnavailable,
    /// The signature is wrong.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// `aud` names none of the configured audiences.
    #[error("the token is meant for another audience")]
    WrongAudience,
    /// `azp` names none of the configured authorized parties.
    #[error("the token was issued to another party")]
    WrongParty,
    /// `exp` is past, beyond the leeway.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is still to come, beyond the leeway.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` is still to come, beyond the leeway.
    #[error("the token was issued in the future: compare the clocks")]
    IssuedInFuture,
    /// A claim that is needed is missing; its name comes from the settings or the standard.
    #[error("the token has no claim `{0}`")]
    MissingClaim(String),
    /// A claim is of a wrong shape; its name comes from the settings or the standard.
    #[error("the token's claim `{0}` is not of the shape that is needed")]
    WrongClaim(String),
}

impl JwtError {
    /// The stable name of the reason, for logs and metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLong => "token_too_long",
            Self::Malformed => "malformed",
            Self::HeaderNotAccepted => "header_not_accepted",
            Self::UnknownIssuer => "unknown_issuer",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::UnknownKey => "unknown_key",
            Self::KeyMismatch => "key_mismatch",
            Self::KeysUnavailable => "keys_unavailable",
            Self::BadSignature => "bad_signature",
            Self::WrongAudience => "wrong_audience",
            Self::WrongParty => "wrong_party",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
            Self::MissingClaim(_) => "missing_claim",
            Self::WrongClaim(_) => "wrong_claim",
        }
    }

    /// Whether the issuer is to blame, so that the caller may try the same token again later.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::KeysUnavailable)
    }
}
