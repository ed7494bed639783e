//! Credentials of a request, and who presents them.
//!
//! Every route under `/v1` and `/sync` is behind one of the two layers here: a handler that forgets to ask who calls is
//! still not open. Handlers take [`Authenticated`].

use super::problem::Problem;
use crate::domain::actor::Actor;
use crate::domain::audit::Origin;
use crate::domain::id::RequestId;
use crate::domain::secret::Secret;
use crate::error::{Code, Error};
use crate::jwt::MAX_TOKEN_LEN;
use crate::service::App;
use crate::service::authenticate;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::net::{IpAddr, SocketAddr};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const SCHEME: &str = "bearer";

/// Who calls, and from where. Only behind [`require_caller`].
#[derive(Clone, Copy, Debug)]
pub struct Authenticated {
    actor: Actor,
    request: Option<RequestId>,
    source: Option<IpAddr>,
}

impl Authenticated {
    /// Who calls and from where: what operations ask for rights, and the audit log for names.
    pub fn origin(&self) -> Origin {
        Origin { actor: self.actor, request: self.request, source: self.source }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let found = parts.extensions.get::<Self>().copied();
        found.ok_or_else(|| Error::internal("a route is not behind the authentication layer").into())
    }
}

/// Lets callers of the management API in.
pub async fn require_caller(State(app): State<App>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let source = source(&request);
    let credential = presented(request.headers());
    mark_sensitive(request.headers_mut());
    let caller = async { authenticate::caller(&app, &credential?, source).await };
    let actor = caller.await.map_err(|error| throttled(&app, source, error))?;
    let request_id = request.extensions().get::<RequestId>().copied();
    let authenticated = Authenticated { actor, request: request_id, source };
    request.extensions_mut().insert(authenticated);
    Ok(next.run(request).await)
}

/// Lets proxies in.
pub async fn require_proxy(State(app): State<App>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let source = source(&request);
    let credential = credential(request.headers(), &[AUTHORIZATION]);
    mark_sensitive(request.headers_mut());
    let revocations = app.workers.revocations();
    let proxy = async { authenticate::proxy(&app, &credential?).await };
    let token = proxy.await.map_err(|error| throttled(&app, source, error))?;
    tokio::select! {
        response = next.run(request) => Ok(response),
        error = authenticate::proxy_token_revoked(&app, token, revocations) => Err(error.into()),
    }
}

/// The address that a request comes from.
pub fn source(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical())
}

/// Counts a credential that was not accepted against its source; after too many the answer says to wait.
pub fn throttled(app: &App, source: Option<IpAddr>, error: Error) -> Error {
    match (error.code, source) {
        (Code::CredentialInvalid, Some(source)) => match app.throttle.fail(source, app.now()) {
            Ok(()) => error,
            Err(wait) => Error { retry_after: Some(wait), ..Error::new(Code::TooManyFailures) },
        },
        _ => error,
    }
}

/// What a caller of the management API presents.
pub fn presented(headers: &HeaderMap) -> Result<Secret, Error> {
    credential(headers, &[AUTHORIZATION, API_KEY])
}

/// The one credential in these headers. Two are refused even if they are equal, as the filter does.
fn credential(headers: &HeaderMap, places: &[HeaderName]) -> Result<Secret, Error> {
    let mut found = places.iter().flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)));
    let Some((name, value)) = found.next() else { return Err(Error::new(Code::CredentialMissing)) };
    if found.next().is_some() {
        return Err(Error::new(Code::MultipleCredentials));
    }
    let text = if *name == AUTHORIZATION { bearer(value) } else { value.to_str().ok().map(str::trim) };
    match text {
        Some(text) if !text.is_empty() && text.len() <= MAX_TOKEN_LEN => Ok(Secret::new(text.to_owned())),
        _ => Err(Error::new(Code::CredentialInvalid)),
    }
}

/// The credential of `Bearer <credential>`; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, rest) = value.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| rest.trim())
}

/// Keeps credentials out of whatever prints headers later.
fn mark_sensitive(headers: &mut HeaderMap) {
    for name in [AUTHORIZATION, API_KEY] {
        if let Some(value) = headers.get_mut(name) {
            value.set_sensitive(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(pairs: &[(&'static str, &'static str)]) -> Result<String, Code> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect::<HeaderMap>();
        credential(&headers, &[AUTHORIZATION, API_KEY])
            .map(|secret| secret.expose().to_owned())
            .map_err(|error| error.code)
    }

    #[test]
    fn exactly_one_credential_is_taken() {
        assert_eq!(code(&[("authorization", "bEaReR  abc ")]), Ok("abc".to_owned()));
        assert_eq!(code(&[("x-api-key", "abc")]), Ok("abc".to_owned()));
        assert_eq!(code(&[]), Err(Code::CredentialMissing));
        assert_eq!(code(&[("x-api-key", "a"), ("authorization", "Bearer a")]), Err(Code::MultipleCredentials));
        for bad in ["", "abc", "Basic abc", "Bearer", "Bearer  "] {
            assert_eq!(code(&[("authorization", bad)]), Err(Code::CredentialInvalid), "{bad}");
        }
    }

    #[test]
    fn a_header_that_comes_twice_is_two_credentials() {
        let mut headers = HeaderMap::new();
        headers.append(API_KEY, HeaderValue::from_static("a"));
        headers.append(API_KEY, HeaderValue::from_static("a"));
        assert_eq!(credential(&headers, &[API_KEY]).unwrap_err().code, Code::MultipleCredentials);
    }
}
