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

/// A change, in words.
#[derive(Debug)]
pub struct Change<'a> {
    /// Where to go back to, and what that is called.
    pub back: (&'a str, &'a str),
    /// What was done.
    pub title: Markup,
    /// More to say of it.
    pub more: Markup,
    /// What proxies that have it do: `refuse it`.
    pub they: &'a str,
    /// The same of one: `refuses it`.
    pub each: &'a str,
    /// What it was: `the revoking`.
    pub after: &'a str,
    /// Where one looks again.
    pub again: &'a str,
}

impl Change<'_> {
    /// The receipt for people. `first`: the time that was waited is the time since the change.
    pub fn told(&self, receipt: &Receipt, first: bool) -> Markup {
        let (back, label) = self.back;
        let again = format!("{}?revision={}", self.again, receipt.revision);
        let is_complete = receipt.applied >= receipt.proxies;
        html! {
            p.back { a href=(back) { (label) } }
            div data-dialog-body data-changed data-again=[(!is_complete).then_some(&again)] {
                h1 #dialog-title { (self.title) }
                (self.more)
                p.receipt.complete[is_complete] {
                    @if receipt.proxies == 0 {
                        "No proxy is connected now. Each that connects from now on " (self.each) "."
                    } @else {
                        strong { (receipt.applied) " of " (receipt.proxies) " proxies" } " " (self.they)
                        @if is_complete && first { ", the last of them " strong { (receipt.elapsed.as_millis()) " ms" } " after " (self.after) }
                        @if !is_complete && first { " after " (receipt.elapsed.as_millis()) " ms" }
                        "."
                        @if !is_complete { " The rest follow as soon as they ask again." }
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
                    a.button.primary href=(back) data-close { "Done" }
                }
            }
        }
    }
}
