//! `/accounts/{account}/keys/new`: the form for a new key.
//!
//! The key itself is shown in the answer to the form, the only time that it leaves. The form carries a number of its own, so that sending it twice (a
//! second click, a reload) makes one key.

use super::super::super::answer::Answer;
use super::super::super::components::{Field, choices};
use super::super::super::ends;
use super::super::super::forms::{Wrong, attempt, is_about_form, name_field, number};
use super::super::super::gate::Form;
use super::super::super::restrictions;
use super::super::super::view::View;
use super::super::projects::cap::{advice, is_full, used};
use super::created::{Made, page};
use super::{PAGE, WRITE, projects};
use crate::domain::id::ProjectId;
use crate::domain::project::Project;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::create_key::{CreatedKey, NewKey, create_key};
use crate::service::once::once;
use axum::extract::State;
use keyplane_contract::sync::Environment;
use maud::html;

/// What the form holds.
#[derive(Default)]
struct Filled<'a> {
    name: &'a str,
    project: &'a str,
    environment: &'a str,
    scopes: &'a str,
    networks: &'a str,
    end: &'a str,
    date: &'a str,
}

/// Shows the form.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    let projects = projects(&app, &view).await?;
    let used = used(&app, &view, &projects).await?;
    let cap = app.plans.cap(&view.account()?.plan);
    let has_room = |project: &&Project| used.get(&project.no).is_none_or(|used| !is_full(*used, cap));
    // Who chose a project is told of that one; anybody else gets one that has room.
    let asked = projects.iter().find(|project| project.id.to_string() == view.asked("project"));
    let chosen = asked.or_else(|| projects.iter().find(has_room)).or_else(|| projects.first());
    if let Some(full) = chosen.filter(|project| !has_room(project)) {
        let content = html! {
            p.back { a href=(view.path("/keys")) { "API keys" } }
            h1 { "Create a key" }
            (advice(&app, &view, full)?)
            @if projects.iter().any(|project| has_room(&project)) {
                p { a.button href=(view.path("/keys/new")) { "Create one in another project" } }
            }
        };
        return Ok(view.page(PAGE, "Create a key", &content));
    }
    let project = chosen.map(|project| project.id.to_string()).unwrap_or_default();
    let filled = Filled { environment: "live", end: "never", project: &project, ..Filled::default() };
    form(&app, &view, &projects, &filled, Wrong(None))
}

/// Makes the key.
pub async fn create(State(app): State<App>, view: View, sent: Form) -> Answer {
    let projects = projects(&app, &view).await?;
    let filled = Filled {
        name: sent.text("name"),
        project: sent.text("project_id"),
        environment: sent.text("environment"),
        scopes: sent.text("scopes"),
        networks: sent.text("allowed_cidrs"),
        end: sent.text("end"),
        date: sent.text("expires_at"),
    };
    let attempt = attempt(&view, &sent, &view.path("/keys/new"))?;
    let work = async {
        let new = parse(&view, &projects, &filled, &sent)?;
        let pending = create_key(&app, view.origin(), new).await?;
        pending.try_map(|CreatedKey { key, secret }| Ok(Made::new(key.id, &secret)))
    };
    match once(&app, attempt.as_ref(), work).await {
        Ok(made) => page(&app, &view, made.answer).await,
        Err(error) if is_about_form(&error) => form(&app, &view, &projects, &filled, Wrong(Some(&error))),
        Err(error) => Err(error.into()),
    }
}

fn parse(view: &View, projects: &[Project], filled: &Filled<'_>, sent: &Form) -> Result<NewKey, Error> {
    let mut errors = Vec::new();
    let project_id = ProjectId::parse(filled.project).filter(|id| projects.iter().any(|project| project.id == *id));
    if project_id.is_none() {
        errors.push(FieldError::new("project_id", "must be one of the account's projects"));
    }
    let environment = match filled.environment {
        "live" => Environment::Live,
        _ => Environment::Test,
    };
    let end = ends::read(sent, view.now).unwrap_or_else(|error| {
        errors.push(error);
        None
    });
    match (project_id, restrictions::read(sent, filled.name, end, &mut errors)) {
        (Some(project_id), Some(terms)) if errors.is_empty() => Ok(NewKey { project_id, environment, terms }),
        _ => Err(Error::fields(Code::InvalidRequest, errors)),
    }
}

fn form(app: &App, view: &View, projects: &[Project], filled: &Filled<'_>, wrong: Wrong<'_>) -> Answer {
    let of_projects: Vec<_> =
        projects.iter().map(|project| (project.id.to_string(), project.name.to_string())).collect();
    let chosen = if filled.project.is_empty() { of_projects.first().map_or("", |(id, _)| id) } else { filled.project };
    let environments =
        [("live", "Live", "For production."), ("test", "Test", "For development: with a prefix of its own.")];
    let errors = [
        wrong.with("project_id", "The project"),
        wrong.with("name", "The name"),
        wrong.with("scopes", "Scope"),
        wrong.with("allowed_cidrs", "Network"),
        wrong.with("expires_at", "The end"),
    ];
    let [of_project, of_name, ..] = errors.each_ref().map(Option::as_deref);
    let content = html! {
        p.back { a href=(view.path("/keys")) { "API keys" } }
        h1 { "Create a key" }
        (wrong.above(errors.iter().any(Option::is_some), "The key was not created."))
        form.wide method="post" action=(view.path("/keys/new")) {
            (view.token())
            (number(app)?)
            (name_field(Field { name: "name", label: "Name", hint: "Where it will be used, such as \"Production server\".", error: of_name }, filled.name))
            @if projects.len() == 1 && of_project.is_none() {
                input type="hidden" name="project_id" value=(chosen);
            } @else {
                (Field { name: "project_id", label: "Project", hint: "", error: of_project }.select(&of_projects, chosen))
            }
            (choices("environment", "Environment", &environments, filled.environment))
            (ends::fields(&[], filled.end, filled.date, wrong))
            (restrictions::folded(restrictions::OF_KEY, filled.scopes, filled.networks, wrong))
            div.buttons {
                button.primary type="submit" data-busy="Creating" { "Create key" }
                a.button href=(view.path("/keys")) { "Cancel" }
            }
        }
    };
    Ok(view.page_with(wrong.status(), PAGE, "Create a key", &content))
}
