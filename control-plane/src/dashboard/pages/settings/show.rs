//! `/accounts/{account}/settings`

use super::super::projects;
use super::{PAGE, WRITE, decides};
use crate::dashboard::answer::Answer;
use crate::dashboard::components::{Tone, badge, time};
use crate::dashboard::view::View;
use crate::domain::account::{Account, AccountStatus, ExternalId};
use crate::domain::cursor::{MAX_LIMIT, PageRequest};
use crate::domain::project::Project;
use crate::domain::rights::{Resource, Right};
use crate::service::{App, read};
use axum::extract::State;
use keyplane_contract::sync::Environment;
use maud::{Markup, html};

/// Shows the settings.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let account = view.account()?;
    let of_projects = if view.may(Right::read(Resource::Projects)) {
        let page = PageRequest { cursor: None, limit: MAX_LIMIT };
        read::projects(&app, view.origin(), Some(account.id), page).await?.data
    } else {
        Vec::new()
    };
    let content = html! {
        div.title {
            h1 { "Settings" }
            @if view.may(WRITE) { a.button href=(view.path("/settings/edit")) { "Edit" } }
        }
        (facts(&app, &view, account))
        (plans(&app, account))
        @if !of_projects.is_empty() { (prefixes(&view, &of_projects)) }
    };
    Ok(view.page(PAGE, "Settings", &content))
}

fn facts(app: &App, view: &View, account: &Account) -> Markup {
    let is_active = account.status == AccountStatus::Active;
    html! {
        dl.facts {
            div { dt { "Account" } dd { (account.name) } }
            div { dt { "Plan" } dd {
                code { (account.plan) } span { (projects::allows(app.plans.cap(&account.plan))) }
                @if decides(view) { a.button href=(view.path("/settings/plan")) { "Change plan" } }
                @else { span.quiet { "Who runs this service changes it." } }
            } }
            div { dt { "Status" } dd {
                @if is_active { (badge(Tone::Good, "Active")) } @else { (badge(Tone::Bad, "Suspended")) " All its keys are refused." }
                @if decides(view) {
                    a.button.danger[is_active] href=(view.path("/settings/status")) data-dialog { @if is_active { "Suspend" } @else { "Activate again" } }
                }
            } }
            @if let Some(external_id) = account.external_id.as_ref().map(ExternalId::as_str) {
                div { dt { "External id" } dd { code { (external_id) } } }
            }
            div { dt { "Created" } dd { (time(account.created_at, view.now)) } }
            div { dt { "Id" } dd { code { (account.id) } } }
        }
    }
}

fn plans(app: &App, account: &Account) -> Markup {
    html! {
        h2 { "Plans" }
        div.scroll tabindex="0" role="region" aria-label="Plans" {
            table.cards {
                thead { tr { th scope="col" { "Plan" } th scope="col" { "Allows" } } }
                tbody {
                    @for (name, cap) in app.plans.iter() {
                        tr {
                            th scope="row" data-label="Plan" { span.pair { (name) @if name == account.plan { (badge(Tone::Strong, "Yours")) } } }
                            td data-label="Allows" { (projects::allows(cap)) }
                        }
                    }
                }
            }
        }
    }
}

fn prefixes(view: &View, of_projects: &[Project]) -> Markup {
    html! {
        h2 { "Prefixes" }
        p { "What keys begin with, by project: who finds one in a log or in code knows whose it is." }
        div.scroll tabindex="0" role="region" aria-label="Prefixes" {
            table.cards {
                thead { tr {
                    th scope="col" { "Project" } th scope="col" { "Live" } th scope="col" { "Test" }
                    @if view.may(projects::WRITE) { th scope="col" { span.unseen { "Actions" } } }
                } }
                tbody {
                    @for project in of_projects {
                        tr {
                            th scope="row" data-label="Project" { a href=(view.path(&format!("/projects/{}", project.id))) { (project.name) } }
                            td data-label="Live" { code { (project.prefixes.of(Environment::Live).as_str()) "_" } }
                            td data-label="Test" { code { (project.prefixes.of(Environment::Test).as_str()) "_" } }
                            @if view.may(projects::WRITE) {
                                td.tools { a href=(view.path(&format!("/projects/{}/edit", project.id))) { "Change" span.unseen { " " (project.name) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}
