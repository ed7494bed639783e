//! `/accounts/{account}/keys`: the list.

use super::super::super::answer::{Answer, see_other};
use super::super::super::components::{bin, empty, environment, options, pager, status, time};
use super::super::super::view::View;
use super::filters::{self, ENVIRONMENTS, Filters, ORDERS, PER_PAGE, STATUSES};
use super::{PAGE, WRITE, name, path, projects};
use crate::domain::key::{Key, Status};
use crate::domain::project::Project;
use crate::domain::rights::{Resource, Right};
use crate::domain::time::{DAY, Time};
use crate::service::App;
use crate::service::search_keys::{Found, MOST_COUNTED, StatusFilter, Wanted, search_keys};
use axum::extract::State;
use maud::{Markup, html};

/// The longest text that the field takes: a pasted key does not get into an address whole. The script makes its mask of it.
const MAX_TYPED: usize = 24;
/// How many scopes a row shows.
const SCOPES: usize = 3;
/// An end that is nearer than so many days stands out.
const SOON: u32 = 7;

/// Shows the list.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let account = view.account()?.id;
    let filters = Filters::of(&view);
    let projects = projects(&app, &view).await?;
    let found = search_keys(&app, view.origin(), &filters.wanted(account)).await?;
    if found.keys.is_empty() && found.total > 0 {
        return Ok(see_other(&filters.address(&view.path("/keys"), 0)));
    }
    let is_empty = found.total == 0 && !filters.narrow();
    let were_any = is_empty
        && search_keys(&app, view.origin(), &Wanted { status: StatusFilter::Any, ..filters.wanted(account) })
            .await?
            .total
            > 0;
    let content = html! {
        div.title {
            h1 { "API keys" }
            @if view.may(WRITE) && !projects.is_empty() {
                a.button.primary href=(view.path("/keys/new")) { "Create key" }
            }
        }
        (narrowing(&view, &filters, &projects))
        div #list {
            @if is_empty {
                (nothing(&view, &projects, were_any))
            } @else if found.total == 0 {
                (empty("No key is like that", &html! {
                    p { "Look for a part of a name, of a mask such as " code { "uk_live_a1b2" } " or of a scope; or "
                        a href=(view.path("/keys?status=all")) { "show all keys" } "." }
                }))
            } @else {
                (table(&view, &projects, &found))
                (pager(filters.page, PER_PAGE, found.total, MOST_COUNTED, |page| filters.address(&view.path("/keys"), page)))
            }
        }
    };
    Ok(view.page(PAGE, "API keys", &content))
}

fn narrowing(view: &View, filters: &Filters, projects: &[Project]) -> Markup {
    let all = (String::new(), "All projects".to_owned());
    let of_projects = projects.iter().map(|project| (project.id.to_string(), project.name.to_string()));
    let of_projects: Vec<_> = std::iter::once(all).chain(of_projects).collect();
    let project = filters.project.map(|id| id.to_string()).unwrap_or_default();
    html! {
        form.narrow role="search" method="get" action=(view.path("/keys")) data-list="list" {
            div.grow {
                label for="q" { "Search" }
                input type="search" id="q" name="q" value=(filters.text) maxlength=(MAX_TYPED) autocomplete="off" spellcheck="false"
                    placeholder="Name, scope or mask" data-recognise aria-describedby="q-hint q-told";
                p.hint #q-hint data-script hidden { "Paste a whole key to find which one it is: only its mask leaves this page." }
                p.told #q-told data-told {}
            }
            @if projects.len() > 1 || filters.project.is_some() {
                div { label for="project" { "Project" } select id="project" name="project" { (options(&of_projects, &project)) } }
            }
            div {
                label for="environment" { "Environment" }
                select id="environment" name="environment" { (options(&filters::options(&ENVIRONMENTS), filters.environment)) }
            }
            div { label for="status" { "Status" } select id="status" name="status" { (options(&filters::options(&STATUSES), filters.status)) } }
            div { label for="order" { "Order" } select id="order" name="order" { (options(&filters::options(&ORDERS), filters.order)) } }
            button type="submit" { "Show" }
        }
    }
}

fn nothing(view: &View, projects: &[Project], were_any: bool) -> Markup {
    if projects.is_empty() {
        return empty(
            "Make a project first",
            &html! {
                p { "A key belongs to a project, which says what its keys begin with." }
                @if view.may(Right::write(Resource::Projects)) {
                    p { a.button.primary href=(view.path("/projects/new")) { "Create the first project" } }
                } @else {
                    p { "Who manages the account can create one." }
                }
            },
        );
    }
    if were_any {
        return empty(
            "Every key is revoked",
            &html! {
                p { "None of this account's keys is accepted any more. " a href=(view.path("/keys?status=revoked")) { "Show the revoked keys" } "." }
                @if view.may(WRITE) { p { a.button.primary href=(view.path("/keys/new")) { "Create a key" } } }
            },
        );
    }
    empty(
        "No keys yet",
        &html! {
            p { "A key lets a program call your API. Each caller gets its own, so that you can see who calls, and revoke one without the others." }
            @if view.may(WRITE) { p { a.button.primary href=(view.path("/keys/new")) { "Create the first key" } } }
        },
    )
}

fn table(view: &View, projects: &[Project], found: &Found) -> Markup {
    let changes = view.may(WRITE);
    html! {
        div.scroll tabindex="0" role="region" aria-label="API keys" {
            table.cards {
                thead {
                    tr {
                        th scope="col" { "Name" }
                        th scope="col" { "Key" }
                        th scope="col" { "Scopes" }
                        th scope="col" { "Created" }
                        th scope="col" { "Last used" }
                        th scope="col" { "Expires" }
                        th scope="col" { "Status" }
                        @if changes { th scope="col" { span.unseen { "Actions" } } }
                    }
                }
                tbody {
                    @for key in &found.keys {
                        tr {
                            th scope="row" data-label="Name" {
                                (name(view, key))
                                @if projects.len() > 1 { span.quiet.below { (project_name(projects, key)) } }
                            }
                            td data-label="Key" { span.pair { (environment(key.environment)) code { (key.mask) } } }
                            td data-label="Scopes" { (scopes(key)) }
                            td data-label="Created" { (time(key.created_at, view.now)) }
                            td data-label="Last used" { (last_used(key, view.now)) }
                            td data-label="Expires" { (expires(key, view.now)) }
                            td data-label="Status" { (status(key.status(view.now))) }
                            @if changes {
                                td.tools {
                                    @if key.status(view.now) != Status::Revoked {
                                        a.tool.danger href={ (path(view, key)) "/revoke" } data-dialog {
                                            (bin()) span.unseen { "Revoke " (key.name) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn project_name(projects: &[Project], key: &Key) -> String {
    let found = projects.iter().find(|project| Some(project.id) == key.owner.project());
    found.map(|project| project.name.to_string()).unwrap_or_default()
}

fn scopes(key: &Key) -> Markup {
    let scopes = key.scopes.as_slice();
    html! {
        @if scopes.is_empty() { span.quiet { "None" } }
        @for scope in scopes.iter().take(SCOPES) { code.scope { (scope) } " " }
        @if scopes.len() > SCOPES { span.quiet { "and " (scopes.len() - SCOPES) " more" } }
    }
}

/// When a key was used last.
pub fn last_used(key: &Key, now: Time) -> Markup {
    key.last_used_at.map_or_else(|| html! { span.quiet { "Never" } }, |at| time(at, now))
}

/// When a key ends.
pub fn expires(key: &Key, now: Time) -> Markup {
    let Some(end) = key.expires_at else { return html! { span.quiet { "Never" } } };
    let is_soon = end > now && end.since(now) < DAY * SOON;
    html! { span.soon[is_soon] { (time(end, now)) } }
}
