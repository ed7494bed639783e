//! `/accounts/{account}/keys/{key}/revoke`: asks once more, naming the key; then revokes it and tells which proxies refuse it.

use super::super::super::answer::Answer;
use super::super::super::components::{Field, environment, time};
use super::super::super::gate::Form;
use super::super::super::receipt::FIRST_WAIT;
use super::super::super::view::View;
use super::receipt::told;
use super::{PAGE, named, path};
use crate::domain::key::{Key, KeyKind, RevokeReason};
use crate::domain::time::Time;
use crate::domain::version::Expected;
use crate::service::App;
use crate::service::receipt::receipt;
use crate::service::revoke_key::revoke_key;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

/// Asks.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let key = named(&app, &view).await?;
    if let Some(at) = key.revoked_at() {
        // By somebody else, perhaps in another tab, since the page with the link was loaded.
        return Ok(view.page(PAGE, "Key revoked", &already(&view, &key, at)));
    }
    Ok(confirm(&view, &key, "", None))
}

/// Revokes.
pub async fn revoke(State(app): State<App>, view: View, sent: Form) -> Answer {
    let key = named(&app, &view).await?;
    let reason = match sent.text("reason") {
        "" => None,
        text => match RevokeReason::parse(text) {
            Ok(reason) => Some(reason),
            Err(error) => return Ok(confirm(&view, &key, text, Some(&format!("The reason {error}.")))),
        },
    };
    let changed = revoke_key(&app, view.origin(), KeyKind::Key, key.id, &Expected::Any, reason).await?;
    let receipt = receipt(&app, view.origin(), changed.revision, FIRST_WAIT).await;
    let content = told(&view, &changed.key, &receipt, true);
    Ok(view.page(PAGE, "Key revoked", &content))
}

/// There is nothing left to confirm.
fn already(view: &View, key: &Key, at: Time) -> Markup {
    html! {
        p.back { a href=(path(view, key)) { (key.name) } }
        div data-dialog-body data-changed {
            h1 #dialog-title { q { (key.name) } " is revoked already" }
            p.pair { (environment(key.environment)) code { (key.mask) } }
            p { "Somebody revoked it " (time(at, view.now)) "." @if let Some(reason) = &key.revoke_reason { " Why: " (reason.as_str()) } }
            div.buttons { a.button.primary href=(view.path("/keys")) data-close { "Done" } }
        }
    }
}

fn confirm(view: &View, key: &Key, reason: &str, error: Option<&str>) -> Response {
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    view.page_with(status, PAGE, "Revoke a key", &content(view, key, reason, error))
}

fn content(view: &View, key: &Key, reason: &str, error: Option<&str>) -> Markup {
    let field = Field {
        name: "reason",
        label: "Why, if you like to say",
        hint: "Kept with the key and in the audit log.",
        error,
    };
    html! {
        p.back { a href=(path(view, key)) { (key.name) } }
        div data-dialog-body {
            h1 #dialog-title { "Revoke " q { (key.name) } "?" }
            p.pair { (environment(key.environment)) code { (key.mask) } }
            p {
                "Every proxy refuses it within moments, and whatever still uses it stops working. "
                @match key.last_used_at {
                    Some(at) => { "It was used " (time(at, view.now)) "." }
                    None => { "It was never used." }
                }
            }
            p { strong { "This cannot be undone." } }
            form method="post" action={ (path(view, key)) "/revoke" } data-dialog-form {
                (view.token())
                (field.text(reason, false))
                div.buttons {
                    button.danger type="submit" data-busy="Revoking" { "Revoke key" }
                    a.button href=(path(view, key)) data-close { "Keep it" }
                }
            }
        }
    }
}
