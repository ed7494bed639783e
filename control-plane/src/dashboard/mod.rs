//! The dashboard: where people create, copy, watch and revoke keys, in a browser, at `/` of the management listener.
//!
//! Pages are HTML from this process; nothing is loaded from anywhere else. They call the operations of [`crate::service`] as the API
//! does, with who is signed in as the actor: rights are decided there, and a page only hides what would be refused. All that matters
//! works without JavaScript; `assets/script.js` saves page loads where there is some.
//!
//! | file | what |
//! |---|---|
//! | [`pages`] | one page each, and the one list in which each registers itself |
//! | [`gate`] | who is signed in, and that a form was sent by the page that it was made for |
//! | [`view`] | what every page knows: who looks, at which account, and the shell around it |
//! | [`components`] | what pages are made of |
//! | [`forms`], [`ends`], [`receipt`] | what forms share, and what is told of changes that proxies must hear of |
//! | [`assets`] | style sheet, script, icon |

mod answer;
mod assets;
mod components;
mod cookie;
mod csrf;
mod ends;
mod flash;
mod forms;
mod gate;
mod layout;
mod link;
mod pages;
mod receipt;
mod restrictions;
mod view;

pub use answer::missing;

use crate::jwt::CALLBACK;
use crate::service::App;
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

/// The routes.
pub fn routes(app: &App) -> Router<App> {
    let signed_in = pages::routes().route_layer(from_fn_with_state(app.clone(), gate::require_session));
    let open = Router::new()
        .route("/sign-in", get(pages::sign_in::show).post(pages::sign_in::sign_in))
        .route("/sign-in/with/{provider}", get(pages::sign_in_with::begin))
        .route(CALLBACK, get(pages::sign_in_with::end))
        .route("/sign-out", post(pages::sign_in::sign_out));
    signed_in.merge(open).layer(from_fn(answer::html_errors)).route("/assets/{name}", get(assets::serve))
}
