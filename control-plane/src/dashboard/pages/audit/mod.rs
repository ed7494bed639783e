//! The audit log: who did what, when, from where; narrowed by what, who and when, in sentences.

mod filters;
mod list;
mod names;
mod sentence;

use super::{Page, Place};
use crate::domain::rights::{Resource, Right};
use crate::service::App;
use axum::Router;
use axum::routing::get;

/// The page in the navigation.
pub const PAGE: Page =
    Page { label: "Audit", path: "/audit", place: Place::Account, right: Some(Right::read(Resource::Audit)), routes };

fn routes() -> Router<App> {
    Router::new().route("/accounts/{account}/audit", get(list::show))
}
