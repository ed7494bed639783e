//! What needs attention, each with what it is about and where it is mended.

use super::super::super::components::{Tone, count, large, time};
use super::super::super::view::View;
use super::super::keys::WRITE;
use super::super::usage::reason_in_words;
use super::super::{PAGES, Place};
use super::PROXIES;
use super::refusals::LastDay;
use crate::domain::key::Key;
use crate::domain::time::Time;
use crate::error::Error;
use crate::service::App;
use crate::service::attention::{Attention, Kind, NAMED};
use crate::service::list_proxies::{Proxy, list_proxies};
use maud::{Markup, html};
use std::time::Duration;

/// A proxy that lacks a change for less is about to have it.
const LATE: Duration = Duration::from_secs(10);

/// Something that needs attention.
pub struct Finding {
    pub tone: Tone,
    /// A sentence.
    pub title: String,
    /// What it means and what to do.
    pub text: Markup,
    /// Where it is mended, and what that is called; `None` when it is not in the dashboard.
    pub way: Option<(String, &'static str)>,
}

/// What is found, the worst first.
pub fn findings(app: &App, view: &View, keys: &Attention, day: Option<&LastDay>) -> Result<Vec<Finding>, Error> {
    let mut found = Vec::new();
    if view.may(PROXIES) {
        proxies(app, view, keys, &mut found)?;
    }
    if let Some(day) = day.filter(|day| day.is_rising()) {
        found.push(refusals(view, day));
    }
    if keys.ending.count > 0 {
        found.push(ending(view, keys));
    }
    found.extend(keys.near_cap.iter().map(|near| {
        let is_full = near.keys >= near.most;
        Finding {
            tone: if is_full { Tone::Bad } else { Tone::Warn },
            title: format!("Project {} has {} of the {} keys that the plan allows.", near.name, count(near.keys), count(near.most)),
            text: html! { p { @if is_full { "It can have no more. " } "Revoke keys that nobody uses, or upgrade the plan." } },
            way: Some((view.path(&format!("/keys?project={}&order=unused", near.project)), "See its keys, unused longest first")),
        }
    }));
    if keys.replaced.count > 0 {
        found.push(replaced(view, &keys.replaced));
    }
    if keys.unused.count > 0 {
        found.push(unused(view, keys));
    }
    Ok(found)
}

fn proxies(app: &App, view: &View, keys: &Attention, found: &mut Vec<Finding>) -> Result<(), Error> {
    let (head, proxies) = list_proxies(app, view.origin())?;
    let page = PAGES.iter().find(|page| page.place == Place::Operator && page.path == "/proxies");
    let way = page.map(|page| (page.path.to_owned(), "Look at the proxies"));
    if proxies.is_empty() && keys.working > 0 {
        found.push(Finding {
            tone: Tone::Bad,
            title: "No proxy is connected.".to_owned(),
            text: html! { p { "Keys are checked in Envoy, and none has asked for them in the last minutes. "
            a href="/docs" { "How proxies are set up" } } },
            way: way.clone(),
        });
    }
    let late =
        |proxy: &&Proxy| proxy.workers.iter().any(|worker| worker.lags(head) && worker.age(head, view.now) > LATE);
    let late: Vec<_> = proxies.iter().filter(late).collect();
    if !late.is_empty() {
        let number = count(u32::try_from(late.len()).unwrap_or(u32::MAX));
        let verb = if late.len() == 1 { "proxy lags" } else { "proxies lag" };
        found.push(Finding {
            tone: Tone::Bad,
            title: format!("{number} {verb} behind the last change."),
            text: html! {
                p { "A key that was revoked meanwhile may still work there: "
                    @for (place, proxy) in late.iter().take(names()).enumerate() {
                        @if place > 0 { ", " }
                        code { (if proxy.name.is_empty() { "a proxy without a name" } else { &proxy.name }) }
                    }
                    @if late.len() > names() { " and " (late.len() - names()) " more" }
                    "." }
            },
            way,
        });
    }
    Ok(())
}

fn refusals(view: &View, day: &LastDay) -> Finding {
    let average = day.week_before / 7;
    Finding {
        tone: Tone::Bad,
        title: format!("{} requests were refused in the last 24 hours.", large(day.refused)),
        text: html! {
            p {
                @if day.week_before == 0 { "In the seven days before there were none." }
                @else { "In the seven days before there were " (large(average)) " a day." }
                @if let Some((reason, most)) = day.most { " Most of them, " (large(most)) ": " strong { (reason_in_words(reason)) } "." }
            }
        },
        way: Some((view.path("/usage?range=24h"), "See why")),
    }
}

fn ending(view: &View, keys: &Attention) -> Finding {
    let Attention { ending, ending_soon, .. } = keys;
    let verb = if ending.count == 1 { "key ends" } else { "keys end" };
    let soon = match *ending_soon {
        0 => "30 days".to_owned(),
        soon if soon == ending.count => "7 days".to_owned(),
        soon => format!("30 days, {} of them within 7 days", count(soon)),
    };
    Finding {
        tone: if *ending_soon > 0 { Tone::Bad } else { Tone::Warn },
        title: format!("{} {verb} within {soon}.", count(ending.count)),
        text: html! {
            p { "Whoever uses them is refused from then on. Rotate a key, or edit its end." }
            (named(view, ending, |key, now| html! { @if let Some(end) = key.expires_at { "ends " (time(end, now)) } }))
        },
        way: Some((view.path("/keys?status=ending&order=expiry"), "See them all")),
    }
}

fn replaced(view: &View, replaced: &Kind) -> Finding {
    let is_one = replaced.count == 1;
    let verb = if is_one { "old key still works" } else { "old keys still work" };
    Finding {
        tone: Tone::Quiet,
        title: format!("{} {verb} beside the new one.", count(replaced.count)),
        text: html! {
            p {
                @if is_one { "It was rotated. See who still uses it, and revoke it when nobody does." }
                @else { "They were rotated. See who still uses them, and revoke them when nobody does." }
            }
            (named(view, replaced, |key, now| html! {
                @match key.expires_at {
                    Some(end) => { "ends " (time(end, now)) }
                    None => { "ends when nobody uses it" }
                }
            }))
        },
        way: Some((view.path("/keys?status=replaced&order=expiry"), "See them all")),
    }
}

fn unused(view: &View, keys: &Attention) -> Finding {
    let Attention { unused, never_used, long_unused, .. } = keys;
    let verb = if unused.count == 1 { "key has" } else { "keys have" };
    let mut parts = Vec::new();
    if *never_used > 0 {
        parts.push(format!("{} never at all", count(*never_used)));
    }
    if *long_unused > 0 {
        parts.push(format!("{} not for 90 days", count(*long_unused)));
    }
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    Finding {
        tone: Tone::Quiet,
        title: format!("{} {verb} not been used for 30 days{parts}.", count(unused.count)),
        text: html! {
            p { "A key that nobody needs is only a risk. "
                @if view.may(WRITE) { "Disable it first if you are not sure: that can be undone." } }
            (named(view, unused, |key, now| html! {
                @match key.last_used_at {
                    Some(at) => { "last used " (time(at, now)) }
                    None => { "never used, created " (time(key.created_at, now)) }
                }
            }))
        },
        way: Some((view.path("/keys?status=unused&order=unused"), "See them all")),
    }
}

/// The first few keys of a kind, by name.
fn named(view: &View, kind: &Kind, what: fn(&Key, Time) -> Markup) -> Markup {
    html! {
        ul.few {
            @for key in &kind.first {
                li { a href=(view.path(&format!("/keys/{}", key.id))) { (key.name) } " " code { (key.mask) } " " span.quiet { (what(key, view.now)) } }
            }
            @if kind.count > NAMED { li.quiet { "and " (count(kind.count - NAMED)) " more" } }
        }
    }
}

/// How many proxies are named.
fn names() -> usize {
    usize::try_from(NAMED).unwrap_or(usize::MAX)
}
