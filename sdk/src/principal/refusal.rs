//! Why a request is not served, and the answer to it.

use crate::environment::Environment;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use std::fmt;

/// Why a request is not served: an error for the program, and an answer for the caller (RFC 9457, as the filter's own).
///
/// Carries no value of a header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    reason: RefusalReason,
}

/// What is wrong; see [`Refusal`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RefusalReason {
    /// No identity: the filter lets this path pass without one, or the request did not come through it.
    Missing,
    /// An identity header stands twice.
    Repeated {
        /// Its name.
        header: HeaderName,
    },
    /// An identity header has a value that the filter never writes.
    Malformed {
        /// Its name.
        header: HeaderName,
    },
    /// An identity header is missing that the filter writes with the others.
    Incomplete {
        /// Its name.
        header: HeaderName,
    },
    /// The caller has none of these scopes.
    ScopeMissing {
        /// The scopes, one of which is needed.
        scopes: Vec<String>,
    },
    /// The caller's key is for the other environment.
    Environment {
        /// The one that is needed.
        needed: Environment,
    },
}

impl Refusal {
    /// What is wrong, for a program that treats the cases differently.
    pub const fn reason(&self) -> &RefusalReason {
        &self.reason
    }

    /// 401 without a usable identity, else 403.
    pub const fn status(&self) -> StatusCode {
        match self.reason {
            RefusalReason::ScopeMissing { .. } | RefusalReason::Environment { .. } => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The stable code in the answer: `identity_missing`, `identity_invalid`, `scope_missing` or `environment_not_allowed`.
    pub const fn code(&self) -> &'static str {
        match self.reason {
            RefusalReason::Missing => "identity_missing",
            RefusalReason::Repeated { .. } | RefusalReason::Malformed { .. } | RefusalReason::Incomplete { .. } => {
                "identity_invalid"
            }
            RefusalReason::ScopeMissing { .. } => "scope_missing",
            RefusalReason::Environment { .. } => "environment_not_allowed",
        }
    }

    /// The answer: `application/problem+json` with `type`, `title`, `status`, `detail` and `code`, and a `WWW-Authenticate`.
    pub fn into_response<B: From<String>>(self) -> Response<B> {
        let title = match self.reason {
            RefusalReason::Missing => "API key required",
            RefusalReason::ScopeMissing { .. } => "Scope missing",
            RefusalReason::Environment { .. } => "Wrong environment",
            _ => "Identity not accepted",
        };
        let problem = serde_json::json!({
            "type": format!("https://keyplane.dev/errors/{}", self.code()),
            "title": title,
            "status": self.status().as_u16(),
            "detail": self.to_string(),
            "code": self.code(),
        });
        let mut response = Response::new(B::from(problem.to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// RFC 6750, section 3.
    fn challenge(&self) -> Option<HeaderValue> {
        match &self.reason {
            RefusalReason::Environment { .. } => None,
            RefusalReason::ScopeMissing { scopes } => {
                // Between quotes; a name that would end them is left unsaid.
                let scopes = scopes.join(" ").replace(['"', '\\'], "");
                let challenge = format!(r#"Bearer realm="keyplane", error="insufficient_scope", scope="{scopes}""#);
                HeaderValue::from_str(&challenge).ok()
            }
            _ => Some(HeaderValue::from_static(r#"Bearer realm="keyplane""#)),
        }
    }

    pub(super) const fn missing() -> Self {
        Self { reason: RefusalReason::Missing }
    }

    pub(super) fn repeated(header: &HeaderName) -> Self {
        Self { reason: RefusalReason::Repeated { header: header.clone() } }
    }

    pub(super) fn malformed(header: &HeaderName) -> Self {
        Self { reason: RefusalReason::Malformed { header: header.clone() } }
    }

    pub(super) fn incomplete(header: &HeaderName) -> Self {
        Self { reason: RefusalReason::Incomplete { header: header.clone() } }
    }

    pub(super) fn scope_missing(scopes: &[String]) -> Self {
        Self { reason: RefusalReason::ScopeMissing { scopes: scopes.to_vec() } }
    }

    pub(super) const fn environment(needed: Environment) -> Self {
        Self { reason: RefusalReason::Environment { needed } }
    }
}

/// The sentence that the caller is told.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BYPASS: &str =
            "something between the proxy and this service adds headers, or the request did not come through the proxy";
        match &self.reason {
            RefusalReason::Missing => f.write_str(
                "The request has no identity: the proxy lets this path pass without a key, or the request did not come through the proxy.",
            ),
            RefusalReason::Repeated { header } => write!(f, "The header {header} stands twice: {BYPASS}."),
            RefusalReason::Malformed { header } => {
                write!(f, "The header {header} has a value that the proxy never writes: {BYPASS}.")
            }
            RefusalReason::Incomplete { header } => {
                write!(f, "The header {header} is missing beside the other identity headers: {BYPASS}.")
            }
            RefusalReason::ScopeMissing { scopes } => match scopes.as_slice() {
                [scope] => write!(f, "The key or token is valid, but it lacks the scope {scope}."),
                scopes => {
                    let scopes = scopes.join(", ");
                    write!(f, "The key or token is valid, but it needs one of these scopes: {scopes}.")
                }
            },
            RefusalReason::Environment { needed } => write!(f, "This takes {needed} keys only."),
        }
    }
}

impl std::error::Error for Refusal {}
