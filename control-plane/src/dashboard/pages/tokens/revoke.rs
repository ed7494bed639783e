//! `/accounts/{account}/tokens/{token}/revoke`: asks once more, naming the token; then revokes it and tells which proxies refuse it.

use super::receipt::told;
use super::{PAGE, WRITE, named, path};
use crate::dashboard::answer::Answer;
use crate::dashboard::components::{Field, time};
use crate::dashboard::forms::Question;
use crate::dashboard::gate::Form;
use crate::dashboard::receipt::FIRST_WAIT;
use crate::dashboard::view::View;
use crate::domain::actor::Actor;
use crate::domain::key::{Key, KeyKind, RevokeReason};
use crate::domain::version::Expected;
use crate::service::App;
use crate::service::receipt::receipt;
use crate::service::revoke_key::revoke_key;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::html;

/// Asks.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    let token = named(&app, &view).await?;
    Ok(confirm(&view, &token, "", None))
}

/// Revokes.
pub async fn revoke(State(app): State<App>, view: View, sent: Form) -> Answer {
    let token = named(&app, &view).await?;
    let reason = match sent.text("reason") {
        "" => None,
        text => match RevokeReason::parse(text) {
            Ok(reason) => Some(reason),
            Err(error) => return Ok(confirm(&view, &token, text, Some(&format!("The reason {error}.")))),
        },
    };
    let changed = revoke_key(&app, view.origin(), KeyKind::PersonalToken, token.id, &Expected::Any, reason).await?;
    let receipt = receipt(&app, view.origin(), changed.revision, FIRST_WAIT).await;
    Ok(view.page(PAGE, "Token revoked", &told(&view, &changed.key, &receipt, true)))
}

/// Whether who looks is signed in by this token.
pub fn is_behind(view: &View, token: &Key) -> bool {
    matches!(view.origin().actor, Actor::User { token: Some(id), .. } if id == token.id)
}

fn confirm(view: &View, token: &Key, reason: &str, error: Option<&str>) -> Response {
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let field = Field {
        name: "reason",
        label: "Why, if you like to say",
        hint: "Kept with the token and in the audit log.",
        error,
    };
    let says = html! {
        p { code { (token.mask) } }
        p {
            "Every proxy refuses it within moments, and so does this control plane. "
            @match token.last_used_at {
                Some(at) => { "It was used " (time(at, view.now)) "." }
                None => { "It was never used." }
            }
        }
        @if is_behind(view, token) { p { strong { "You are signed in with this token: you will be signed out at once." } } }
        p { strong { "This cannot be undone." } }
    };
    let (back, action) = (view.path("/tokens"), path(view, token, "/revoke"));
    let question = Question {
        back: (&back, "Personal tokens"),
        asks: html! { "Revoke " q { (token.name) } "?" },
        says,
        fields: field.text(reason, false),
        action: &action,
        button: "Revoke token",
        busy: "Revoking",
        keep: "Keep it",
    };
    question.page(view, PAGE, status, "Revoke a token")
}
