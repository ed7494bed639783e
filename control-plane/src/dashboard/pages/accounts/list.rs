//! `/accounts`: all accounts that who looks may see, to go to one of them.

use super::{PAGE, may_create};
use crate::dashboard::answer::Answer;
use crate::dashboard::components::{Tone, badge, time};
use crate::dashboard::link::with_query;
use crate::dashboard::view::View;
use crate::domain::account::AccountStatus;
use crate::domain::cursor::{Cursor, PageRequest};
use crate::service::{App, read};
use axum::extract::State;
use maud::html;

/// How many are on a page.
const PER_PAGE: u32 = 100;

/// Shows the list.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let page = PageRequest { cursor: Cursor::parse(view.asked("cursor")), limit: PER_PAGE };
    let found = read::accounts(&app, view.origin(), page).await?;
    let content = html! {
        div.title {
            h1 { "Accounts" }
            @if may_create(&view) { a.button.primary href="/accounts/new" { "Create account" } }
        }
        div.scroll tabindex="0" role="region" aria-label="Accounts" {
            table.cards {
                thead { tr { th scope="col" { "Name" } th scope="col" { "Plan" } th scope="col" { "Created" } th scope="col" { "Status" } } }
                tbody {
                    @for account in &found.data {
                        tr {
                            th scope="row" data-label="Name" { a href={ "/accounts/" (account.id) "/settings" } { (account.name) } }
                            td data-label="Plan" { (account.plan) }
                            td data-label="Created" { (time(account.created_at, view.now)) }
                            td data-label="Status" {
                                @match account.status {
                                    AccountStatus::Active => (badge(Tone::Good, "Active")),
                                    AccountStatus::Suspended => (badge(Tone::Bad, "Suspended")),
                                }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(cursor) = &found.next_cursor {
            p { a.button rel="next" href=(with_query("/accounts", [("cursor", cursor.clone())])) { "Next" } }
        }
    };
    Ok(view.page(PAGE, "Accounts", &content))
}
