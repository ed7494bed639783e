//! API keys of an account: list, create, look at, rename, edit, switch off and on, rotate, revoke.

mod create;
mod created;
mod edit;
mod filters;
mod list;
mod receipt;
mod rename;
mod revoke;
mod rotate;
mod show;
mod sources;
mod switch;

use super::super::view::View;
use super::{Page, Place};
use crate::domain::cursor::{MAX_LIMIT, PageRequest};
use crate::domain::id::KeyId;
use crate::domain::key::Key;
use crate::domain::project::Project;
use crate::domain::rights::{Resource, Right};
use crate::error::Error;
use crate::http::problem::Problem;
use crate::service::{App, read};
use axum::Router;
use axum::routing::{get, post};
use maud::{Markup, html};

/// The page of the navigation.
pub const PAGE: Page =
    Page { label: "API keys", path: "/keys", place: Place::Account, right: Some(Right::read(Resource::Keys)), routes };

/// What changing keys takes.
pub const WRITE: Right = Right::write(Resource::Keys);

fn routes() -> Router<App> {
    Router::new()
        .route("/accounts/{account}/keys", get(list::show))
        .route("/accounts/{account}/keys/new", get(create::show).post(create::create))
        .route("/accounts/{account}/keys/{key}", get(show::show))
        .route("/accounts/{account}/keys/{key}/rename", get(rename::show).post(rename::rename))
        .route("/accounts/{account}/keys/{key}/edit", get(edit::show).post(edit::edit))
        .route("/accounts/{account}/keys/{key}/disable", post(switch::disable))
        .route("/accounts/{account}/keys/{key}/enable", post(switch::enable))
        .route("/accounts/{account}/keys/{key}/rotate", get(rotate::show).post(rotate::rotate))
        .route("/accounts/{account}/keys/{key}/revoke", get(revoke::show).post(revoke::revoke))
        .route("/accounts/{account}/keys/{key}/receipt", get(receipt::show))
}

/// The key that the address names, if it is of the account that it names.
async fn named(app: &App, view: &View) -> Result<Key, Problem> {
    let missing = || Error::not_found("key");
    let id = KeyId::parse(view.parameter("key")).ok_or_else(missing)?;
    let account = view.account()?.id;
    let key = read::key(app, view.origin(), id).await?;
    if key.account_id == account { Ok(key) } else { Err(missing().into()) }
}

/// The newest projects of the account, as many as a list shows.
pub async fn projects(app: &App, view: &View) -> Result<Vec<Project>, Problem> {
    let page = PageRequest { cursor: None, limit: MAX_LIMIT };
    let account = view.account()?.id;
    // Who may see keys but no projects has none to choose from.
    if !view.may(Right::read(Resource::Projects)) {
        return Ok(Vec::new());
    }
    Ok(read::projects(app, view.origin(), Some(account), page).await?.data)
}

/// Where a key's page is.
fn path(view: &View, key: &Key) -> String {
    view.path(&format!("/keys/{}", key.id))
}

/// A key's name, with the way to change it: the form of [`Named`](crate::dashboard::forms::Named) takes its place.
fn name(view: &View, key: &Key) -> Markup {
    let id = format!("name-{}", key.id);
    html! {
        span.name id=(id) {
            a href=(path(view, key)) { (key.name) }
            @if view.may(WRITE) {
                a.tool href={ (path(view, key)) "/rename" } data-part=(id) {
                    (super::super::components::pencil()) span.unseen { "Rename " (key.name) }
                }
            }
        }
    }
}
