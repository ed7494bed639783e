//! `/sign-in` and `/sign-out`.

use super::super::answer::{Answer, page, see_other};
use super::super::components::Field;
use super::super::gate::Form;
use super::super::{cookie, csrf, link};
use crate::domain::secret::Secret;
use crate::error::{Code, Error};
use crate::http::auth::{source, throttled};
use crate::service::sign_in::Visitor;
use crate::service::{App, sessions, sign_in as door};
use axum::extract::{Query, Request, State};
use axum::http::header::{RETRY_AFTER, SET_COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use std::collections::HashMap;
use std::net::IpAddr;

/// What went wrong.
#[derive(Clone, Copy)]
pub enum Wrong<'a> {
    /// With what was typed.
    Credential(&'a Error),
    /// With another way in.
    Way(&'a Error),
}

/// `GET /sign-in`
pub async fn show(State(app): State<App>, Query(query): Query<HashMap<String, String>>) -> Response {
    let next = query.get("next").map(String::as_str).unwrap_or_default();
    page(StatusCode::OK, "Sign in", &form(&app, link::local(next), query.contains_key("out"), None))
}

/// The page once more, with what went wrong and every way in.
pub fn again(app: &App, next: &str, wrong: Wrong<'_>) -> Response {
    let (Wrong::Credential(error) | Wrong::Way(error)) = wrong;
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::UNAUTHORIZED);
    let mut response = page(status, "Sign in", &form(app, next, false, Some(wrong)));
    if let Some(wait) = error.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    }
    response
}

/// A browser at the door.
pub fn visitor<'a>(parts: &'a Parts, source: Option<IpAddr>, held: Option<&'a Secret>) -> Visitor<'a> {
    let agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Visitor { source, request: parts.extensions.get().copied(), agent, held }
}

/// `POST /sign-in`
pub async fn sign_in(State(app): State<App>, request: Request) -> Answer {
    let source = source(&request);
    let (parts, body) = request.into_parts();
    csrf::check_origin(&parts)?;
    let form = Form::read(&parts, body).await?;
    let next = link::local(form.text("next")).to_owned();
    let credential = Secret::new(form.text("credential").to_owned());
    let held = cookie::read(&parts);
    let signed_in = match credential.expose() {
        "" => Err(Error::with_detail(Code::CredentialMissing, "Paste your key or token first.")),
        text if text.len() > 512 => Err(Error::new(Code::CredentialInvalid)),
        _ => {
            let visitor = visitor(&parts, source, held.as_ref());
            door::sign_in(&app, &credential, visitor).await
        }
    };
    match signed_in.map_err(|error| throttled(&app, source, error)) {
        Ok(session) => {
            let mut response = see_other(&next);
            if let Some(value) = cookie::set(&parts, &session) {
                response.headers_mut().insert(SET_COOKIE, value);
            }
            Ok(response)
        }
        Err(error) if error.code.status() >= 500 => Err(error.into()),
        Err(error) => Ok(again(&app, &next, Wrong::Credential(&error))),
    }
}

/// `POST /sign-out`: this session, or all of who is signed in. One that is over already is no error.
pub async fn sign_out(State(app): State<App>, request: Request) -> Answer {
    let source = source(&request);
    let (parts, body) = request.into_parts();
    csrf::check_origin(&parts)?;
    let form = Form::read(&parts, body).await?;
    if let Some(held) = cookie::read(&parts) {
        csrf::check_token(&held, form.get(csrf::FIELD))?;
        let everywhere = form.text("everywhere") == "yes";
        sessions::sign_out(&app, &held, everywhere, parts.extensions.get().copied(), source).await?;
    }
    let mut response = see_other("/sign-in?out=yes");
    if let Some(value) = cookie::clear(&parts) {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    Ok(response)
}

fn form(app: &App, next: &str, is_out: bool, wrong: Option<Wrong<'_>>) -> Markup {
    let providers = app.jwt.providers();
    let (error, problem) = match wrong {
        Some(Wrong::Credential(error)) => (Some(error.detail.as_ref()), None),
        Some(Wrong::Way(error)) => (None, Some(error.detail.as_ref())),
        None => (None, None),
    };
    let field = Field {
        name: "credential",
        label: "Admin key or personal access token",
        hint: "It is checked and not kept: your browser gets a session instead.",
        error,
    };
    html! {
        body.plain {
            main #main {
                p.brand { span.mark aria-hidden="true" {} "Keyplane" }
                h1 { "Sign in" }
                @if is_out { p.flash role="status" { "You are signed out." } }
                @if let Some(problem) = problem { p.problem role="alert" { (problem) } }
                @if !providers.is_empty() {
                    // Links, not forms: the policy lets a form lead nowhere else, even by a redirect.
                    div.ways {
                        @for (number, provider) in providers.iter().enumerate() {
                            a.button.primary href=(link::with_query(&format!("/sign-in/with/{number}"), [("next", next.to_owned())])) {
                                "Sign in with " (provider.label())
                            }
                        }
                        p.or { "or" }
                    }
                }
                form method="post" action="/sign-in" {
                    input type="hidden" name="next" value=(next);
                    (field.around(&html! {
                        input type="password" id=(field.name) name=(field.name) required autofocus[providers.is_empty()] autocomplete="current-password"
                            spellcheck="false" aria-describedby=[field.described_by()] aria-invalid=[error.map(|_| "true")];
                    }))
                    button.primary[providers.is_empty()] type="submit" { "Sign in" @if !providers.is_empty() { " with a key or token" } }
                }
                details {
                    summary { "Where do I get one?" }
                    p { "The operator's first admin key is printed once by " code { "keyplane init" } ", and is in the environment as "
                        code { "KEYPLANE_ADMIN_KEY" } " where that was set." }
                    p { "Members of an account use a personal access token: who manages the account makes one with "
                        code { "keyplane tokens create" } "." }
                }
            }
        }
    }
}
