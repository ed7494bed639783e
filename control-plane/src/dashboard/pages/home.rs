//! `/`: the way in. It leads to the first page of the account, and tells a newcomer what to do when there is none yet.

use super::super::answer::{Answer, see_other};
use super::super::components::empty;
use super::super::layout::address;
use super::super::view::View;
use super::accounts::may_create;
use super::{PAGES, Place};
use crate::service::App;
use axum::Router;
use axum::routing::get;
use maud::html;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/", get(show))
}

async fn show(view: View) -> Answer {
    let page = PAGES.iter().find(|page| page.place == Place::Account && page.right.is_none_or(|right| view.may(right)));
    if let (Some(page), Some(_)) = (page, &view.account) {
        return Ok(see_other(&address(&view, page)));
    }
    let content = html! {
        h1 { "Welcome" }
        (empty("There is no account yet", &html! {
            p { "Keys belong to projects, and projects to accounts: one for each of your customers, or one for yourself." }
            @if may_create(&view) { p { a.button.primary href="/accounts/new" { "Create the first account" } } }
            p { "The command line does it too: " code { "keyplane accounts create 'My company'" } "." }
        }))
    };
    Ok(view.page(super::keys::PAGE, "Welcome", &content))
}
