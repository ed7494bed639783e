//! The pages: one folder or file each. A page registers itself in [`PAGES`], one line, and is then in the navigation and on the air.

mod accounts;
mod admin_keys;
mod audit;
mod credentials;
mod home;
mod keys;
mod overview;
mod projects;
mod proxies;
mod proxy_tokens;
mod sessions;
mod settings;
pub mod sign_in;
pub mod sign_in_with;
mod team;
mod tokens;
mod usage;

use crate::domain::rights::Right;
use crate::service::App;
use axum::Router;

/// A page of the navigation.
#[derive(Clone, Copy)]
pub struct Page {
    /// What it is called.
    pub label: &'static str,
    /// Where it is: behind `/accounts/<id>`, or as it stands.
    pub path: &'static str,
    /// Whose it is.
    pub place: Place,
    /// Who has not this right does not see it in the navigation; the page's operations refuse them too.
    pub right: Option<Right>,
    /// Its routes.
    pub routes: fn() -> Router<App>,
}

/// Whose a page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// An account's.
    Account,
    /// The operator's, beside all accounts.
    Operator,
}

/// All pages, in the order of the navigation.
pub const PAGES: &[Page] = &[
    overview::PAGE,
    keys::PAGE,
    usage::PAGE,
    projects::PAGE,
    tokens::PAGE,
    team::PAGE,
    audit::PAGE,
    settings::PAGE,
    proxies::PAGE,
    proxy_tokens::PAGE,
    admin_keys::PAGE,
];

/// The routes of all pages.
pub fn routes() -> Router<App> {
    let apart = home::routes().merge(accounts::routes()).merge(sessions::routes());
    PAGES.iter().fold(apart, |routes, page| routes.merge((page.routes)()))
}
