//! `/accounts/{account}/keys/{key}`: all that is known of a key.

use super::super::super::answer::Answer;
use super::super::super::components::{environment, status, time};
use super::super::super::view::View;
use super::list::{expires, last_used};
use super::{PAGE, WRITE, name, named, path};
use crate::domain::key::{Key, Status};
use crate::domain::rights::{Resource, Right};
use crate::error::Code;
use crate::http::problem::Problem;
use crate::service::{App, read};
use axum::extract::State;
use maud::{Markup, html};

/// Shows the key.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let key = named(&app, &view).await?;
    let project = project_name(&app, &view, &key).await?;
    let content = html! {
        p.back { a href=(view.path("/keys")) { "API keys" } }
        div.title {
            h1 { (name(&view, &key)) }
            @if view.may(WRITE) && key.status(view.now) != Status::Revoked {
                a.button.danger href={ (path(&view, &key)) "/revoke" } data-dialog { "Revoke" }
            }
        }
        (facts(&view, &key, project.as_deref()))
    };
    Ok(view.page(PAGE, key.name.as_str(), &content))
}

fn facts(view: &View, key: &Key, project: Option<&str>) -> Markup {
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
            div { dt { "Expires" } dd { (expires(key, now)) } }
            @if let Some(next) = key.replaced_by {
                div { dt { "Replaced by" } dd { a href=(view.path(&format!("/keys/{next}"))) { "its successor" } } }
            }
            div { dt { "Id" } dd { code { (key.id) } } }
        }
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
