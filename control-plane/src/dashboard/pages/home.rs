//! `/`: the way in. It leads to the first page of the account, and tells a newcomer what to do when there is none yet.

use super::super::answer::{Answer, see_other};
use super::super::components::empty;
use super::super::layout::address;
use super::super::view::View;
use super::PAGES;
use crate::service::App;
use axum::Router;
use axum::routing::get;
use maud::html;

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/", get(show))
}

async fn show(view: View) -> Answer {
    let page = PAGES.iter().find(|page| page.right.is_none_or(|right| view.may(right)));
    if let (Some(page), Some(_)) = (page, &view.account) {
        return Ok(see_other(&address(&view, page)));
    }
    let content = html! {
        h1 { "Welcome" }
        (empty("There is no account yet", &html! {
            p { "Keys belong to projects, and projects to accounts: one for each of your customers, or one for yourself." }
            p { "Make the first with the command line:" }
            pre { code { "keyplane accounts create 'My company'" } }
            p { "or through the " a href="/docs/api" { "API" } ", and load this page again." }
        }))
    };
    Ok(view.page(super::keys::PAGE, "Welcome", &content))
}
