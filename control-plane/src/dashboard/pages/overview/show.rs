//! The page: a few numbers, then what needs attention, or that all is well.

use super::super::super::answer::Answer;
use super::super::super::components::{Tone, badge, count, empty, large};
use super::super::super::view::View;
use super::super::keys::{WRITE, projects};
use super::findings::{Finding, findings};
use super::refusals::{LastDay, last_day};
use super::{PAGE, PROXIES};
use crate::service::App;
use crate::service::attention::{Attention, attention};
use crate::service::list_proxies::list_proxies;
use axum::extract::State;
use maud::{Markup, html};

/// Shows the page.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let account = view.account()?;
    let (keys, day) = tokio::try_join!(attention(&app, view.origin(), account.id), last_day(&app, &view))?;
    let proxies = if view.may(PROXIES) { Some(list_proxies(&app, view.origin())?.1.len()) } else { None };
    let found = findings(&app, &view, &keys, day.as_ref())?;
    let is_new = keys.working == 0 && found.is_empty() && day.is_none_or(|day| day.allowed == 0 && day.refused == 0);
    let content = html! {
        div.title {
            h1 { "Overview" }
            @if view.may(WRITE) && !is_new { a.button.primary href=(view.path("/keys/new")) { "Create key" } }
        }
        @if is_new {
            (nothing_yet(&view, !projects(&app, &view).await?.is_empty()))
        } @else {
            (numbers(&view, &keys, day.as_ref(), proxies))
            @if found.is_empty() { (all_is_well()) } @else { (attention_needed(&found)) }
        }
    };
    Ok(view.page(PAGE, "Overview", &content))
}

fn numbers(view: &View, keys: &Attention, day: Option<&LastDay>, proxies: Option<usize>) -> Markup {
    html! {
        dl.tiles {
            div { dt { "Keys that work" } dd { a href=(view.path("/keys?status=active")) { (count(keys.working)) } } }
            @if let Some(day) = day {
                div { dt { "Allowed in 24 hours" } dd { a href=(view.path("/usage?range=24h")) { (large(day.allowed)) } } }
                div { dt { "Refused in 24 hours" } dd { a href=(view.path("/usage?range=24h")) { (large(day.refused)) } } }
            }
            @if let Some(proxies) = proxies { div { dt { "Proxies connected" } dd { (large(u64::try_from(proxies).unwrap_or(u64::MAX))) } } }
        }
    }
}

fn attention_needed(found: &[Finding]) -> Markup {
    html! {
        section.part {
            h2 { "Needs attention" }
            ul.findings {
                @for finding in found {
                    li {
                        p.pair {
                            @match finding.tone {
                                Tone::Bad => (badge(Tone::Bad, "Now")),
                                Tone::Warn => (badge(Tone::Warn, "Soon")),
                                tone => (badge(tone, "When you have time")),
                            }
                            strong { (finding.title) }
                        }
                        (finding.text)
                        @if let Some((path, label)) = &finding.way { p { a href=(path) { (label) } } }
                    }
                }
            }
        }
    }
}

fn all_is_well() -> Markup {
    empty(
        "All is well",
        &html! {
            p { "No key is forgotten, about to end or half replaced, refusals are as few as ever, and every project has room for more keys." }
        },
    )
}

fn nothing_yet(view: &View, has_project: bool) -> Markup {
    empty(
        "No key works yet",
        &html! {
            p { "A key lets a program call your API. When there are some, you see here which are forgotten, about to end or half replaced, and whether refusals rise." }
            @if has_project && view.may(WRITE) {
                p { a.button.primary href=(view.path("/keys/new")) { "Create the first key" } }
            } @else {
                p { a.button href=(view.path("/keys")) { "To the keys" } }
            }
        },
    )
}
