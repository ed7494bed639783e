//! `/proxies`: which proxies are connected, how far each is, and which lag.

use super::{Page, Place, proxy_tokens};
use crate::dashboard::answer::Answer;
use crate::dashboard::components::{Tone, badge, empty, time};
use crate::dashboard::view::View;
use crate::domain::rights::{Resource, Right};
use crate::domain::time::Time;
use crate::service::App;
use crate::service::list_proxies::{Proxy, list_proxies};
use crate::service::workers::{Held, Worker};
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use maud::{Markup, html};
use std::time::Duration;

/// The page in the navigation.
pub const PAGE: Page = Page {
    label: "Proxies",
    path: "/proxies",
    place: Place::Operator,
    right: Some(Right::read(Resource::Proxies)),
    routes,
};

/// How many that lag are named above the list.
const NAMED: usize = 5;

fn routes() -> Router<App> {
    Router::new().route("/proxies", get(show))
}

/// Shows them.
async fn show(State(app): State<App>, view: View) -> Answer {
    let (head, proxies) = list_proxies(&app, view.origin())?;
    let now = app.now();
    let content = html! {
        div.title {
            h1 { "Proxies" }
            a.button href="/proxies" { "Look again" }
        }
        @if proxies.is_empty() {
            (empty("No proxy is connected", &html! {
                p { "Each Envoy asks this control plane for keys and changes, with a proxy token from its environment. Those that asked within the last two minutes are listed here." }
                p {
                    @if view.may(Right::read(Resource::ProxyTokens)) { a.button href=(proxy_tokens::PATH) { "Proxy tokens" } " " }
                    a.button.primary href="/docs" { "How to connect one" }
                }
            }))
        } @else {
            (standing(head, &proxies, now))
            (table(head, &proxies, now))
            p.hint { "The last change is revision " (head) ". A proxy that has it decides by all that was ever changed; its age says for how long it has not." }
        }
    };
    Ok(view.page(PAGE, "Proxies", &content))
}

/// How all of them stand, in words.
fn standing(head: u64, proxies: &[Proxy], now: Time) -> Markup {
    let lagging: Vec<_> = proxies.iter().filter(|proxy| proxy.lags(head)).collect();
    let all = proxies.len();
    html! {
        p.receipt.complete[lagging.is_empty()] role="status" {
            @if lagging.is_empty() {
                @if all == 1 { "The proxy has every change." } @else { "All " strong { (all) } " proxies have every change." }
            } @else {
                strong { (lagging.len()) " of " (all) }
                @if lagging.len() == 1 { " lags: " } @else { " lag: " }
                @for (place, proxy) in lagging.iter().take(NAMED).enumerate() {
                    @if place > 0 { "; " }
                    (name(proxy)) " " (words(proxy, head, now))
                }
                @if lagging.len() > NAMED { "; and " (lagging.len() - NAMED) " more" }
                "."
            }
        }
    }
}

fn table(head: u64, proxies: &[Proxy], now: Time) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Proxies" {
            table.cards {
                thead { tr {
                    th scope="col" { "Proxy" }
                    th scope="col" { "State" }
                    th scope="col" { "Revision" }
                    th scope="col" { "Age" }
                    th scope="col" { "Workers" }
                    th scope="col" { "Filter" }
                    th scope="col" { "Last seen" }
                } }
                tbody {
                    @for proxy in proxies {
                        tr {
                            th scope="row" data-label="Proxy" { (name(proxy)) }
                            td data-label="State" {
                                @if proxy.lags(head) { (badge(Tone::Warn, "Lags")) span.quiet.below { (words(proxy, head, now)) } }
                                @else { (badge(Tone::Good, "Up to date")) }
                            }
                            td data-label="Revision" { (revision(proxy)) }
                            td data-label="Age" { (ago(age(proxy, head, now))) }
                            td data-label="Workers" { (workers(proxy, head)) }
                            td data-label="Filter" { (versions(proxy)) }
                            td data-label="Last seen" { (time(seen(proxy, now), now)) }
                        }
                    }
                }
            }
        }
    }
}

fn name(proxy: &Proxy) -> Markup {
    html! { @if proxy.name.is_empty() { em { "without a name" } } @else { (proxy.name) } }
}

/// The least revision of its workers.
fn revision(proxy: &Proxy) -> Markup {
    // `None` sorts first.
    let least = proxy.workers.iter().map(Worker::revision).min().flatten();
    html! { @match least { Some(revision) => (revision), None => span.quiet { "None yet" } } }
}

fn age(proxy: &Proxy, head: u64, now: Time) -> Duration {
    proxy.workers.iter().map(|worker| worker.age(head, now)).max().unwrap_or_default()
}

fn seen(proxy: &Proxy, now: Time) -> Time {
    proxy.workers.iter().map(|worker| worker.seen_at).max().unwrap_or(now)
}

/// Why it lags: the rest of a sentence that begins with its name.
fn words(proxy: &Proxy, head: u64, now: Time) -> String {
    let behind = proxy.workers.iter().filter(|worker| worker.lags(head));
    let without = behind.clone().filter(|worker| worker.held == Held::Nothing).count();
    let other = behind.clone().filter(|worker| worker.held == Held::Other).count();
    let changes = behind.filter_map(Worker::revision).map(|revision| head.saturating_sub(revision)).max();
    let age = ago(age(proxy, head, now));
    match (without, other, changes) {
        (1.., ..) => format!("loads its first table, so requests with keys wait there (for {age})"),
        (_, 1.., _) => format!("loads all keys anew and decides by an older table until it has them (for {age})"),
        (.., Some(1)) => format!("is one change behind (for {age})"),
        (.., Some(changes)) => format!("is {changes} changes behind (for {age})"),
        _ => "has every change".to_owned(),
    }
}

/// How many workers, and how many of them lag.
fn workers(proxy: &Proxy, head: u64) -> Markup {
    let lagging = proxy.workers.iter().filter(|worker| worker.lags(head)).count();
    html! {
        (proxy.workers.len())
        @if lagging > 0 && proxy.workers.len() > 1 { span.quiet { ", of which " (lagging) " lag" @if lagging == 1 { "s" } } }
    }
}

/// The filters' versions, each once.
fn versions(proxy: &Proxy) -> Markup {
    let mut versions: Vec<_> = proxy.workers.iter().map(|worker| worker.filter.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    html! {
        @for (place, version) in versions.iter().enumerate() {
            @if place > 0 { ", " }
            @if version.is_empty() { span.quiet { "unknown" } } @else { (version) }
        }
    }
}

/// A length of time, short.
fn ago(age: Duration) -> String {
    match age.as_secs() {
        0 => "0 s".to_owned(),
        seconds @ 1..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}
