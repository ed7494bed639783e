//! `/accounts/{account}/projects/{project}`: all that is known of a project.

use super::cap::{advice, is_full, shown, used};
use super::{PAGE, WRITE, named, path};
use crate::dashboard::answer::Answer;
use crate::dashboard::components::{environment, time};
use crate::dashboard::view::View;
use crate::domain::rights::{Resource, Right};
use crate::service::App;
use axum::extract::State;
use keyplane_contract::sync::Environment;
use maud::html;

/// Shows the project.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let project = named(&app, &view).await?;
    let used = used(&app, &view, std::slice::from_ref(&project)).await?.get(&project.no).copied();
    let cap = app.plans.cap(&view.account()?.plan);
    let full = used.is_some_and(|used| is_full(used, cap));
    let of_project = |rest: &str| view.path(&format!("{rest}?project={}", project.id));
    let content = html! {
        p.back { a href=(view.path("/projects")) { "Projects" } }
        div.title {
            h1 { (project.name) }
            div.buttons {
                @if view.may(WRITE) { a.button href={ (path(&view, &project)) "/edit" } { "Edit" } }
                @if view.may(Right::read(Resource::Keys)) { a.button href=(of_project("/keys")) { "Its keys" } }
                @if view.may(Right::write(Resource::Keys)) && !full {
                    a.button.primary href=(of_project("/keys/new")) { "Create key" }
                }
            }
        }
        @if full { (advice(&app, &view, &project)?) }
        dl.facts {
            @if let Some(used) = used { div { dt { "Keys used" } dd { (shown(used, cap)) span.quiet { "Revoked and expired keys do not count." } } } }
            @for which in [Environment::Live, Environment::Test] {
                div { dt { "Keys begin with" } dd { (environment(which)) code { (project.prefixes.of(which).as_str()) "_" } } }
            }
            div { dt { "Created" } dd { (time(project.created_at, view.now)) } }
            div { dt { "Id" } dd { code { (project.id) } } }
        }
    };
    Ok(view.page(PAGE, project.name.as_str(), &content))
}
