//! `/sign-in/with/{provider}` and `/sign-in/callback`: signing in with another login, by `OpenID` Connect.
//!
//! On the way there and back the browser holds a cookie: a random secret, when the way began, to which provider it leads, and where to go afterwards. State,
//! nonce and PKCE verifier are made of the whole of it (see [`Login`]), so a cookie that was changed, or is of another browser, brings nobody in. It is
//! taken from the browser when they come back, however that ends.

use super::super::answer::{Answer, see_other};
use super::super::cookie::{self, LOGIN};
use super::super::link;
use super::sign_in::{Wrong, again, visitor};
use crate::domain::secret::Secret;
use crate::domain::time::Time;
use crate::error::{Code, Error};
use crate::http::auth::{source, throttled};
use crate::jwt::{JwtError, Login, Provider, Returned, SignInError};
use crate::service::App;
use crate::service::sign_in::sign_in_by_login;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::response::Response;
use keyplane_contract::key::Prefix;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// What the secret in the cookie begins with.
const PREFIX: &str = "kp_login";
/// How long somebody may take at the provider.
const LIMIT: Duration = Duration::from_mins(10);
/// The longest path that somebody is led to afterwards, as it stands in the cookie.
const MAX_NEXT: usize = 1_500;
/// The longest code that is taken.
const MAX_CODE: usize = 4_096;

/// The parameters of an address.
type Asked = Query<HashMap<String, String>>;

/// Leads to the provider.
pub async fn begin(State(app): State<App>, Path(number): Path<usize>, Query(query): Asked, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let next = link::local(query.get("next").map(String::as_str).unwrap_or_default());
    let provider = app.jwt.providers().get(number);
    let provider = provider.ok_or_else(|| Error::with_detail(Code::NotFound, "There is no such way to sign in."))?;
    // They come back to one address only, and the cookie must be there.
    let dashboard = provider.dashboard();
    let host = dashboard.split_once("://").map(|(_, host)| host);
    if cookie::host(&parts.headers, &parts.uri) != host {
        let detail = format!("{} leads back to {dashboard} only. Open the dashboard there.", provider.label());
        return Ok(again(&app, next, Wrong::Way(&Error::with_detail(Code::BadRequest, detail))));
    }
    let secret =
        Secret::generate(&Prefix::parse(PREFIX).map_err(Error::internal)?, &*app.random).map_err(Error::from)?;
    let encoded = link::encode(next);
    let encoded = if encoded.len() > MAX_NEXT { "%2F" } else { &encoded };
    let held = Secret::new(format!("{}.{}.{number}.{encoded}", secret.expose(), app.now().millis()));
    match provider.way(&Login::of(held.expose(), provider.issuer()), app.now()).await {
        Ok(way) => {
            let mut response = see_other(&way);
            if let Some(value) = LOGIN.set(&parts, held.expose()) {
                response.headers_mut().insert(SET_COOKIE, value);
            }
            Ok(response)
        }
        Err(error) => Ok(again(&app, next, Wrong::Way(&told(provider, &error)))),
    }
}

/// Takes somebody back from the provider.
pub async fn end(State(app): State<App>, Query(query): Asked, request: Request) -> Answer {
    let source = source(&request);
    let (parts, _) = request.into_parts();
    let held = LOGIN.read(&parts);
    let way = held.as_ref().and_then(|held| Way::read(held.expose()));
    let next = way.as_ref().map_or("/", |way| link::local(&way.next)).to_owned();
    let mut response = match take_back(&app, &parts, source, &query, held.as_ref(), way.as_ref()).await {
        Ok(session) => {
            let mut response = see_other(&next);
            if let Some(value) = cookie::set(&parts, &session) {
                response.headers_mut().append(SET_COOKIE, value);
            }
            response
        }
        Err(error) => refused(&app, &next, source, error),
    };
    if let Some(value) = LOGIN.clear(&parts) {
        response.headers_mut().append(SET_COOKIE, value);
    }
    Ok(response)
}

/// What the cookie says, beside its secret.
struct Way {
    began: Time,
    provider: usize,
    next: String,
}

impl Way {
    fn read(held: &str) -> Option<Self> {
        let mut parts = held.splitn(4, '.').skip(1);
        let (began, provider, next) = (parts.next()?, parts.next()?, parts.next()?);
        let next = link::decode(next)?;
        Some(Self { began: Time::from_millis(began.parse().ok()?), provider: provider.parse().ok()?, next })
    }
}

/// Checks what somebody brings back; gives their new session.
async fn take_back(
    app: &App,
    parts: &Parts,
    source: Option<IpAddr>,
    query: &HashMap<String, String>,
    held: Option<&Secret>,
    way: Option<&Way>,
) -> Result<Secret, Error> {
    let asked = |name: &str| query.get(name).map(String::as_str);
    let (now, stale) = (app.now(), || {
        let detail = "This sign-in was begun in another browser or twice at once, or it took longer than ten minutes. Begin again.";
        Error::with_detail(Code::BadRequest, detail)
    });
    let (Some(held), Some(way)) = (held, way) else { return Err(stale()) };
    let provider = app.jwt.providers().get(way.provider).ok_or_else(stale)?;
    let login = Login::of(held.expose(), provider.issuer());
    // Nothing else of the address is looked at before: anybody can make one.
    if !asked("state").is_some_and(|state| login.is_state(state)) || now.since(way.began) >= LIMIT {
        return Err(stale());
    }
    if let Some(error) = asked("error") {
        return Err(declined(provider, error));
    }
    let code = asked("code").filter(|code| !code.is_empty() && code.len() <= MAX_CODE).ok_or_else(stale)?;
    let returned = Returned { code, issuer: asked("iss") };
    let token = app.jwt.redeem(provider, returned, &login, now).await.map_err(|error| told(provider, &error))?;
    let before = cookie::read(parts);
    sign_in_by_login(app, &token, visitor(parts, source, before.as_ref())).await
}

/// The way back to the page to sign in on, with what went wrong.
fn refused(app: &App, next: &str, source: Option<IpAddr>, error: Error) -> Response {
    let error = throttled(app, source, error);
    if let Some(cause) = &error.cause {
        tracing::warn!(%cause, code = error.code.name(), "a sign-in with another login failed");
    }
    let error = match error.code {
        Code::UserUnknown => {
            let said = error.detail == Code::UserUnknown.detail();
            let detail =
                "Your login is valid, but it names no user of an account here. Ask who manages the account to add you.";
            if said { Error::with_detail(Code::UserUnknown, detail) } else { error }
        }
        _ => error,
    };
    again(app, next, Wrong::Way(&error))
}

/// What a provider says instead of a code (RFC 6749, section 4.1.2.1; `OpenID` Connect Core 1.0, section 3.1.2.6). Only words that are known
/// here mean something; none is repeated.
fn declined(provider: &Provider, error: &str) -> Error {
    let label = provider.label();
    let (code, detail) = match error {
        "access_denied"
        | "login_required"
        | "interaction_required"
        | "consent_required"
        | "account_selection_required" => {
            (Code::Forbidden, format!("{label} did not let you in, or you did not agree there. Nothing was done."))
        }
        "server_error" | "temporarily_unavailable" => {
            (Code::Unavailable, format!("{label} cannot sign you in now. Try again soon, or sign in another way."))
        }
        _ => return misfit(provider),
    };
    tracing::info!(issuer = provider.issuer(), code = code.name(), "the provider let somebody not in");
    Error::with_detail(code, detail)
}

/// What somebody is told; the log is told why.
fn told(provider: &Provider, error: &SignInError) -> Error {
    let label = provider.label();
    tracing::warn!(issuer = provider.issuer(), %error, "a sign-in with another login failed");
    match error {
        SignInError::Unreachable(_) | SignInError::Resting | SignInError::Token(JwtError::KeysUnavailable) => {
            let detail = format!("{label} cannot be reached from here now. Try again soon, or sign in another way.");
            Error { retry_after: Some(Duration::from_secs(5)), ..Error::with_detail(Code::Unavailable, detail) }
        }
        SignInError::Unfit(_) => misfit(provider),
        SignInError::CodeRefused | SignInError::OtherIssuer | SignInError::Token(_) => {
            let detail =
                format!("What came back from {label} is not valid: it may have been used already. Begin again.");
            Error::with_detail(Code::CredentialInvalid, detail)
        }
    }
}

/// The operator has to look at the settings.
fn misfit(provider: &Provider) -> Error {
    let detail = format!(
        "{} and this dashboard do not understand each other: their settings differ. Who runs the control plane finds more in its log. Sign in another way until then.",
        provider.label()
    );
    Error::with_detail(Code::Internal, detail)
}
