//! All accounts that who looks may see, to go to one of them; and the operator makes new ones.

mod create;
mod list;

use super::{Page, keys};
use crate::dashboard::view::View;
use crate::domain::rights::{Resource, Right};
use crate::service::App;
use axum::Router;
use axum::routing::get;

/// Where it stands in the navigation: nowhere by itself, the switcher leads here.
const PAGE: Page = Page { label: "Accounts", ..keys::PAGE };

/// The routes.
pub fn routes() -> Router<App> {
    Router::new().route("/accounts", get(list::show)).route("/accounts/new", get(create::show).post(create::create))
}

/// Whether who looks makes accounts.
pub fn may_create(view: &View) -> bool {
    view.origin().actor.is_operator() && view.may(Right::write(Resource::Accounts))
}
