//! `/accounts/{account}/tokens`: the list.

use super::{PAGE, WRITE, path, people, sees_all};
use crate::dashboard::answer::Answer;
use crate::dashboard::components::{bin, empty, status, time};
use crate::dashboard::forms::Named;
use crate::dashboard::link::with_query;
use crate::dashboard::view::View;
use crate::domain::actor::Actor;
use crate::domain::cursor::{Cursor, PageRequest};
use crate::domain::key::{Key, Status};
use crate::domain::user::User;
use crate::service::{App, read};
use axum::extract::State;
use maud::{Markup, html};

/// How many are on a page.
const PER_PAGE: u32 = 50;

/// Shows the list: a person's own, or with `whose=all` all that they may see.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let account = view.account()?.id;
    let page = PageRequest { cursor: Cursor::parse(view.asked("cursor")), limit: PER_PAGE };
    let is_person = matches!(view.origin().actor, Actor::User { .. });
    let all = sees_all(&view) && (!is_person || view.asked("whose") == "all");
    let found = if all {
        read::personal_tokens_of(&app, view.origin(), account, page).await?
    } else {
        read::personal_tokens(&app, view.origin(), None, page).await?
    };
    let people = if all { people(&app, &view).await? } else { Vec::new() };
    let may_create = view.may(WRITE) && (is_person || !people.is_empty());
    let list = view.path("/tokens");
    let address = |cursor: String| {
        let whose = if all && is_person { "all" } else { "" };
        with_query(&list, [("whose", whose.to_owned()), ("cursor", cursor)])
    };
    let content = html! {
        div.title {
            h1 { "Personal tokens" }
            @if may_create { a.button.primary href=(view.path("/tokens/new")) { "Create token" } }
        }
        @if is_person && sees_all(&view) {
            div.buttons {
                a.button href=(list) aria-current=[(!all).then_some("true")] { "Yours" }
                a.button href=(with_query(&list, [("whose", "all".to_owned())])) aria-current=[all.then_some("true")] { "Everybody's" }
            }
        }
        div #list {
            @if found.data.is_empty() {
                (empty("No personal tokens", &html! {
                    p { "A personal token acts as its person: with it they sign in here, call the management API, and are known behind the proxies. Each laptop or script gets its own, so that one can be revoked without the others." }
                    @if may_create { p { a.button.primary href=(view.path("/tokens/new")) { "Create a token" } } }
                    @else if !is_person { p { "A token belongs to a person: add one to the " a href=(view.path("/team")) { "team" } " first." } }
                }))
            } @else {
                (table(&view, &found.data, all.then_some(people.as_slice())))
                @if let Some(cursor) = &found.next_cursor {
                    p { a.button rel="next" href=(address(cursor.clone())) { "Older tokens" } }
                }
            }
        }
    };
    Ok(view.page(PAGE, "Personal tokens", &content))
}

fn table(view: &View, tokens: &[Key], people: Option<&[User]>) -> Markup {
    let changes = view.may(WRITE);
    let now = view.now;
    html! {
        div.scroll tabindex="0" role="region" aria-label="Personal tokens" {
            table.cards {
                thead { tr {
                    th scope="col" { "Name" }
                    @if people.is_some() { th scope="col" { "Person" } }
                    th scope="col" { "Token" }
                    th scope="col" { "Created" }
                    th scope="col" { "Last used" }
                    th scope="col" { "Expires" }
                    th scope="col" { "Status" }
                    @if changes { th scope="col" { span.unseen { "Actions" } } }
                } }
                tbody {
                    @for token in tokens {
                        tr {
                            th scope="row" data-label="Name" { (name(view, token)) }
                            @if let Some(people) = people { td data-label="Person" { (person(people, token)) } }
                            td data-label="Token" { code { (token.mask) } }
                            td data-label="Created" { (time(token.created_at, now)) }
                            td data-label="Last used" { (sometime(token.last_used_at, now)) }
                            td data-label="Expires" { (sometime(token.expires_at, now)) }
                            td data-label="Status" { (status(token.status(now))) }
                            @if changes {
                                td.tools {
                                    @if token.status(now) != Status::Revoked {
                                        a.tool.danger href=(path(view, token, "/revoke")) data-dialog { (bin()) span.unseen { "Revoke " (token.name) } }
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

/// A token's name, with the way to change it.
pub fn name(view: &View, token: &Key) -> Markup {
    let (id, rename) = (token.id.to_string(), path(view, token, "/rename"));
    let back = view.path("/tokens");
    let named =
        Named { kind: "token", id: &id, name: token.name.as_str(), rename: &rename, back: (&back, "Personal tokens") };
    named.shown(view.may(WRITE))
}

fn person(people: &[User], token: &Key) -> Markup {
    let found = people.iter().find(|user| Some(user.id) == token.owner.user());
    html! {
        @if let Some(user) = found { (user.name) span.quiet.below { (user.email.as_str()) } }
        @else { span.quiet { "Somebody who left" } }
    }
}

fn sometime(at: Option<crate::domain::time::Time>, now: crate::domain::time::Time) -> Markup {
    at.map_or_else(|| html! { span.quiet { "Never" } }, |at| time(at, now))
}
