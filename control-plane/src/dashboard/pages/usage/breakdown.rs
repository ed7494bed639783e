//! Requests by what they have in common: reason, key, project or environment, the most first.

use super::super::super::components::{count, environment, large};
use super::super::super::view::View;
use super::filters::{Filters, GROUPS};
use super::over_time::label;
use super::reasons::{advice, words};
use crate::domain::id::{KeyId, ProjectId};
use crate::domain::project::Project;
use crate::domain::time::Time;
use crate::domain::usage::{Group, GroupValue, MAX_LIMIT, Unit, UsageCursor, UsageRow};
use crate::error::{Code, Error};
use crate::service::report_usage::{UsageQuery, report_usage};
use crate::service::{App, read};
use maud::{Markup, html};

/// How many rows are shown.
const SHOWN: usize = 20;
/// How many pages of a report are read to find the most.
const MOST_PAGES: usize = 10;

/// What was found: the rows with the most requests, and how many more there are.
pub struct Breakdown {
    rows: Vec<(UsageRow, Markup)>,
    /// Whole days, when the plot has hours: since when.
    days_from: Option<Time>,
    more: usize,
    /// Whether there are more than were looked at.
    cut: bool,
}

/// Adds up by the group that the address says.
pub async fn break_down(
    app: &App,
    view: &View,
    filters: &Filters,
    query: &UsageQuery,
    projects: &[Project],
) -> Result<Breakdown, Error> {
    let mut rows: Vec<UsageRow> = Vec::new();
    let mut cursor: Option<UsageCursor> = None;
    let mut cut = true;
    let mut range = None;
    for _ in 0..MOST_PAGES {
        let query = UsageQuery { cursor: cursor.take(), limit: MAX_LIMIT, ..query.clone() };
        let report = report_usage(app, view.origin(), query).await?;
        range = Some(report.range);
        for row in report.rows {
            add(&mut rows, row);
        }
        cursor = report.next;
        if cursor.is_none() {
            cut = false;
            break;
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.allowed().saturating_add(row.refused())));
    let more = rows.len().saturating_sub(SHOWN);
    rows.truncate(SHOWN);
    let mut named = Vec::with_capacity(rows.len());
    for row in rows {
        let name = match row.groups.first() {
            Some(GroupValue::Key(id)) => key(app, view, filters, *id).await?,
            Some(GroupValue::Project(id)) => project(view, filters, projects, *id),
            Some(GroupValue::Environment(found)) => html! {
                a href=(filters.address(&view.path("/usage"), "environment", found.name())) { (environment(*found)) }
            },
            Some(GroupValue::Reason(reason)) => html! { (words(*reason)) },
            _ => html! {},
        };
        named.push((row, name));
    }
    let by_the_day =
        range.filter(|range| range.unit == Unit::Day && filters.unit(app.usage_hourly_retention) == Unit::Hour);
    Ok(Breakdown { rows: named, days_from: by_the_day.map(|range| range.from()), more, cut })
}

/// Adds a row to those before it. Rows of the same first group follow one another, one for each hour.
fn add(rows: &mut Vec<UsageRow>, row: UsageRow) {
    match rows.last_mut().filter(|last| last.groups.first() == row.groups.first()) {
        Some(last) => last.counts.extend(row.counts),
        None => rows.push(row),
    }
}

/// A key's name, which narrows the page to it; the same for a personal access token, to who may see it.
async fn key(app: &App, view: &View, filters: &Filters, id: KeyId) -> Result<Markup, Error> {
    let found = match read::key(app, view.origin(), id).await {
        Err(error) if error.code == Code::NotFound => read::personal_token(app, view.origin(), id).await,
        found => found,
    };
    match found {
        Ok(key) => Ok(html! {
            a href=(filters.address(&view.path("/usage"), "key", &id.to_string())) { (key.name) }
            code.below { (key.mask) }
        }),
        Err(error) if matches!(error.code, Code::NotFound | Code::Forbidden) => Ok(html! { "A personal access token" }),
        Err(error) => Err(error),
    }
}

fn project(view: &View, filters: &Filters, projects: &[Project], id: Option<ProjectId>) -> Markup {
    let Some(id) = id else { return html! { "Personal access tokens" } };
    let name = projects.iter().find(|project| project.id == id).map(|project| project.name.to_string());
    let address = filters.address(&view.path("/usage"), "project", &id.to_string());
    html! { a href=(address) { (name.unwrap_or_else(|| "A project".to_owned())) } }
}

/// The part of the page.
pub fn part(view: &View, filters: &Filters, found: &Breakdown) -> Markup {
    html! {
        section.part {
            h2 { "What the requests have in common" }
            nav.tabs aria-label="Told apart by" {
                @for (value, name, _) in GROUPS {
                    a href=(filters.address(&view.path("/usage"), "group", value)) aria-current=[(value == filters.group).then_some("true")] { (name) }
                }
            }
            @if let Some(from) = found.days_from {
                p.hint { "By key whole days are added up, here since the begin of " (label(Unit::Day, from)) "." }
            }
            @if filters.group() == Group::Reason { (reasons(found)) } @else { (table(filters, found)) }
            @if found.cut {
                p.hint { "There are more than were looked at: narrow the page to a project or an environment." }
            } @else if found.more > 0 {
                p.hint { "And " (count(u32::try_from(found.more).unwrap_or(u32::MAX))) " more with fewer requests." }
            }
        }
    }
}

fn table(filters: &Filters, found: &Breakdown) -> Markup {
    let label = GROUPS.iter().find(|(value, ..)| *value == filters.group).map_or("", |(_, label, _)| label);
    html! {
        div.scroll tabindex="0" role="region" aria-label={ "Requests by " (label.to_lowercase()) } {
            table.figures {
                thead { tr { th scope="col" { (label) } th.number scope="col" { "Allowed" } th.number scope="col" { "Refused" } } }
                tbody {
                    @for (row, name) in &found.rows {
                        tr { th scope="row" { (name) } td.number { (large(row.allowed())) } td.number { (large(row.refused())) } }
                    }
                }
            }
        }
    }
}

fn reasons(found: &Breakdown) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Requests by reason" {
            table.cards {
                thead { tr { th scope="col" { "Reason" } th.number scope="col" { "Requests" } th scope="col" { "What to do" } } }
                tbody {
                    @for (row, name) in &found.rows {
                        tr {
                            th scope="row" data-label="Reason" { (name) }
                            td.number data-label="Requests" { (large(row.allowed().saturating_add(row.refused()))) }
                            td data-label="What to do" {
                                @match row.groups.first() {
                                    Some(GroupValue::Reason(reason)) if !advice(*reason).is_empty() => (advice(*reason)),
                                    _ => span.quiet { "Nothing" },
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
