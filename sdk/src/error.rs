//! What can go wrong with a call, and what each case tells: the person by its sentence, the program by its fields.
//!
//! No error carries a credential. What the server says is shown, but only from a problem document, shortened, without
//! control characters, and with the caller's own credential replaced by its mask should an answer repeat it.

use crate::ApiKeyError;
use std::fmt;
use std::time::Duration;

/// A call that failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with an error status.
    Api(Box<ApiError>),
    /// The edit was for a [version](crate::Version) that the object no longer has: somebody changed it since it was read, and
    /// this call changed nothing. Read it again and decide anew.
    Changed(Box<ApiError>),
    /// There was no answer.
    Transport(Box<TransportError>),
    /// The server answered with success, but not with what this version knows.
    Answer(Box<AnswerError>),
}

impl Error {
    /// The error of a call's last attempt, when `uncertain` says whether an earlier one may have taken effect.
    pub(crate) fn after(mut self, uncertain: bool) -> Self {
        if let Self::Transport(error) = &mut self {
            error.may_have_taken_effect |= uncertain;
        }
        self
    }

    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api(error) | Self::Changed(error) => Some(error.status),
            Self::Answer(error) => Some(error.status),
            Self::Transport(_) => None,
        }
    }

    /// The stable code of the problem, such as `key_not_found`: what a program compares.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Api(error) | Self::Changed(error) => error.code.as_deref(),
            Self::Transport(_) | Self::Answer(_) => None,
        }
    }

    /// The request's id, by which the server's log has more.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Api(error) | Self::Changed(error) => error.request_id.as_deref(),
            Self::Answer(error) => error.request_id.as_deref(),
            Self::Transport(_) => None,
        }
    }

    /// What was wrong with which field of the request; empty if the error is not about fields.
    pub fn field_errors(&self) -> &[FieldError] {
        match self {
            Self::Api(error) | Self::Changed(error) => &error.errors,
            Self::Transport(_) | Self::Answer(_) => &[],
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error) | Self::Changed(error) => error.fmt(f),
            Self::Transport(error) => error.fmt(f),
            Self::Answer(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Api(_) | Self::Changed(_) | Self::Answer(_) => None,
            Self::Transport(error) => error.source(),
        }
    }
}

/// An answer with an error status: the problem document of RFC 9457, as far as there was one.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The stable code; `None` when something other than Keyplane answered, such as a proxy in between.
    pub code: Option<String>,
    /// The kind of problem, in a few words.
    pub title: Option<String>,
    /// What happened this time and what to do.
    pub detail: Option<String>,
    /// The request's id, by which the server's log has more.
    pub request_id: Option<String>,
    /// What was wrong with which field of the request.
    pub errors: Vec<FieldError>,
    /// How long the server asked to wait before the next try.
    pub retry_after: Option<Duration>,
}

/// One field of a request that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FieldError {
    /// The field's name, with dots into nested ones: `prefixes.live`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.code {
            Some(code) => write!(f, "Keyplane answered {} {code}", self.status)?,
            None => write!(f, "the server answered {}", self.status)?,
        }
        match (self.detail.as_deref().or(self.title.as_deref()), self.status) {
            (Some(text), _) => write!(f, ": {text}")?,
            (None, 300..=399) => f.write_str(
                ", a redirect; it was not followed, so that the credential goes nowhere else. Check the base URL",
            )?,
            (None, _) => f.write_str(
                " without saying why: something between here and Keyplane may have answered. Check the base URL",
            )?,
        }
        // The detail mostly says it already.
        let unsaid = |error: &&FieldError| !self.detail.as_ref().is_some_and(|text| text.contains(&error.message));
        for FieldError { field, message } in self.errors.iter().filter(unsaid) {
            write!(f, " [{field}: {message}]")?;
        }
        if let Some(wait) = self.retry_after {
            write!(f, " (try again in {} s)", wait.as_secs())?;
        }
        self.request_id.as_ref().map_or(Ok(()), |id| write!(f, " (request {id})"))
    }
}

impl std::error::Error for ApiError {}

/// A call without an answer.
#[derive(Debug)]
#[non_exhaustive]
pub struct TransportError {
    /// How far the call came.
    pub kind: TransportErrorKind,
    /// Whether the call would change something and one of its attempts may have reached the server, so that it is not known
    /// whether it did.
    pub may_have_taken_effect: bool,
    /// Scheme, host and port that were called.
    pub(crate) server: String,
    pub(crate) cause: Option<reqwest::Error>,
}

/// How far a call without an answer came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// No connection was made; nothing was sent.
    Connect,
    /// No whole answer within the time-out.
    Timeout,
    /// The connection failed while the call was under way.
    Interrupted,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = &self.server;
        match self.kind {
            TransportErrorKind::Connect => write!(f, "there is no connection to Keyplane at {server}")?,
            TransportErrorKind::Timeout => write!(f, "Keyplane at {server} did not answer in time")?,
            TransportErrorKind::Interrupted => write!(f, "the connection to Keyplane at {server} failed")?,
        }
        // The innermost cause is the operating system's own word, such as "Connection refused".
        if self.kind != TransportErrorKind::Timeout
            && let Some(cause) = &self.cause
        {
            write!(f, ": {}", innermost(cause))?;
        }
        if self.may_have_taken_effect {
            f.write_str("; it is not known whether the call took effect, so look before calling again")?;
        }
        Ok(())
    }
}

fn innermost<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    error.source().map_or(error, innermost)
}

impl std::error::Error for TransportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

/// An answer with a success status whose body this version cannot read. The body is not repeated: it may hold a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct AnswerError {
    /// The HTTP status.
    pub status: u16,
    /// The request's id, by which the server's log has more.
    pub request_id: Option<String>,
    /// What is wrong with the body.
    pub kind: AnswerErrorKind,
    /// Whether the call changed something, as its status says.
    pub took_effect: bool,
}

/// What is wrong with the body of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AnswerErrorKind {
    /// No JSON, or JSON of another shape.
    Shape {
        /// Where reading stopped; counted from 1.
        line: usize,
        /// Where reading stopped; counted in bytes from 1.
        column: usize,
    },
    /// Longer than any answer of Keyplane.
    TooLong,
    /// The next page of a list has the cursor of the page before.
    CursorStandsStill,
    /// The answer to a call that waits for proxies has no receipt: the server does not know waiting yet.
    NoReceipt,
    /// The answer to a call that reads an object with its version has none: something in between takes the header `ETag` out.
    NoVersion,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}, but ", self.status)?;
        match self.kind {
            AnswerErrorKind::Shape { line, column } => {
                write!(f, "its body is not what this version of keyplane-sdk expects (line {line}, column {column})")?;
            }
            AnswerErrorKind::TooLong => f.write_str("its body is longer than any answer of Keyplane")?,
            AnswerErrorKind::CursorStandsStill => f.write_str("its list does not move on to the next page")?,
            AnswerErrorKind::NoReceipt => f.write_str("without the receipt that it was asked for")?,
            AnswerErrorKind::NoVersion => f.write_str("without the version of the object, the header ETag")?,
        }
        f.write_str(". Check that the base URL is Keyplane's management listener, and the versions of both sides")?;
        if self.took_effect {
            f.write_str("; the call did take effect")?;
        }
        self.request_id.as_ref().map_or(Ok(()), |id| write!(f, " (request {id})"))
    }
}

impl std::error::Error for AnswerError {}

/// Why no [`Client`](crate::Client) could be made.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// No base URL was given.
    NoBaseUrl,
    /// The environment variable of this name, which holds the base URL, is not set or no text.
    NoVariable(&'static str),
    /// The base URL cannot be used; the text says why and does not repeat it.
    BaseUrl(String),
    /// No credential was given.
    NoCredential,
    /// The credential cannot be used.
    Credential(ApiKeyError),
    /// The token cannot be used; the text says why and does not repeat it.
    Token(&'static str),
    /// The certificates cannot be used; the text says which and why.
    Tls(String),
    /// The HTTP client could not be set up, for want of certificates for instance.
    Http(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBaseUrl => f.write_str("the client has no base URL: give one, such as http://127.0.0.1:8080"),
            Self::NoVariable(name) => write!(
                f,
                "the environment variable {name} is not set: it holds the base URL, such as http://127.0.0.1:8080"
            ),
            Self::BaseUrl(why) => write!(f, "the base URL cannot be used: {why}"),
            Self::NoCredential => f.write_str("the client has no credential: give it an admin key"),
            Self::Credential(error) => error.fmt(f),
            Self::Token(why) => write!(f, "the token cannot be used: {why}"),
            Self::Tls(why) => f.write_str(why),
            Self::Http(error) => write!(f, "the HTTP client could not be set up: {}", innermost(error.as_ref())),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Http(error) => Some(error.as_ref()),
            _ => None,
        }
    }
}

impl From<ApiKeyError> for BuildError {
    fn from(error: ApiKeyError) -> Self {
        Self::Credential(error)
    }
}
