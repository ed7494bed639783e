//! What is told of a change that proxies must hear of: how many have it, in how many milliseconds, and which lag.

use super::view::View;
use crate::service::receipt::Receipt;
use maud::{Markup, html};
use std::time::Duration;

/// How long the answer to the change waits for proxies that lag; then it says which, and people may look again.
pub const FIRST_WAIT: Duration = Duration::from_secs(3);
/// How long another look waits.
pub const AGAIN_WAIT: Duration = Duration::from_secs(10);

/// How many proxies that lag are named.
const NAMED: usize = 10;

/// The revision that a look again is about. One that is still to come is waited for, and that is all.
pub fn revision(view: &View) -> u64 {
    view.asked("revision").parse().unwrap_or_default()
}

/// What proxies do that have a change, in words.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// "3 of 3 proxies ...": `refuse it`.
    pub they: &'static str,
    /// "Each that connects from now on ...": `refuses it`.
    pub each: &'static str,
    /// "12 ms after ...": `the revoking`.
    pub after: &'static str,
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
                "No proxy is connected now. Each that connects from now on " (words.each) "."
            } @else if is_complete {
                strong { (receipt.applied) " of " (receipt.proxies) " proxies" } " " (words.they)
                @if first { ", the last of them " strong { (receipt.elapsed.as_millis()) " ms" } " after " (words.after) }
                "."
            } @else {
                strong { (receipt.applied) " of " (receipt.proxies) " proxies" } " " (words.they)
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

/// A change that has a page of its own.
#[derive(Debug)]
pub struct Change<'a> {
    /// Where to go back to, and what that is called.
    pub back: (&'a str, &'a str),
    /// What was done.
    pub title: Markup,
    /// More to say of it.
    pub more: Markup,
    /// What proxies that have it do.
    pub words: Words,
    /// Where one looks again.
    pub again: &'a str,
}

impl Change<'_> {
    /// The receipt for people. `first`: the time that was waited is the time since the change.
    pub fn told(&self, receipt: &Receipt, first: bool) -> Markup {
        let (back, label) = self.back;
        let again = format!("{}?revision={}", self.again, receipt.revision);
        let is_complete = is_complete(receipt);
        html! {
            p.back { a href=(back) { (label) } }
            div data-dialog-body data-changed data-again=[(!is_complete).then_some(&again)] {
                h1 #dialog-title { (self.title) }
                (self.more)
                (standing(receipt, self.words, first))
                div.buttons {
                    @if !is_complete { a.button href=(again) data-dialog { "Look again" } }
                    a.button.primary href=(back) data-close { "Done" }
                }
            }
        }
    }
}
