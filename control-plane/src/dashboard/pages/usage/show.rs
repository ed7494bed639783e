//! The page: filters, a plot each of what was allowed and refused, the same numbers in a table, and what the requests have in common.

use super::super::super::answer::Answer;
use super::super::super::components::{empty, large, options};
use super::super::super::view::View;
use super::super::keys::projects;
use super::PAGE;
use super::breakdown::{self, break_down};
use super::filters::{self, Filters, RANGES, UNITS};
use super::over_time::{Step, label, steps};
use super::plot::Plot;
use crate::domain::id::KeyId;
use crate::domain::key::Key;
use crate::domain::project::Project;
use crate::domain::usage::{Group, Groups, MAX_LIMIT, Unit};
use crate::error::{Code, Error};
use crate::http::problem::Problem;
use crate::service::report_usage::{UsageQuery, report_usage};
use crate::service::{App, read};
use axum::extract::State;
use maud::{Markup, html};

/// Shows the page.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let account = view.account()?.id;
    let filters = Filters::of(&view);
    let projects = projects(&app, &view).await?;
    let key = match filters.key {
        Some(id) => Some(key(&app, &view, id).await?),
        None => None,
    };
    let unit = filters.unit(app.usage_hourly_retention);
    let query = |groups: &str| -> Result<UsageQuery, Error> {
        Ok(UsageQuery {
            from: Some(filters.from(unit, view.now)),
            to: None,
            groups: Groups::parse(groups).map_err(Error::internal)?,
            account: Some(account),
            project: filters.project,
            key: filters.key,
            environment: filters.environment(),
            cursor: None,
            limit: MAX_LIMIT,
        })
    };
    let report = report_usage(&app, view.origin(), query(if unit == Unit::Hour { "hour" } else { "day" })?).await?;
    let steps = steps(report.range, &report.rows);
    let group = filters.group();
    // Groups without the hour are added up over whole days. Keys by the hour would be too many rows; the page says so.
    let groups = match unit {
        Unit::Hour if group != Group::Key => format!("{},hour", group.name()),
        _ => group.name().to_owned(),
    };
    let found = break_down(&app, &view, &filters, &query(&groups)?, &projects).await?;
    let content = html! {
        div.title { h1 { "Usage" } }
        (narrowing(&view, &filters, unit, &projects, key.as_ref()))
        div #list {
            @if report.rows.is_empty() {
                (nothing(&view, &filters))
            } @else {
                (over_time(unit, &filters, &steps))
                (breakdown::part(&view, &filters, &found))
            }
        }
    };
    Ok(view.page(PAGE, "Usage", &content))
}

/// The key that the page is narrowed to, if it is of the account.
async fn key(app: &App, view: &View, id: KeyId) -> Result<Key, Problem> {
    let found = match read::key(app, view.origin(), id).await {
        Err(error) if error.code == Code::NotFound => read::personal_token(app, view.origin(), id).await,
        found => found,
    };
    let account = view.account()?.id;
    match found {
        Ok(key) if key.account_id == account => Ok(key),
        Ok(_) => Err(Error::not_found("key").into()),
        Err(error) if error.code == Code::Forbidden => Err(Error::not_found("key").into()),
        Err(error) => Err(error.into()),
    }
}

fn narrowing(view: &View, filters: &Filters, unit: Unit, projects: &[Project], key: Option<&Key>) -> Markup {
    let all = (String::new(), "All projects".to_owned());
    let of_projects = projects.iter().map(|project| (project.id.to_string(), project.name.to_string()));
    let of_projects: Vec<_> = std::iter::once(all).chain(of_projects).collect();
    let project = filters.project.map(|id| id.to_string()).unwrap_or_default();
    let ranges: Vec<_> = RANGES.iter().map(|(value, label, _)| ((*value).to_owned(), (*label).to_owned())).collect();
    let units: Vec<_> = UNITS.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned())).collect();
    html! {
        @if let Some(key) = key {
            p.pair { "Only of " strong { (key.name) } code { (key.mask) }
                @if key.owner.project().is_some() { a href=(view.path(&format!("/keys/{}", key.id))) { "Look at the key" } }
                a href=(filters.address(&view.path("/usage"), "key", "")) { "Show all keys" } }
        }
        form.narrow method="get" action=(view.path("/usage")) data-list="list" {
            @if let Some(key) = filters.key { input type="hidden" name="key" value=(key); }
            @if !filters.group.is_empty() { input type="hidden" name="group" value=(filters.group); }
            div { label for="range" { "Time" } select id="range" name="range" { (options(&ranges, filters.range)) } }
            div {
                label for="by" { "Drawn" }
                select id="by" name="by" aria-describedby="by-hint" { (options(&units, if unit == Unit::Hour { "hour" } else { "" })) }
                p.hint #by-hint { "By hour up to 7 days" }
            }
            @if key.is_none() {
                @if projects.len() > 1 || filters.project.is_some() {
                    div { label for="project" { "Project" } select id="project" name="project" { (options(&of_projects, &project)) } }
                }
                div {
                    label for="environment" { "Environment" }
                    select id="environment" name="environment" { (options(&filters::environments(), filters.environment)) }
                }
            }
            button type="submit" { "Show" }
        }
    }
}

fn over_time(unit: Unit, filters: &Filters, steps: &[Step]) -> Markup {
    let plot = |name, title, of| Plot { name, title, unit, steps, of }.draw();
    html! {
        div.beside {
            div.plots {
                (plot("allowed", "Allowed", |step: &Step| step.allowed))
                (plot("refused", "Refused", |step: &Step| step.refused))
            }
            div.scroll.tall tabindex="0" role="region" aria-label="Requests over time" {
                table.figures {
                    caption.unseen { "Requests, " (filters.range_name().to_lowercase()) }
                    thead {
                        tr {
                            th scope="col" { @match unit { Unit::Day => "Day, UTC", Unit::Hour => "Hour, UTC" } }
                            th.number scope="col" { "Allowed" }
                            th.number scope="col" { "Refused" }
                        }
                    }
                    tbody {
                        @for step in steps.iter().rev() {
                            tr {
                                th scope="row" { time datetime=(step.at) { (label(unit, step.at)) } }
                                td.number { (large(step.allowed)) }
                                td.number { (large(step.refused)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn nothing(view: &View, filters: &Filters) -> Markup {
    let all = view.path("/usage?range=365d");
    if filters.narrow() || !filters.range.is_empty() {
        return empty(
            "No requests like that",
            &html! { p { "Look at a longer time, or " a href=(all) { "at all requests of a year" } "." } },
        );
    }
    empty(
        "No requests yet",
        &html! {
            p { "Proxies tell every few seconds how often each key was used, and what became of the requests. Send one with a key through a proxy, and look here again." }
            p { "Requests with no key, or with one that nobody made, are in the metrics of the proxies: they are nobody's." }
            p { a.button.primary href=(view.path("/keys")) { "To the keys" } " " a href="/docs" { "How proxies are set up" } }
        },
    )
}
