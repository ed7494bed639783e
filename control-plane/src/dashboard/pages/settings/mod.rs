//! Settings of an account: its name, its plan with what that allows, what its projects' keys begin with; and for the operator its plan and
//! whether it is suspended.

mod edit;
mod plan;
mod receipt;
mod show;
mod status;

use super::{Page, Place};
use crate::dashboard::view::View;
use crate::domain::rights::{Resource, Right};
use crate::error::{Code, Error};
use crate::service::App;
use axum::Router;
use axum::routing::get;

/// The page in the navigation.
pub const PAGE: Page = Page {
    label: "Settings",
    path: "/settings",
    place: Place::Account,
    right: Some(Right::read(Resource::Accounts)),
    routes,
};

/// What changing accounts takes.
const WRITE: Right = Right::write(Resource::Accounts);

fn routes() -> Router<App> {
    Router::new()
        .route("/accounts/{account}/settings", get(show::show))
        .route("/accounts/{account}/settings/edit", get(edit::show).post(edit::edit))
        .route("/accounts/{account}/settings/plan", get(plan::show).post(plan::change))
        .route("/accounts/{account}/settings/status", get(status::show).post(status::change))
        .route("/accounts/{account}/settings/receipt", get(receipt::show))
}

/// Whether who looks decides about plan and status.
fn decides(view: &View) -> bool {
    view.may(WRITE) && view.origin().actor.is_operator()
}

/// Refuses who does not: what the operation would answer.
fn must_decide(view: &View) -> Result<(), Error> {
    if decides(view) { Ok(()) } else { Err(Error::new(Code::Forbidden)) }
}
