//! `/accounts/{account}/keys/{key}/receipt?revision=R`: how many proxies have a change by now, such as a revoking, and which lag.

use super::super::super::answer::Answer;
use super::super::super::receipt::{AGAIN_WAIT, Change, Words, is_complete, revision, standing};
use super::super::super::view::View;
use super::{PAGE, named, path};
use crate::domain::key::Key;
use crate::service::App;
use crate::service::receipt::{Receipt, receipt};
use axum::extract::State;
use maud::{Markup, html};

/// Of a key that is revoked.
const REVOKED: Words = Words { they: "refuse it", each: "refuses the key", after: "the revoking" };
/// Of any other change.
pub const CHANGED: Words = Words { they: "have the change", each: "has it", after: "it was saved" };

/// Looks again.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let key = named(&app, &view).await?;
    let receipt = receipt(&app, view.origin(), revision(&view), AGAIN_WAIT).await;
    if key.revoked_at().is_some() {
        return Ok(view.page(PAGE, "Key revoked", &told(&view, &key, &receipt, false)));
    }
    let content = html! {
        p.back { a href=(path(&view, &key)) { (key.name) } }
        div data-dialog-body {
            h1 #dialog-title { "Who has the change of " q { (key.name) } }
            (standing(&receipt, CHANGED, false))
            div.buttons {
                @if !is_complete(&receipt) { a.button href=(again(&view, &key, &receipt)) data-dialog { "Look again" } }
                a.button.primary href=(path(&view, &key)) data-close { "Done" }
            }
        }
    };
    Ok(view.page(PAGE, "Who has the change", &content))
}

/// Where one looks again.
pub fn again(view: &View, key: &Key, receipt: &Receipt) -> String {
    format!("{}?revision={}", place(view, key), receipt.revision)
}

fn place(view: &View, key: &Key) -> String {
    format!("{}/receipt", path(view, key))
}

/// What became of a revoked key, for people. `first`: the time that was waited is the time since the revoking.
pub fn told(view: &View, key: &Key, receipt: &Receipt, first: bool) -> Markup {
    let (back, again) = (view.path("/keys"), place(view, key));
    let title = html! { q { (key.name) } " is revoked" };
    let change = Change { back: (&back, "API keys"), title, more: html! {}, words: REVOKED, again: &again };
    change.told(receipt, first)
}
