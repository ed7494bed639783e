//! `/accounts/{account}/keys/{key}/receipt?revision=R`: how many proxies have a change by now, such as a revoking, and which lag.

use super::super::super::answer::Answer;
use super::super::super::view::View;
use super::{PAGE, named, path};
use crate::domain::key::Key;
use crate::service::App;
use crate::service::receipt::{Receipt, receipt};
use axum::extract::State;
use maud::{Markup, html};
use std::time::Duration;

/// How long an answer waits for proxies that lag.
const WAIT: Duration = Duration::from_secs(10);
/// How many proxies that lag are named.
const NAMED: usize = 10;

/// What proxies do that have a change, in words.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// "3 of 3 proxies ...".
    pub many: &'static str,
    /// "Each that connects from now on ...".
    pub one: &'static str,
    /// "12 ms after ...".
    pub since: &'static str,
}

/// Of a key that is revoked.
const REVOKED: Words = Words { many: "refuse it", one: "refuses the key", since: "the revoking" };
/// Of any other change.
pub const CHANGED: Words = Words { many: "have the change", one: "has it", since: "it was saved" };

/// Looks again.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let key = named(&app, &view).await?;
    // A revision that is still to come would be waited for, and that is all.
    let revision = view.asked("revision").parse().unwrap_or_default();
    let receipt = receipt(&app, view.origin(), revision, WAIT).await;
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
    format!("{}/receipt?revision={}", path(view, key), receipt.revision)
}

/// Whether every live proxy has it.
pub const fn is_complete(receipt: &Receipt) -> bool {
    receipt.applied >= receipt.proxies
}

/// How many proxies have a change, and which lag. `first`: the time that was waited is the time since the change.
pub fn standing(receipt: &Receipt, words: Words, first: bool) -> Markup {
    let is_complete = is_complete(receipt);
    html! {
        p.receipt.complete[is_complete] {
            @if receipt.proxies == 0 {
                "No proxy is connected now. Each that connects from now on " (words.one) "."
            } @else if is_complete {
                strong { (receipt.applied) " of " (receipt.proxies) " proxies" } " " (words.many)
                @if first { ", the last of them " strong { (receipt.elapsed.as_millis()) " ms" } " after " (words.since) }
                "."
            } @else {
                strong { (receipt.applied) " of " (receipt.proxies) " proxies" } " " (words.many)
                @if first { " after " (receipt.elapsed.as_millis()) " ms" }
                ". The rest follow as soon as they ask again."
            }
        }
        @if let Some(lagging) = receipt.lagging.as_ref().filter(|lagging| !lagging.is_empty()) {
            p { "Not yet:" }
            ul.lagging {
                @for workers in lagging.iter().take(NAMED) {
                    li { code { (workers.first().map_or("a proxy without a name", |worker| worker.proxy.as_str())) }
                        span.quiet { (workers.len()) @if workers.len() == 1 { " worker" } @else { " workers" } } }
                }
                @if lagging.len() > NAMED { li { "and " (lagging.len() - NAMED) " more" } }
            }
        }
    }
}

/// What became of a revoked key, for people. `first`: the time that was waited is the time since the revoking.
pub fn told(view: &View, key: &Key, receipt: &Receipt, first: bool) -> Markup {
    let (again, is_complete) = (again(view, key, receipt), is_complete(receipt));
    html! {
        p.back { a href=(view.path("/keys")) { "API keys" } }
        div data-dialog-body data-changed data-again=[(!is_complete).then_some(&again)] {
            h1 #dialog-title { q { (key.name) } " is revoked" }
            (standing(receipt, REVOKED, first))
            div.buttons {
                @if !is_complete { a.button href=(again) data-dialog { "Look again" } }
                a.button.primary href=(view.path("/keys")) data-close { "Done" }
            }
        }
    }
}
