//! `/accounts/{account}/keys/{key}/receipt?revision=R`: how many proxies refuse a revoked key by now, and which lag.

use super::super::super::answer::Answer;
use super::super::super::view::View;
use super::{PAGE, named, path};
use crate::domain::key::Key;
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::receipt::{Receipt, receipt};
use axum::extract::State;
use maud::{Markup, html};
use std::time::Duration;

/// How long an answer waits for proxies that lag.
const WAIT: Duration = Duration::from_secs(10);
/// How many proxies that lag are named.
const NAMED: usize = 10;

/// Looks again.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let key = named(&app, &view).await?;
    if key.revoked_at().is_none() {
        return Err(Error::with_detail(Code::NotFound, "The key is not revoked, so there is no receipt.").into());
    }
    // A revision that is still to come would be waited for, and that is all.
    let revision = view.asked("revision").parse().unwrap_or_default();
    let receipt = receipt(&app, view.origin(), revision, WAIT).await;
    Ok(view.page(PAGE, "Key revoked", &told(&view, &key, &receipt, false)))
}

/// What became of the key, for people. `first`: the time that was waited is the time since the revoking.
pub fn told(view: &View, key: &Key, receipt: &Receipt, first: bool) -> Markup {
    let again = format!("{}/receipt?revision={}", path(view, key), receipt.revision);
    let is_complete = receipt.applied >= receipt.proxies;
    html! {
        p.back { a href=(view.path("/keys")) { "API keys" } }
        div data-dialog-body data-changed data-again=[(!is_complete).then_some(&again)] {
            h1 #dialog-title { q { (key.name) } " is revoked" }
            p.receipt.complete[is_complete] {
                @if receipt.proxies == 0 {
                    "No proxy is connected now. Each that connects from now on refuses the key."
                } @else if is_complete {
                    strong { (receipt.applied) " of " (receipt.proxies) " proxies" } " refuse it"
                    @if first { ", the last of them " strong { (receipt.elapsed.as_millis()) " ms" } " after the revoking" }
                    "."
                } @else {
                    strong { (receipt.applied) " of " (receipt.proxies) " proxies" } " refuse it"
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
            div.buttons {
                @if !is_complete { a.button href=(again) data-dialog { "Look again" } }
                a.button.primary href=(view.path("/keys")) data-close { "Done" }
            }
        }
    }
}
