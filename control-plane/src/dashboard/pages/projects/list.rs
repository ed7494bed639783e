//! `/accounts/{account}/projects`: the list.

use super::cap::{advice, allows, is_full, shown, used};
use super::{PAGE, WRITE, path, prefixes};
use crate::dashboard::answer::Answer;
use crate::dashboard::components::{empty, time};
use crate::dashboard::link::with_query;
use crate::dashboard::view::View;
use crate::domain::cursor::{Cursor, PageRequest};
use crate::domain::project::Project;
use crate::service::{App, read};
use axum::extract::State;
use maud::{Markup, html};
use std::collections::HashMap;

/// How many are on a page.
const PER_PAGE: u32 = 50;
/// Of how many full projects it is said what to do.
const ADVICES: usize = 3;

/// Shows the list.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let account = view.account()?;
    let page = PageRequest { cursor: Cursor::parse(view.asked("cursor")), limit: PER_PAGE };
    let found = read::projects(&app, view.origin(), Some(account.id), page).await?;
    let used = used(&app, &view, &found.data).await?;
    let cap = app.plans.cap(&account.plan);
    let full: Vec<_> =
        found.data.iter().filter(|project| used.get(&project.no).is_some_and(|used| is_full(*used, cap))).collect();
    let advices =
        full.into_iter().take(ADVICES).map(|project| advice(&app, &view, project)).collect::<Result<Vec<_>, _>>()?;
    let content = html! {
        div.title {
            h1 { "Projects" }
            @if view.may(WRITE) { a.button.primary href=(view.path("/projects/new")) { "Create project" } }
        }
        @if found.data.is_empty() && page.cursor.is_none() {
            (nothing_yet(&view))
        } @else {
            p { "The plan of " strong { (account.name) } " is " code { (account.plan) } ", with " (allows(cap)) "." }
            @for advice in &advices { (advice) }
            (table(&app, &view, &found.data, &used))
            @if let Some(cursor) = &found.next_cursor {
                p { a.button rel="next" href=(with_query(&view.path("/projects"), [("cursor", cursor.clone())])) { "Older projects" } }
            }
        }
    };
    Ok(view.page(PAGE, "Projects", &content))
}

fn nothing_yet(view: &View) -> Markup {
    empty(
        "No projects yet",
        &html! {
            p { "A project stands for what its keys open: an API, a product. It says what its keys begin with, one prefix for live keys and one for test keys, so that a key is known wherever it turns up." }
            @if view.may(WRITE) { p { a.button.primary href=(view.path("/projects/new")) { "Create the first project" } } }
            @else { p { "Who manages the account can create one." } }
        },
    )
}

fn table(app: &App, view: &View, projects: &[Project], used: &HashMap<u32, u32>) -> Markup {
    let cap = view.account.as_ref().map(|account| app.plans.cap(&account.plan));
    html! {
        div.scroll tabindex="0" role="region" aria-label="Projects" {
            table.cards {
                thead { tr {
                    th scope="col" { "Name" }
                    th scope="col" { "Keys begin with" }
                    @if !used.is_empty() { th scope="col" { "Keys used" } }
                    th scope="col" { "Created" }
                } }
                tbody {
                    @for project in projects {
                        tr {
                            th scope="row" data-label="Name" { a href=(path(view, project)) { (project.name) } }
                            td data-label="Keys begin" { (prefixes(project)) }
                            @if let (Some(used), Some(cap)) = (used.get(&project.no), cap) {
                                td data-label="Keys used" { (shown(*used, cap)) }
                            }
                            td data-label="Created" { (time(project.created_at, view.now)) }
                        }
                    }
                }
            }
        }
    }
}
