//! `/accounts/{account}/settings/receipt?revision=R`: how many proxies know that an account is suspended, or is not any more.

use super::PAGE;
use crate::dashboard::answer::Answer;
use crate::dashboard::receipt::{AGAIN_WAIT, Change, Words, revision};
use crate::dashboard::view::View;
use crate::domain::account::{Account, AccountStatus};
use crate::service::App;
use crate::service::receipt::{Receipt, receipt};
use axum::extract::State;
use maud::{Markup, html};

/// Looks again.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    super::must_decide(&view)?;
    let receipt = receipt(&app, view.origin(), revision(&view), AGAIN_WAIT).await;
    Ok(view.page(PAGE, "Account changed", &told(&view, view.account()?, &receipt, false)))
}

/// What became of the account, for people.
pub fn told(view: &View, account: &Account, receipt: &Receipt, first: bool) -> Markup {
    let (back, again) = (view.path("/settings"), view.path("/settings/receipt"));
    let (title, they, each, after) = match account.status {
        AccountStatus::Suspended => {
            (html! { q { (account.name) } " is suspended" }, "refuse its keys", "refuses its keys", "the suspending")
        }
        AccountStatus::Active => (html! { q { (account.name) } " is active again" }, "know", "knows", "the activating"),
    };
    let words = Words { they, each, after };
    let change = Change { back: (&back, "Settings"), title, more: html! {}, words, again: &again };
    change.told(receipt, first)
}
