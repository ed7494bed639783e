//! `/accounts/{account}/overview`: what needs attention, and where it is mended. The home of an account.

mod findings;
mod refusals;
mod show;

use super::{Page, Place};
use crate::domain::rights::{Resource, Right};
use crate::service::App;
use axum::Router;
use axum::routing::get;

/// The page of the navigation.
pub const PAGE: Page = Page {
    label: "Overview",
    path: "/overview",
    place: Place::Account,
    right: Some(Right::read(Resource::Keys)),
    routes,
};

/// Who may see proxies.
const PROXIES: Right = Right::read(Resource::Proxies);

fn routes() -> Router<App> {
    Router::new().route("/accounts/{account}/overview", get(show::show))
}
