//! `/accounts/{account}/tokens/{token}/receipt?revision=R`: how many proxies refuse a revoked token by now, and which lag.

use super::revoke::is_behind;
use super::{PAGE, named, path};
use crate::dashboard::answer::Answer;
use crate::dashboard::receipt::{AGAIN_WAIT, Change, Words, revision};
use crate::dashboard::view::View;
use crate::domain::key::Key;
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::receipt::{Receipt, receipt};
use axum::extract::State;
use maud::{Markup, html};

/// Looks again.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let token = named(&app, &view).await?;
    if token.revoked_at().is_none() {
        return Err(Error::with_detail(Code::NotFound, "The token is not revoked, so there is no receipt.").into());
    }
    let receipt = receipt(&app, view.origin(), revision(&view), AGAIN_WAIT).await;
    Ok(view.page(PAGE, "Token revoked", &told(&view, &token, &receipt, false)))
}

/// What became of the token, for people.
pub fn told(view: &View, token: &Key, receipt: &Receipt, first: bool) -> Markup {
    let (back, again) = (view.path("/tokens"), path(view, token, "/receipt"));
    let change = Change {
        back: (&back, "Personal tokens"),
        title: html! { q { (token.name) } " is revoked" },
        more: html! { @if is_behind(view, token) { p { "You were signed in with it, so this session is over." } } },
        words: Words { they: "refuse it", each: "refuses it", after: "the revoking" },
        again: &again,
    };
    change.told(receipt, first)
}
