//! `/sign-in` and `/sign-out`.

use super::super::answer::{Answer, page, see_other};
use super::super::components::Field;
use super::super::gate::Form;
use super::super::{cookie, csrf, link};
use crate::domain::secret::Secret;
use crate::error::{Code, Error};
use crate::http::auth::{source, throttled};
use crate::service::{App, sessions};
use axum::extract::{Query, Request, State};
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use maud::{Markup, html};
use std::collections::HashMap;

/// `GET /sign-in`
pub async fn show(Query(query): Query<HashMap<String, String>>) -> Response {
    let next = query.get("next").map(String::as_str).unwrap_or_default();
    page(StatusCode::OK, "Sign in", &form(link::local(next), query.contains_key("out"), None))
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
        _ => sessions::sign_in(&app, &credential, source, held.as_ref()).await,
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
        Err(error) => {
            let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::UNAUTHORIZED);
            let mut response = page(status, "Sign in", &self::form(&next, false, Some(&error)));
            if let Some(wait) = error.retry_after {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
            }
            Ok(response)
        }
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
        // Ended first: who may not come in any more may still go out.
        let everywhere = form.text("everywhere") == "yes";
        let session = if everywhere { sessions::resume(&app, &held, source).await.ok().flatten() } else { None };
        match session {
            Some((session, _)) => drop(sessions::sign_out_everywhere(&app, &session).await?),
            None => sessions::sign_out(&app, &held).await?,
        }
    }
    let mut response = see_other("/sign-in?out=yes");
    if let Some(value) = cookie::clear(&parts) {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    Ok(response)
}

fn form(next: &str, is_out: bool, error: Option<&Error>) -> Markup {
    let error = error.map(|error| error.detail.as_ref());
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
                form method="post" action="/sign-in" {
                    input type="hidden" name="next" value=(next);
                    (field.around(&html! {
                        input type="password" id=(field.name) name=(field.name) required autofocus autocomplete="current-password"
                            spellcheck="false" aria-describedby=[field.described_by()] aria-invalid=[error.map(|_| "true")];
                    }))
                    button.primary type="submit" { "Sign in" }
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
