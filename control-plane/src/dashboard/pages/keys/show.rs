//! `/accounts/{account}/keys/{key}`: all that is known of a key, what can be done with it, and who still uses the one that it replaces.

use super::super::super::answer::Answer;
use super::super::super::components::{environment, status, time};
use super::super::super::receipt::{is_complete, standing};
use super::super::super::view::View;
use super::edit::EDITED;
use super::list::{expires, last_used};
use super::receipt::{CHANGED, again};
use super::sources::{of_old_key, span};
use super::switch::{DISABLED, ENABLED};
use super::{PAGE, WRITE, name, named, path};
use crate::domain::key::{Key, Status};
use crate::domain::rights::{Resource, Right};
use crate::error::Code;
use crate::http::problem::Problem;
use crate::service::key_chain::{KeyChain, key_chain};
use crate::service::receipt::receipt;
use crate::service::{App, read};
use axum::extract::State;
use maud::{Markup, html};
use std::time::Duration;

/// How long the page that comes after a change waits for proxies that lag.
const WAIT: Duration = Duration::from_secs(2);

/// Shows the key.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let key = named(&app, &view).await?;
    let project = project_name(&app, &view, &key).await?;
    let chain = key_chain(&app, view.origin(), key.id).await?;
    let old = if key.replaced_by.is_some() { Some(&key) } else { chain.before.as_ref() };
    let sources = if let Some(old) = old {
        of_old_key(&app, &view, old).await?
    } else {
        html! {}
    };
    let content = html! {
        p.back { a href=(view.path("/keys")) { "API keys" } }
        div.title {
            h1 { (name(&view, &key)) }
            (actions(&view, &key))
        }
        (done(&app, &view, &key).await)
        (facts(&view, &key, project.as_deref(), &chain))
        (sources)
    };
    Ok(view.page(PAGE, key.name.as_str(), &content))
}

/// What can be done with the key.
fn actions(view: &View, key: &Key) -> Markup {
    let (path, state) = (path(view, key), key.status(view.now));
    html! {
        div.buttons {
            @if view.may(Right::read(Resource::Usage)) {
                a.button href={ (view.path("/usage")) "?key=" (key.id) } { "Usage" }
            }
            @if view.may(WRITE) && state != Status::Revoked {
                @if state == Status::Active { a.button href={ (path) "/rotate" } { "Rotate" } }
                a.button href={ (path) "/edit" } { "Edit" }
                @match state {
                    Status::Active => (switch(view, key, "disable", "Disable")),
                    Status::Disabled => (switch(view, key, "enable", "Enable")),
                    Status::Expired | Status::Revoked => {}
                }
                a.button.danger href={ (path) "/revoke" } data-dialog { "Revoke" }
            }
        }
    }
}

fn switch(view: &View, key: &Key, way: &str, label: &str) -> Markup {
    html! {
        form method="post" action={ (path(view, key)) "/" (way) } {
            (view.token())
            button type="submit" { (label) }
        }
    }
}

/// What was just done, who has it by now, and the way back.
async fn done(app: &App, view: &View, key: &Key) -> Markup {
    let (text, undo) = match view.asked("done") {
        DISABLED if key.status(view.now) == Status::Disabled => {
            ("The key is switched off: proxies refuse it until it is switched on again.", true)
        }
        ENABLED => ("The key is switched on.", false),
        EDITED => ("The change is saved.", false),
        _ => return html! {},
    };
    let receipt = match view.asked("revision").parse() {
        Ok(revision) => Some(receipt(app, view.origin(), revision, WAIT).await),
        Err(_) => None,
    };
    html! {
        div.flash role="status" {
            p { (text) }
            @if undo && view.may(WRITE) { (switch(view, key, "enable", "Undo")) }
        }
        @if let Some(receipt) = receipt {
            (standing(&receipt, CHANGED, false))
            @if !is_complete(&receipt) { p { a.button href=(again(view, key, &receipt)) data-dialog { "Look again" } } }
        }
    }
}

fn facts(view: &View, key: &Key, project: Option<&str>, chain: &KeyChain) -> Markup {
    let now = view.now;
    html! {
        dl.facts {
            div { dt { "Key" } dd { code { (key.mask) } span.quiet { "Only its digest is stored: the whole key was shown once." } } }
            div { dt { "Status" } dd { (status(key.status(now)))
                @if let Some(at) = key.revoked_at() { span.quiet { (time(at, now)) } }
                @if let Some(reason) = &key.revoke_reason { span { (reason.as_str()) } }
            } }
            div { dt { "Environment" } dd { (environment(key.environment)) } }
            @if let Some(project) = project { div { dt { "Project" } dd { (project) } } }
            div { dt { "Scopes" } dd {
                @if key.scopes.is_empty() { span.quiet { "None" } }
                @for scope in key.scopes.as_slice() { code.scope { (scope) } " " }
            } }
            div { dt { "Allowed networks" } dd {
                @if key.networks.is_empty() { span.quiet { "Everywhere" } } @else { (key.networks) }
            } }
            div { dt { "Created" } dd { (time(key.created_at, now)) } }
            div { dt { "Last used" } dd { (last_used(key, now)) } }
            div { dt { "Expires" } dd { (expires(key, now))
                @if let Some(idle) = key.idle_limit { span.quiet { "Revoked by itself once no proxy has seen it for " (span(idle)) } }
            } }
            @if let Some(before) = &chain.before { div { dt { "Replaces" } dd { (neighbour(view, before)) } } }
            @if let Some(after) = &chain.after { div { dt { "Replaced by" } dd { (neighbour(view, after)) } } }
            div { dt { "Id" } dd { code { (key.id) } } }
        }
    }
}

/// The key before or after this one.
fn neighbour(view: &View, key: &Key) -> Markup {
    html! {
        a href=(path(view, key)) { (key.name) }
        code { (key.mask) }
        (status(key.status(view.now)))
        span.quiet { "created " (time(key.created_at, view.now)) }
    }
}

/// What the key's project is called, for who may know.
async fn project_name(app: &App, view: &View, key: &Key) -> Result<Option<String>, Problem> {
    let (Some(id), true) = (key.owner.project(), view.may(Right::read(Resource::Projects))) else { return Ok(None) };
    match read::project(app, view.origin(), id).await {
        Ok(project) => Ok(Some(project.name.to_string())),
        Err(error) if error.code == Code::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
