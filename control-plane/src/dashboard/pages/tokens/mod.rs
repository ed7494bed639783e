//! Personal access tokens: a person's own, and for who manages the account those of all its people. List, create, rename, revoke.

mod create;
mod list;
mod receipt;
mod rename;
mod revoke;

use super::{Page, Place};
use crate::dashboard::view::View;
use crate::domain::actor::Actor;
use crate::domain::cursor::{MAX_LIMIT, PageRequest};
use crate::domain::id::KeyId;
use crate::domain::key::Key;
use crate::domain::rights::{Resource, Right};
use crate::domain::user::{Role, User};
use crate::error::Error;
use crate::http::problem::Problem;
use crate::service::{App, read};
use axum::Router;
use axum::routing::get;

/// The page in the navigation.
pub const PAGE: Page = Page {
    label: "Personal tokens",
    path: "/tokens",
    place: Place::Account,
    right: Some(Right::read(Resource::PersonalTokens)),
    routes,
};

/// What changing tokens takes.
const WRITE: Right = Right::write(Resource::PersonalTokens);

fn routes() -> Router<App> {
    Router::new()
        .route("/accounts/{account}/tokens", get(list::show))
        .route("/accounts/{account}/tokens/new", get(create::show).post(create::create))
        .route("/accounts/{account}/tokens/{token}/rename", get(rename::show).post(rename::rename))
        .route("/accounts/{account}/tokens/{token}/revoke", get(revoke::show).post(revoke::revoke))
        .route("/accounts/{account}/tokens/{token}/receipt", get(receipt::show))
}

/// The token that the address names, if it is of the account that it names.
async fn named(app: &App, view: &View) -> Result<Key, Problem> {
    let missing = || Error::not_found("personal access token");
    let id = KeyId::parse(view.parameter("token")).ok_or_else(missing)?;
    let account = view.account()?.id;
    let token = read::personal_token(app, view.origin(), id).await?;
    if token.account_id == account { Ok(token) } else { Err(missing().into()) }
}

/// The newest people of the account, as many as a list shows.
async fn people(app: &App, view: &View) -> Result<Vec<User>, Problem> {
    if !view.may(Right::read(Resource::Users)) {
        return Ok(Vec::new());
    }
    let page = PageRequest { cursor: None, limit: MAX_LIMIT };
    Ok(read::users(app, view.origin(), Some(view.account()?.id), page).await?.data)
}

/// Whether who looks sees tokens of others.
fn sees_all(view: &View) -> bool {
    !matches!(view.origin().actor, Actor::User { role: Role::Member, .. })
}

/// Where a token's pages are.
fn path(view: &View, token: &Key, rest: &str) -> String {
    view.path(&format!("/tokens/{}{rest}", token.id))
}
