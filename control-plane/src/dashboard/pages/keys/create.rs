//! `/accounts/{account}/keys/new`: the form for a new key.
//!
//! The key itself is shown in the answer to the form, the only time that it leaves. The form carries a number of its own, so that sending it twice (a
//! second click, a reload) makes one key.

use super::super::super::answer::Answer;
use super::super::super::components::{Field, choices};
use super::super::super::gate::Form;
use super::super::super::link::hex;
use super::super::super::view::View;
use super::created::{Made, page};
use super::{PAGE, WRITE, projects};
use crate::domain::id::ProjectId;
use crate::domain::idempotency::{Asked, Attempt, IdempotencyKey, Sender};
use crate::domain::project::Project;
use crate::domain::time::{DAY, Time};
use crate::error::{Code, Error, FieldError};
use crate::http::problem::Problem;
use crate::http::v1::terms::TermsFields;
use crate::service::App;
use crate::service::create_key::{CreatedKey, NewKey, create_key};
use crate::service::once::once;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use keyplane_contract::sync::Environment;
use maud::html;

/// Presets of how long a key lasts, by value and name.
pub const ENDS: [(&str, &str, u32); 6] = [
    ("never", "Never", 0),
    ("7", "In 7 days", 7),
    ("30", "In 30 days", 30),
    ("90", "In 90 days", 90),
    ("365", "In a year", 365),
    ("date", "On a date", 0),
];

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
    let filled = Filled { environment: "live", end: "never", project: view.asked("project"), ..Filled::default() };
    form(&app, &view, &projects, &filled, None)
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
        Err(error) if error.code.status() >= 500 => Err(error.into()),
        Err(error) => form(&app, &view, &projects, &filled, Some(&error)),
    }
}

/// A number for a form of its own.
pub fn number(app: &App) -> Result<String, Error> {
    let mut number = [0; 16];
    app.random.fill(&mut number)?;
    Ok(hex(&number))
}

/// The form as one that may have been sent before, to this path.
pub fn attempt(view: &View, sent: &Form, path: &str) -> Result<Option<Attempt>, Problem> {
    let sender = Sender::Credential(&view.by.held);
    let Ok(key) = IdempotencyKey::parse(sent.text("once").as_bytes(), sender) else { return Ok(None) };
    let body = serde_json::to_vec(sent.fields()).map_err(Error::internal)?;
    let asked = Asked { method: "POST", path, query: None, body: &body };
    Ok(Some(Attempt::new(sender, &key, asked).map_err(Error::internal)?))
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
    let end = end(filled.end, filled.date, view.now).unwrap_or_else(|error| {
        errors.push(error);
        None
    });
    let end = end.map(|end| end.to_string());
    let (scopes, networks) = (sent.words("scopes"), sent.words("allowed_cidrs"));
    let terms = TermsFields {
        name: filled.name,
        scopes: Some(&scopes),
        allowed_cidrs: Some(&networks),
        expires_at: end.as_deref(),
        metadata: None,
    };
    match (project_id, terms.parse(&mut errors)) {
        (Some(project_id), Some(terms)) if errors.is_empty() => Ok(NewKey { project_id, environment, terms }),
        _ => Err(Error::fields(Code::InvalidRequest, errors)),
    }
}

/// When the key ends: by the name of a preset, or on a date.
pub fn end(preset: &str, date: &str, now: Time) -> Result<Option<Time>, FieldError> {
    match preset {
        "never" => Ok(None),
        "date" => match Time::parse_date(date) {
            // Through the whole of that day.
            Ok(day) => Ok(Some(day.after(DAY))),
            Err(_) => Err(FieldError::new("expires_at", "must be a date such as 2030-01-15")),
        },
        preset => {
            let days = ENDS.iter().find(|(value, ..)| *value == preset).map(|(.., days)| *days);
            let days = days.ok_or_else(|| FieldError::new("expires_at", "must be one of the choices"))?;
            Ok(Some(now.after(DAY * days)))
        }
    }
}

/// What is wrong with a field, as a sentence.
pub fn wrong(error: Option<&Error>, field: &str, label: &str) -> Option<String> {
    let found = error?.fields.iter().find(|error| error.field.split('[').next() == Some(field))?;
    let place = found.field.strip_prefix(field).and_then(|rest| rest.strip_prefix('[')?.strip_suffix(']'));
    Some(match place.and_then(|place| place.parse::<usize>().ok()) {
        Some(place) => format!("{label} {} {}.", place + 1, found.message),
        None => format!("{label} {}.", found.message),
    })
}

fn form(app: &App, view: &View, projects: &[Project], filled: &Filled<'_>, error: Option<&Error>) -> Answer {
    let number = number(app)?;
    let of_projects: Vec<_> =
        projects.iter().map(|project| (project.id.to_string(), project.name.to_string())).collect();
    let chosen = if filled.project.is_empty() { of_projects.first().map_or("", |(id, _)| id) } else { filled.project };
    let environments =
        [("live", "Live", "For production."), ("test", "Test", "For development: with a prefix of its own.")];
    let ends: Vec<_> = ENDS.iter().map(|(value, label, _)| ((*value).to_owned(), (*label).to_owned())).collect();
    let errors = [
        wrong(error, "project_id", "The project"),
        wrong(error, "name", "The name"),
        wrong(error, "scopes", "Scope"),
        wrong(error, "allowed_cidrs", "Network"),
        wrong(error, "expires_at", "The end"),
    ];
    let [of_project, of_name, of_scopes, of_networks, of_end] = errors.each_ref().map(Option::as_deref);
    let is_named = errors.iter().any(Option::is_some);
    let date =
        Field { name: "expires_at", label: "Last day", hint: "In UTC. Needed only for \"On a date\".", error: of_end };
    let content = html! {
        p.back { a href=(view.path("/keys")) { "API keys" } }
        h1 { "Create a key" }
        @if let Some(error) = error.filter(|_| !is_named) {
            p.problem role="alert" { (error.detail) }
        }
        @if error.is_some() && is_named {
            p.problem role="alert" { "The key was not created. See what is marked below." }
        }
        form.wide method="post" action=(view.path("/keys/new")) {
            (view.token())
            input type="hidden" name="once" value=(number);
            (Field { name: "name", label: "Name", hint: "Where it will be used, such as \"Production server\".", error: of_name }
                .around(&html! {
                    input type="text" id="name" name="name" value=(filled.name) required maxlength="100" autofocus autocomplete="off"
                        aria-describedby=(described("name", of_name)) aria-invalid=[of_name.map(|_| "true")];
                }))
            @if projects.len() == 1 && of_project.is_none() {
                input type="hidden" name="project_id" value=(chosen);
            } @else {
                (Field { name: "project_id", label: "Project", hint: "", error: of_project }.select(&of_projects, chosen))
            }
            (choices("environment", "Environment", &environments, filled.environment))
            (Field { name: "end", label: "Expires", hint: "", error: None }.select(&ends, filled.end))
            div data-shown-by="end=date" {
                (date.around(&html! {
                    input type="date" id="expires_at" name="expires_at" value=(filled.date)
                        aria-describedby=[date.described_by()] aria-invalid=[of_end.map(|_| "true")];
                }))
            }
            details.more open[!filled.scopes.is_empty() || !filled.networks.is_empty()] {
                summary { "Restrict it" }
                (Field { name: "scopes", label: "Scopes", hint: "What it may be used for, in your own words: jobs:read jobs:write. Your rules in Envoy ask for them.", error: of_scopes }
                    .area(filled.scopes, 2))
                (Field { name: "allowed_cidrs", label: "Allowed networks", hint: "From where it may be used, such as 203.0.113.0/24, one on a line. Empty: from everywhere.", error: of_networks }
                    .area(filled.networks, 3))
            }
            div.buttons {
                button.primary type="submit" data-busy="Creating" { "Create key" }
                a.button href=(view.path("/keys")) { "Cancel" }
            }
        }
    };
    let status = error.map_or(StatusCode::OK, |error| {
        StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY)
    });
    Ok(answer(view, status, &content))
}

pub fn described(name: &str, error: Option<&str>) -> String {
    if error.is_some() { format!("{name}-hint {name}-error") } else { format!("{name}-hint") }
}

fn answer(view: &View, status: StatusCode, content: &maud::Markup) -> Response {
    view.page_with(status, PAGE, "Create a key", content)
}
