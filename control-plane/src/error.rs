//! What the caller of an operation is told when it fails.
//!
//! Status, code, public text and private cause are apart: the public parts are sentences that were written for the caller,
//! the cause goes to the log only. A code never changes its meaning once released; each has a page under
//! `https://keyplane.dev/errors/`.

use crate::domain::random::RandomError;
use crate::store::StoreError;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Declares the codes: name, HTTP status, title, and the detail when there is nothing more to say.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal, $title:literal, $detail:literal;)*) => {
        /// The stable name of a kind of failure, with its HTTP status and its title.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code, for tests and documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in problems.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)*
                }
            }

            /// The problem's title.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)*
                }
            }

            /// The problem's detail when there is nothing more to say.
            pub const fn detail(self) -> &'static str {
                match self {
                    $(Self::$variant => $detail,)*
                }
            }
        }
    };
}

codes! {
    /// More than one credential.
    MultipleCredentials = "multiple_credentials", 400, "More than one credential",
        "The request carries more than one credential. Send exactly one.";
    /// A query parameter is wrong.
    InvalidQuery = "invalid_query", 400, "Query parameter not accepted",
        "A query parameter is wrong.";
    /// A header is wrong.
    InvalidHeader = "invalid_header", 400, "Header not accepted",
        "A header is wrong.";
    /// The body is no JSON.
    MalformedJson = "malformed_json", 400, "Body is not JSON",
        "The body is not JSON.";
    /// A usage batch cannot be read.
    InvalidBatch = "invalid_batch", 400, "Usage batch not readable",
        "The usage batch cannot be read.";
    /// A request that cannot be read at all.
    BadRequest = "bad_request", 400, "Request not readable",
        "The request cannot be read.";
    /// No credential.
    CredentialMissing = "credential_missing", 401, "Credential required",
        "Send your credential in the Authorization header as: Bearer <key>, or in the X-API-Key header.";
    /// A credential that is not accepted, for whatever reason.
    CredentialInvalid = "credential_invalid", 401, "Credential not accepted",
        "The credential is not valid. Check that it was copied whole.";
    /// Who calls may not do this.
    Forbidden = "forbidden", 403, "Not allowed",
        "Your credential is valid, but it may not do this. Ask who manages the account for the right to.";
    /// The account of the caller is suspended.
    AccountSuspended = "account_suspended", 403, "Account suspended",
        "The account is suspended. Its operator can say why, and lift it.";
    /// The key may not be used from this address.
    AddressNotAllowed = "address_not_allowed", 403, "Address not allowed",
        "The key may be used from certain networks only, and this request comes from another.";
    /// A JWT of somebody who is no user here.
    UserUnknown = "user_unknown", 403, "User unknown",
        "The token is valid, but it names no user of an account here. Ask who manages the account to add you.";
    /// No such object or page.
    NotFound = "not_found", 404, "Not found",
        "There is nothing here.";
    /// The path has no such method.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed",
        "This path does not take this method; the Allow header lists those it takes.";
    /// The body did not come in time.
    BodyTimeout = "body_timeout", 408, "Body too slow",
        "The body did not come in time. Nothing was changed; send the request again.";
    /// The key is revoked, which is for good.
    KeyRevoked = "key_revoked", 409, "Key is revoked",
        "The key is revoked, which is for good: only its name can be changed. Make a new key.";
    /// The key does not work now.
    KeyNotActive = "key_not_active", 409, "Key does not work now",
        "The key is disabled, expired or revoked, so nobody uses it and there is nothing to hand over. Make a new key.";
    /// The plan allows no more keys.
    KeyLimitReached = "key_limit_reached", 409, "Key limit reached",
        "The project has as many keys as its plan allows. Revoke keys that are not used, or upgrade the plan.";
    /// The operator would lock themselves out.
    LastAdminKey = "last_admin_key", 409, "Last admin key",
        "This is the only valid admin key with write access, and without one nobody could manage Keyplane any more. Make another one first.";
    /// Two proxy tokens are valid already.
    ProxyTokenLimit = "proxy_token_limit", 409, "Two proxy tokens",
        "Two proxy tokens are valid already: the one in use and its successor. Revoke the older one once all proxies have the newer.";
    /// A value that must be the only one of its kind is taken.
    AlreadyTaken = "already_taken", 409, "Already taken",
        "Something else has this value already.";
    /// The same `Idempotency-Key` on another request.
    IdempotencyKeyReused = "idempotency_key_reused", 409, "Idempotency-Key used before",
        "You used this Idempotency-Key for another request, so nothing was done. Send each new request with a new key, and only a repetition, byte for byte, with the same one.";
    /// Somebody edited the object meanwhile.
    PreconditionFailed = "precondition_failed", 412, "Edited meanwhile",
        "Somebody edited it since you looked. Read it again, then send your change with the new ETag in If-Match.";
    /// The body is too long.
    BodyTooLarge = "body_too_large", 413, "Body too large",
        "The body is longer than this path takes.";
    /// The body is of a type that is not taken here.
    UnsupportedMediaType = "unsupported_media_type", 415, "Media type not accepted",
        "Send the body as JSON, with the header Content-Type: application/json.";
    /// Fields of the body are wrong.
    InvalidRequest = "invalid_request", 422, "Fields not accepted",
        "Fields of the body are wrong.";
    /// Too many failed authentications from one source.
    TooManyFailures = "too_many_failures", 429, "Too many failures",
        "Too many credentials from your address were not accepted. Correct the credential, and try again after the time in Retry-After.";
    /// A fault of Keyplane.
    Internal = "internal_error", 500, "Internal error",
        "Something went wrong on Keyplane's side. Nothing was changed unless a later look shows otherwise. The request id leads to the cause in the log.";
    /// Too busy, or about to stop.
    Unavailable = "unavailable", 503, "Unavailable",
        "Keyplane cannot take the request now. Try again in a moment.";
}

impl Code {
    /// The code that stands for a bare HTTP status.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::CredentialInvalid,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 => Self::BodyTimeout,
            412 => Self::PreconditionFailed,
            413 => Self::BodyTooLarge,
            415 => Self::UnsupportedMediaType,
            422 => Self::InvalidRequest,
            429 => Self::TooManyFailures,
            503 => Self::Unavailable,
            400..=499 => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

/// One field of a request that was not accepted.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Its path, such as `scopes[1]`.
    pub field: String,
    /// What is wrong: the rest of a sentence that begins with the field. Never carries the value.
    pub message: String,
}

impl FieldError {
    /// A field and what is wrong with it.
    pub fn new(field: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { field: field.into(), message: message.to_string() }
    }
}

/// A failure. `Display` shows the public text; the cause is shown by `source` only.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// Its kind.
    pub code: Code,
    /// A sentence for the caller.
    pub detail: Cow<'static, str>,
    /// The fields that are wrong.
    pub fields: Vec<FieldError>,
    /// When to try again, if that is known.
    pub retry_after: Option<Duration>,
    /// What the log is told.
    #[source]
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure with its usual sentence.
    pub const fn new(code: Code) -> Self {
        Self { code, detail: Cow::Borrowed(code.detail()), fields: Vec::new(), retry_after: None, cause: None }
    }

    /// A failure with a sentence of its own.
    pub fn with_detail(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: detail.into(), ..Self::new(code) }
    }

    /// There is no object of this kind with the id that was given, or the caller may not know of it.
    pub fn not_found(kind: &str) -> Self {
        Self::with_detail(Code::NotFound, format!("There is no {kind} with this id."))
    }

    /// An object that a field names does not exist, or the caller may not know of it.
    pub fn not_found_in(kind: &str, field: &'static str) -> Self {
        let message = format!("names no {kind}");
        Self { fields: vec![FieldError::new(field, message)], ..Self::not_found(kind) }
    }

    /// A field must be the only one of its kind, and is not.
    pub fn taken(field: &'static str, message: &str) -> Self {
        let fields = vec![FieldError::new(field, message)];
        Self { fields, ..Self::with_detail(Code::AlreadyTaken, format!("`{field}` {message}.")) }
    }

    /// Fields that are wrong, with `code` one of `InvalidRequest`, `InvalidQuery` and `InvalidHeader`.
    pub fn fields(code: Code, fields: Vec<FieldError>) -> Self {
        let texts: Vec<_> = fields.iter().map(|error| format!("`{}` {}", error.field, error.message)).collect();
        Self { fields, ..Self::with_detail(code, format!("{}.", texts.join("; "))) }
    }

    /// A fault, with a cause for the log.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(Code::Internal) }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let code = if error.is_transient() { Code::Unavailable } else { Code::Internal };
        Self { cause: Some(error.into()), ..Self::new(code) }
    }
}

impl From<RandomError> for Error {
    fn from(error: RandomError) -> Self {
        Self::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_code_has_a_name_of_its_own() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }

    #[test]
    fn the_cause_of_a_fault_is_not_shown() {
        let error = Error::internal("the disk is full at /secret/path");
        assert!(!error.to_string().contains("disk"));
        assert!(!error.detail.contains("disk"));
    }
}
