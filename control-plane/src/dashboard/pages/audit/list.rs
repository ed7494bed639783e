//! `/accounts/{account}/audit`

use super::PAGE;
use super::filters::{Filters, KINDS};
use super::names::Names;
use super::sentence::sentence;
use crate::dashboard::answer::Answer;
use crate::dashboard::components::{empty, options, time};
use crate::dashboard::view::View;
use crate::domain::audit::{Action, Recorded};
use crate::service::App;
use crate::service::list_audit::list_audit;
use axum::extract::State;
use maud::{Markup, html};

/// How many entries are on a page.
const PER_PAGE: u32 = 50;

/// Shows the log.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let account = view.account()?.id;
    let filters = Filters::of(&view);
    let account = (!filters.everywhere).then_some(account);
    let found = list_audit(&app, view.origin(), account, &filters.filter(), filters.cursor, PER_PAGE).await?;
    let names = Names::of(&app, &view, account).await?;
    let path = view.path("/audit");
    let content = html! {
        h1 { "Audit log" }
        p { "Who did what, the newest first" @if filters.everywhere { ", in all accounts and beside them" } ". Nothing in it can be changed or removed." }
        (narrowing(&view, &filters, &names))
        div #list {
            @if found.data.is_empty() {
                @if filters.narrow() || filters.cursor.is_some() {
                    (empty("Nothing is like that", &html! { p { "Narrow it less, or " a href=(path) { "look at the whole log" } "." } }))
                } @else {
                    (empty("Nothing was done yet", &html! { p { "Each change to the account, its projects, keys and people will be here, with who made it and from where." } }))
                }
            } @else {
                (table(&view, &names, &found.data))
                div.buttons {
                    @if filters.cursor.is_some() { a.button href=(filters.address(&path, "")) { "Newest" } }
                    @if let Some(cursor) = &found.next_cursor { a.button rel="next" href=(filters.address(&path, cursor)) { "Older" } }
                }
            }
        }
    };
    Ok(view.page(PAGE, "Audit log", &content))
}

fn narrowing(view: &View, filters: &Filters, names: &Names) -> Markup {
    let some = |value: &str, label: &str| (value.to_owned(), label.to_owned());
    let kinds =
        Action::object_kinds().into_iter().map(|kind| some(kind, &format!("All of: {}", kind.replace('_', " "))));
    let actions = Action::ALL.iter().map(|action| {
        let (kind, verb) = action.name().split_once('.').unwrap_or_default();
        some(action.name(), &format!("{}: {}", kind.replace('_', " "), verb.replace('_', " ")))
    });
    let whats: Vec<_> = std::iter::once(some("", "Everything")).chain(kinds).chain(actions).collect();
    let kinds = KINDS.iter().map(|(value, label)| some(value, label));
    let people = names.people.iter().map(|(id, name)| some(&id.to_string(), name));
    let mut whos: Vec<_> = std::iter::once(some("", "Anybody")).chain(kinds).chain(people).collect();
    if !whos.iter().any(|(value, _)| *value == filters.who) {
        whos.push(some(&filters.who, "The one in the address"));
    }
    html! {
        form.narrow role="search" method="get" action=(view.path("/audit")) data-list="list" {
            div { label for="what" { "What" } select id="what" name="what" { (options(&whats, filters.what)) } }
            div { label for="who" { "Who" } select id="who" name="who" { (options(&whos, &filters.who)) } }
            div { label for="from" { "From (UTC)" } input type="date" id="from" name="from" value=(filters.from); }
            div { label for="to" { "Through" } input type="date" id="to" name="to" value=(filters.to); }
            @if view.origin().actor.is_operator() {
                div { label for="everywhere" { "Where" } select id="everywhere" name="everywhere" {
                    (options(&[some("", "This account"), some("yes", "Everywhere")], if filters.everywhere { "yes" } else { "" }))
                } }
            }
            @if let Some(object) = filters.object { input type="hidden" name="object" value=(object); }
            button type="submit" { "Show" }
        }
        @if filters.object.is_some() {
            p { "Only what was done to one object. " a href=(view.path("/audit")) { "Show all" } }
        }
    }
}

fn table(view: &View, names: &Names, entries: &[Recorded]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Audit log" {
            table.cards {
                thead { tr { th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "From" } th scope="col" { "Request" } } }
                tbody {
                    @for entry in entries {
                        tr {
                            td data-label="When" { (time(entry.at, view.now)) }
                            th scope="row" data-label="What" { span.below { (names.actor(view, entry)) " " (sentence(entry, object(entry).as_deref())) } }
                            td data-label="From" { @match &entry.source { Some(source) => code { (source) }, None => span.quiet { "Not told" } } }
                            td data-label="Request" {
                                @match entry.request_id.map(|id| id.to_string()) {
                                    Some(id) => code title=(id) { (id.get(28..).unwrap_or(&id)) },
                                    None => span.quiet { "None" },
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What else was done to the object.
fn object(entry: &Recorded) -> Option<String> {
    Some(format!("/accounts/{}/audit?object={}", entry.account_id?, entry.object_id?))
}
