//! From where a key that is being replaced is still used: who has not changed over yet.

use super::super::super::components::{large, time};
use super::super::super::view::View;
use super::{WRITE, path};
use crate::domain::key::{Key, Status};
use crate::domain::source::{MAX_SOURCES, Source};
use crate::domain::time::DAY;
use crate::http::problem::Problem;
use crate::service::{App, read};
use maud::{Markup, html};
use std::time::Duration;

/// The part of a page about the old key, when it is being replaced and still works; nothing otherwise.
pub async fn of_old_key(app: &App, view: &View, old: &Key) -> Result<Markup, Problem> {
    if old.replaced_by.is_none() || old.status(view.now) != Status::Active {
        return Ok(html! {});
    }
    let sources = read::key_sources(app, view.origin(), old.id).await?;
    Ok(html! {
        section.part {
            div.title {
                h2 { "Who still uses the old key" }
                @if view.may(WRITE) {
                    a.button.danger href={ (path(view, old)) "/revoke" } data-dialog { "Revoke the old key" }
                }
            }
            p { "The old key " code { (old.mask) } " " (end(old, view)) }
            @if sources.is_empty() {
                p.quiet { "No proxy has seen it since the rotation. Uses are reported within seconds, so whoever had it may have changed over already." }
            } @else {
                (table(view, &sources))
            }
        }
    })
}

/// How an old key ends: the rest of a sentence.
pub fn end(old: &Key, view: &View) -> Markup {
    html! {
        @match (old.status(view.now), old.idle_limit, old.expires_at) {
            (Status::Revoked, ..) => { "is revoked." }
            (Status::Expired, ..) => { "has ended." }
            (_, Some(idle), None) => { "works until no proxy has seen it for " (span(idle)) "; then it is revoked by itself." }
            (_, Some(idle), Some(end)) => {
                "works until no proxy has seen it for " (span(idle)) ", at the latest until it ends " (time(end, view.now)) "."
            }
            (_, None, Some(end)) => { "ends " (time(end, view.now)) "." }
            (_, None, None) => { "has no end: revoke it when nobody uses it any more." }
        }
    }
}

/// `36 hours`, `7 days`.
pub fn span(time: Duration) -> String {
    let hours = time.as_secs() / 3_600;
    let (number, unit) =
        if hours > 24 && time.as_secs().is_multiple_of(DAY.as_secs()) { (hours / 24, "day") } else { (hours, "hour") };
    if number == 1 { format!("1 {unit}") } else { format!("{number} {unit}s") }
}

fn table(view: &View, sources: &[Source]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Who still uses the old key" {
            table.cards {
                thead {
                    tr { th scope="col" { "Address" } th.number scope="col" { "Requests" } th scope="col" { "First seen" } th scope="col" { "Last seen" } }
                }
                tbody {
                    @for source in sources {
                        tr {
                            th scope="row" data-label="Address" {
                                @match source.address.0 {
                                    Some(address) => code { (address) },
                                    None => { "Addresses that the proxies did not tell" }
                                }
                            }
                            td.number data-label="Requests" { (large(source.count)) }
                            td data-label="First seen" { (time(source.first_seen_at, view.now)) }
                            td data-label="Last seen" { (time(source.last_seen_at, view.now)) }
                        }
                    }
                }
            }
        }
        @if sources.len() >= usize::try_from(MAX_SOURCES).unwrap_or(usize::MAX) {
            p.hint { "These are the " (MAX_SOURCES) " that used it last." }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_hours_and_whole_days() {
        let told = |hours| span(Duration::from_hours(hours));
        assert_eq!([told(1), told(24), told(36), told(168)], ["1 hour", "24 hours", "36 hours", "7 days"]);
    }
}
