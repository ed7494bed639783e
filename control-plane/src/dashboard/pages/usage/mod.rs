//! `/accounts/{account}/usage`: requests with the account's keys, allowed and refused, over time and by what they have in common.

mod breakdown;
mod filters;
mod over_time;
mod plot;
mod reasons;
mod show;

use super::{Page, Place};
use crate::domain::rights::{Resource, Right};
use crate::service::App;
use axum::Router;
use axum::routing::get;

pub use reasons::words as reason_in_words;

/// The page of the navigation.
pub const PAGE: Page =
    Page { label: "Usage", path: "/usage", place: Place::Account, right: Some(Right::read(Resource::Usage)), routes };

fn routes() -> Router<App> {
    Router::new().route("/accounts/{account}/usage", get(show::show))
}
