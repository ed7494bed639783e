//! `/accounts/{account}/team/{user}/remove`: asks once more, naming the person; then removes them, which revokes their tokens, and tells
//! which proxies refuse these.

use super::{PAGE, WRITE, is_self, named, path};
use crate::dashboard::answer::Answer;
use crate::dashboard::forms::Question;
use crate::dashboard::receipt::{AGAIN_WAIT, Change, FIRST_WAIT, Words, revision};
use crate::dashboard::view::View;
use crate::domain::cursor::{MAX_LIMIT, PageRequest};
use crate::domain::key::Status;
use crate::domain::rights::{Resource, Right};
use crate::domain::user::User;
use crate::error::{Code, Error};
use crate::service::receipt::{Receipt, receipt};
use crate::service::remove_user::remove_user;
use crate::service::{App, read};
use axum::extract::State;
use axum::http::StatusCode;
use maud::{Markup, html};

/// Asks.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    let user = named(&app, &view).await?;
    if !super::changes(&view, &user) {
        return Err(Error::with_detail(Code::Forbidden, "Only an owner of the account removes owners.").into());
    }
    let tokens = tokens(&app, &view, &user).await?;
    let (back, action) = (view.path("/team"), path(&view, &user, "/remove"));
    let says = html! {
        p { (user.name) " (" (user.email.as_str()) ") loses access at once: "
            @match tokens {
                Some(0) => "they hold no personal token, and a JWT does not let them in any more.",
                Some(1) => "their personal token dies within moments, here and at every proxy.",
                Some(count) => { "their " (count) " personal tokens die within moments, here and at every proxy." }
                None => "their personal tokens die within moments, here and at every proxy.",
            }
        }
        p { "Keys of projects stay: they belong to the account, not to who made them." }
        @if is_self(&view, &user) { p { strong { "This is you: you will be signed out at once, and cannot let yourself in again." } } }
        p { strong { "This cannot be undone." } " They can be added again, with new tokens." }
    };
    let question = Question {
        back: (&back, "Team"),
        asks: html! { "Remove " q { (user.name) } "?" },
        says,
        fields: html! {},
        action: &action,
        button: "Remove person",
        busy: "Removing",
        keep: "Keep them",
    };
    Ok(question.page(&view, PAGE, StatusCode::OK, "Remove a person"))
}

/// Removes.
pub async fn remove(State(app): State<App>, view: View) -> Answer {
    let user = named(&app, &view).await?;
    let removed = remove_user(&app, view.origin(), user.id).await?;
    let receipt = receipt(&app, view.origin(), removed.revision, FIRST_WAIT).await;
    let title = html! { q { (removed.user.name) } " is removed" };
    let content = told(&view, title, is_self(&view, &removed.user), &receipt, true);
    Ok(view.page(PAGE, "Person removed", &content))
}

/// `/accounts/{account}/team/receipt?revision=R`: looks again. Who was removed is not known any more.
pub async fn again(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    let receipt = receipt(&app, view.origin(), revision(&view), AGAIN_WAIT).await;
    let content = told(&view, html! { "The person is removed" }, false, &receipt, false);
    Ok(view.page(PAGE, "Person removed", &content))
}

fn told(view: &View, title: Markup, was_self: bool, receipt: &Receipt, first: bool) -> Markup {
    let (back, again) = (view.path("/team"), view.path("/team/receipt"));
    let change = Change {
        back: (&back, "Team"),
        title,
        more: html! { @if was_self { p { "This session is over." } } },
        words: Words { they: "refuse their tokens", each: "refuses their tokens", after: "the removing" },
        again: &again,
    };
    change.told(receipt, first)
}

/// How many tokens of theirs work, for who may know.
async fn tokens(app: &App, view: &View, user: &User) -> Result<Option<usize>, Error> {
    if !view.may(Right::read(Resource::PersonalTokens)) {
        return Ok(None);
    }
    let page = PageRequest { cursor: None, limit: MAX_LIMIT };
    let found = read::personal_tokens(app, view.origin(), Some(user.id), page).await?;
    Ok(Some(found.data.iter().filter(|token| token.status(view.now) == Status::Active).count()))
}
