//! What the caller of an operation is told when it fails.
//!
//! Status, code, public text and private cause are apart: the public parts are sentences that were written for the caller,
//! the cause goes to the log only. A code never changes its meaning once released; each has a page under
//! `https://keyplane.dev/errors/`.

use crate::domain::random::RandomError;
use crate::store::StoreError;
use std::borrow::Cow;
use std::fmt;

/// The stable name of a kind of failure, with its HTTP status and its title.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Code {
    /// No credential.
    CredentialMissing,
    /// A credential that is not accepted, for whatever reason.
    CredentialInvalid,
    /// More than one credential.
    MultipleCredentials,
    /// A query parameter is wrong.
    InvalidQuery,
    /// The body is no JSON.
    MalformedJson,
    /// A usage batch cannot be read.
    InvalidBatch,
    /// A request that cannot be read at all.
    BadRequest,
    /// No such object or page.
    NotFound,
    /// The path has no such method.
    MethodNotAllowed,
    /// The body did not come in time.
    BodyTimeout,
    /// The key is revoked, which is for good.
    KeyRevoked,
    /// The key does not work now.
    KeyNotActive,
    /// Somebody edited the object meanwhile.
    PreconditionFailed,
    /// The body is too long.
    BodyTooLarge,
    /// The body is of a type that is not taken here.
    UnsupportedMediaType,
    /// Fields of the body are wrong.
    InvalidRequest,
    /// A fault of Keyplane.
    Internal,
    /// Too busy, or about to stop.
    Unavailable,
}

impl Code {
    /// Every code, for tests and documentation.
    pub const ALL: [Self; 18] = [
        Self::CredentialMissing,
        Self::CredentialInvalid,
        Self::MultipleCredentials,
        Self::InvalidQuery,
        Self::MalformedJson,
        Self::InvalidBatch,
        Self::BadRequest,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTimeout,
        Self::KeyRevoked,
        Self::KeyNotActive,
        Self::PreconditionFailed,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidRequest,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The name in problems.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CredentialMissing => "credential_missing",
            Self::CredentialInvalid => "credential_invalid",
            Self::MultipleCredentials => "multiple_credentials",
            Self::InvalidQuery => "invalid_query",
            Self::MalformedJson => "malformed_json",
            Self::InvalidBatch => "invalid_batch",
            Self::BadRequest => "bad_request",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTimeout => "body_timeout",
            Self::KeyRevoked => "key_revoked",
            Self::KeyNotActive => "key_not_active",
            Self::PreconditionFailed => "precondition_failed",
            Self::BodyTooLarge => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::InvalidRequest => "invalid_request",
            Self::Internal => "internal_error",
            Self::Unavailable => "unavailable",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::MultipleCredentials
            | Self::InvalidQuery
            | Self::MalformedJson
            | Self::InvalidBatch
            | Self::BadRequest => 400,
            Self::CredentialMissing | Self::CredentialInvalid => 401,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyTimeout => 408,
            Self::KeyRevoked | Self::KeyNotActive => 409,
            Self::PreconditionFailed => 412,
            Self::BodyTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::InvalidRequest => 422,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }

    /// The problem's title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::CredentialMissing => "Credential required",
            Self::CredentialInvalid => "Credential not accepted",
            Self::MultipleCredentials => "More than one credential",
            Self::InvalidQuery => "Query parameter not accepted",
            Self::MalformedJson => "Body is not JSON",
            Self::InvalidBatch => "Usage batch not readable",
            Self::BadRequest => "Request not readable",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::BodyTimeout => "Body too slow",
            Self::KeyRevoked => "Key is revoked",
            Self::KeyNotActive => "Key does not work now",
            Self::PreconditionFailed => "Edited meanwhile",
            Self::BodyTooLarge => "Body too large",
            Self::UnsupportedMediaType => "Media type not accepted",
            Self::InvalidRequest => "Fields not accepted",
            Self::Internal => "Internal error",
            Self::Unavailable => "Unavailable",
        }
    }

    /// The code that stands for a bare HTTP status.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::CredentialInvalid,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 => Self::BodyTimeout,
            412 => Self::PreconditionFailed,
            413 => Self::BodyTooLarge,
            415 => Self::UnsupportedMediaType,
            422 => Self::InvalidRequest,
            503 => Self::Unavailable,
            400..=499 => Self::BadRequest,
            _ => Self::Internal,
        }
    }

    /// The problem's detail when there is nothing more to say.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::CredentialMissing => {
                "Send your credential in the Authorization header as: Bearer <key>, or in the X-API-Key header."
            }
            Self::CredentialInvalid => "The credential is not valid. Check that it was copied whole.",
            Self::MultipleCredentials => "The request carries more than one credential. Send exactly one.",
            Self::InvalidQuery => "A query parameter is wrong.",
            Self::MalformedJson => "The body is not JSON.",
            Self::InvalidBatch => "The usage batch cannot be read.",
            Self::BadRequest => "The request cannot be read.",
            Self::NotFound => "There is nothing here.",
            Self::MethodNotAllowed => "This path does not take this method; the Allow header lists those it takes.",
            Self::BodyTimeout => "The body did not come in time. Nothing was changed; send the request again.",
            Self::KeyRevoked => "The key is revoked, which is for good: only its name can be changed. Make a new key.",
            Self::KeyNotActive => {
                "The key is disabled, expired or revoked, so nobody uses it and there is nothing to hand over. Make a new key."
            }
            Self::PreconditionFailed => {
                "Somebody edited it since you looked. Read it again, then send your change with the new ETag in If-Match."
            }
            Self::BodyTooLarge => "The body is longer than this path takes.",
            Self::UnsupportedMediaType => "Send the body as JSON, with the header Content-Type: application/json.",
            Self::InvalidRequest => "Fields of the body are wrong.",
            Self::Internal => {
                "Something went wrong on Keyplane's side. Nothing was changed unless a later look shows otherwise. \
                 The request id leads to the cause in the log."
            }
            Self::Unavailable => "Keyplane cannot take the request now. Try again in a moment.",
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
    /// What the log is told.
    #[source]
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure with its usual sentence.
    pub const fn new(code: Code) -> Self {
        Self { code, detail: Cow::Borrowed(code.detail()), fields: Vec::new(), cause: None }
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

    /// Fields that are wrong, with `code` one of `InvalidRequest` and `InvalidQuery`.
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
