//! `/accounts/{account}/team`: the list.

use super::{PAGE, ROLES, WRITE, changes, is_self, path, role_name};
use crate::dashboard::answer::Answer;
use crate::dashboard::components::{Tone, badge, bin, empty, pencil, time};
use crate::dashboard::link::with_query;
use crate::dashboard::view::View;
use crate::domain::cursor::{Cursor, PageRequest};
use crate::domain::user::{Identity, Role, User};
use crate::service::{App, read};
use axum::extract::State;
use maud::{Markup, html};

/// How many are on a page.
const PER_PAGE: u32 = 50;

/// Shows the list.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let account = view.account()?.id;
    let page = PageRequest { cursor: Cursor::parse(view.asked("cursor")), limit: PER_PAGE };
    let found = read::users(&app, view.origin(), Some(account), page).await?;
    let content = html! {
        div.title {
            h1 { "Team" }
            @if view.may(WRITE) { a.button.primary href=(view.path("/team/new")) { "Add person" } }
        }
        div #list {
            @if found.data.is_empty() && page.cursor.is_none() {
                (empty("Nobody yet", &html! {
                    p { "People of the account sign in here with a personal token of their own, and do what their role lets them. What each does is in the audit log by name." }
                    @if view.may(WRITE) { p { a.button.primary href=(view.path("/team/new")) { "Add the first person" } } }
                }))
            } @else {
                (table(&view, &found.data))
                @if let Some(cursor) = &found.next_cursor {
                    p { a.button rel="next" href=(with_query(&view.path("/team"), [("cursor", cursor.clone())])) { "More people" } }
                }
            }
        }
        h2 { "What roles may do" }
        dl.facts {
            @for (_, name, means) in ROLES { div { dt { (name) } dd { (means) } } }
        }
    };
    Ok(view.page(PAGE, "Team", &content))
}

fn table(view: &View, people: &[User]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Team" {
            table.cards {
                thead { tr {
                    th scope="col" { "Name" }
                    th scope="col" { "Mail" }
                    th scope="col" { "Role" }
                    th scope="col" { "Signs in by" }
                    th scope="col" { "Added" }
                    @if view.may(WRITE) { th scope="col" { span.unseen { "Actions" } } }
                } }
                tbody {
                    @for user in people {
                        tr {
                            th scope="row" data-label="Name" { (user.name) @if is_self(view, user) { span.quiet { " (you)" } } }
                            td data-label="Mail" { (user.email.as_str()) }
                            td data-label="Role" { (role(user.role)) }
                            td data-label="Signs in by" {
                                @match user.identity.as_ref().map(Identity::issuer) {
                                    Some(issuer) => (issuer),
                                    None => span.quiet { "Personal token" },
                                }
                            }
                            td data-label="Added" { (time(user.created_at, view.now)) }
                            @if view.may(WRITE) {
                                td.tools {
                                    @if changes(view, user) {
                                        a.tool href=(path(view, user, "/edit")) { (pencil()) span.unseen { "Edit " (user.name) } }
                                        a.tool.danger href=(path(view, user, "/remove")) data-dialog { (bin()) span.unseen { "Remove " (user.name) } }
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

fn role(role: Role) -> Markup {
    let tone = if role == Role::Member { Tone::Quiet } else { Tone::Strong };
    badge(tone, role_name(role))
}
