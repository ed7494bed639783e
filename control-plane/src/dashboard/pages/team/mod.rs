//! The people of an account: who they are, what they may do, how they sign in. List, add, edit, remove.

mod add;
mod edit;
mod fields;
mod list;
mod remove;

use super::{Page, Place};
use crate::dashboard::view::View;
use crate::domain::id::UserId;
use crate::domain::rights::{Resource, Right};
use crate::domain::user::{Role, User};
use crate::error::Error;
use crate::http::problem::Problem;
use crate::service::{App, read};
use axum::Router;
use axum::routing::get;

/// The page in the navigation.
pub const PAGE: Page =
    Page { label: "Team", path: "/team", place: Place::Account, right: Some(Right::read(Resource::Users)), routes };

/// What changing people takes.
const WRITE: Right = Right::write(Resource::Users);

/// The roles, with their names and what they may do.
const ROLES: [(Role, &str, &str); 3] = [
    (Role::Owner, "Owner", "Everything in the account, other owners included."),
    (Role::Admin, "Admin", "Everything in the account, but owners are not theirs to change."),
    (Role::Member, "Member", "Makes, changes and revokes keys, and sees the rest."),
];

fn routes() -> Router<App> {
    Router::new()
        .route("/accounts/{account}/team", get(list::show))
        .route("/accounts/{account}/team/new", get(add::show).post(add::add))
        .route("/accounts/{account}/team/receipt", get(remove::again))
        .route("/accounts/{account}/team/{user}/edit", get(edit::show).post(edit::edit))
        .route("/accounts/{account}/team/{user}/remove", get(remove::show).post(remove::remove))
}

/// The person that the address names, if they are of the account that it names.
async fn named(app: &App, view: &View) -> Result<User, Problem> {
    let missing = || Error::not_found("user");
    let id = UserId::parse(view.parameter("user")).ok_or_else(missing)?;
    let account = view.account()?.id;
    let user = read::user(app, view.origin(), id).await?;
    if user.account_id == account { Ok(user) } else { Err(missing().into()) }
}

/// Whether who looks changes this person.
fn changes(view: &View, user: &User) -> bool {
    view.may(WRITE) && view.origin().actor.rules_over(user.role)
}

/// Whether who looks is this person.
fn is_self(view: &View, user: &User) -> bool {
    view.origin().actor.id() == Some(user.id.0)
}

/// Where a person's pages are.
fn path(view: &View, user: &User, rest: &str) -> String {
    view.path(&format!("/team/{}{rest}", user.id))
}

/// What a role is called.
fn role_name(role: Role) -> &'static str {
    ROLES.iter().find(|(known, ..)| *known == role).map_or(role.name(), |(_, name, _)| name)
}
