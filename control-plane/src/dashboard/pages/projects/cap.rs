//! How many keys a project has of those that its account's plan allows, and what to do when there are no more.

use crate::dashboard::components::{Tone, badge, count, total_of};
use crate::dashboard::view::View;
use crate::domain::plan::Cap;
use crate::domain::project::Project;
use crate::domain::rights::{Resource, Right};
use crate::http::problem::Problem;
use crate::service::App;
use crate::service::project_keys::{MOST_COUNTED, project_keys};
use maud::{Markup, html};
use std::collections::HashMap;

/// How many keys projects have, for who may know.
pub async fn used(app: &App, view: &View, projects: &[Project]) -> Result<HashMap<u32, u32>, Problem> {
    if !view.may(Right::read(Resource::Keys)) {
        return Ok(HashMap::new());
    }
    Ok(project_keys(app, view.origin(), projects).await?)
}

/// What a plan allows, as the rest of a sentence: `10 keys in each project`.
pub fn allows(cap: Cap) -> String {
    match cap {
        Cap::Keys(0) => "no new keys".to_owned(),
        Cap::Keys(1) => "1 key in each project".to_owned(),
        Cap::Keys(most) => format!("{} keys in each project", count(most)),
        Cap::Unlimited => "as many keys as you like".to_owned(),
    }
}

/// Whether there is no room for one more.
pub fn is_full(used: u32, cap: Cap) -> bool {
    !cap.allows_one_more(u64::from(used))
}

/// How many of how many, in a list.
pub fn shown(used: u32, cap: Cap) -> Markup {
    html! {
        span.pair {
            @match cap {
                Cap::Keys(most) => {
                    @if most > 0 { meter min="0" max=(most) high=(most.saturating_sub(1)) value=(used.min(most)) aria-hidden="true" {} }
                    span { (count(used)) " of " (count(most)) }
                }
                Cap::Unlimited => span { (total_of(used, MOST_COUNTED)) },
            }
            @if is_full(used, cap) { (badge(Tone::Warn, "Full")) }
        }
    }
}

/// What to do when a project is full.
pub fn advice(app: &App, view: &View, project: &Project) -> Result<Markup, Problem> {
    let plan = &view.account()?.plan;
    let unused = view.path(&format!("/keys?project={}&order=unused", project.id));
    let changes_plan = view.origin().actor.is_operator() && view.may(Right::write(Resource::Accounts));
    Ok(html! {
        div.problem {
            p {
                strong { q { (project.name) } " is full." }
                " The plan " code { (plan) } " allows " (allows(app.plans.cap(plan)))
                ". The keys that are there work on; there is just no new one. Either:"
            }
            ul {
                li { a href=(unused) { "Look for keys that nobody uses" } ", and revoke them: revoked and expired keys do not count" }
                li {
                    @if changes_plan { a href=(view.path("/settings/plan")) { "Give the account a larger plan" } }
                    @else { "Ask who runs this service for a larger plan" }
                }
            }
        }
    })
}
