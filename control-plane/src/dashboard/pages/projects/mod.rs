//! Projects of an account: list, create, look at, edit; and how many keys each has of those that the plan allows.

pub mod cap;
mod create;
mod edit;
mod list;
mod show;

pub use cap::allows;

use super::{Page, Place};
use crate::dashboard::components::Field;
use crate::dashboard::forms::{Wrong, name_field};
use crate::dashboard::gate::Form;
use crate::dashboard::view::View;
use crate::domain::id::ProjectId;
use crate::domain::name::Name;
use crate::domain::project::{Prefixes, Project};
use crate::domain::rights::{Resource, Right};
use crate::error::{Code, Error, FieldError};
use crate::http::problem::Problem;
use crate::service::{App, read};
use axum::Router;
use axum::routing::get;
use keyplane_contract::key::Prefix;
use keyplane_contract::sync::Environment;
use maud::{Markup, html};

/// The page in the navigation.
pub const PAGE: Page = Page {
    label: "Projects",
    path: "/projects",
    place: Place::Account,
    right: Some(Right::read(Resource::Projects)),
    routes,
};

/// What changing projects takes.
pub const WRITE: Right = Right::write(Resource::Projects);

fn routes() -> Router<App> {
    Router::new()
        .route("/accounts/{account}/projects", get(list::show))
        .route("/accounts/{account}/projects/new", get(create::show).post(create::create))
        .route("/accounts/{account}/projects/{project}", get(show::show))
        .route("/accounts/{account}/projects/{project}/edit", get(edit::show).post(edit::edit))
}

/// The project that the address names, if it is of the account that it names.
async fn named(app: &App, view: &View) -> Result<Project, Problem> {
    let missing = || Error::not_found("project");
    let id = ProjectId::parse(view.parameter("project")).ok_or_else(missing)?;
    let account = view.account()?.id;
    let project = read::project(app, view.origin(), id).await?;
    if project.account_id == account { Ok(project) } else { Err(missing().into()) }
}

/// Where a project's page is.
fn path(view: &View, project: &Project) -> String {
    view.path(&format!("/projects/{}", project.id))
}

/// What its keys begin with.
pub fn prefixes(project: &Project) -> Markup {
    html! {
        span.pair {
            code { (project.prefixes.of(Environment::Live).as_str()) "_" }
            code { (project.prefixes.of(Environment::Test).as_str()) "_" }
        }
    }
}

/// What the form holds.
#[derive(Clone, Copy, Default)]
struct Filled<'a> {
    name: &'a str,
    live: &'a str,
    test: &'a str,
}

impl<'a> Filled<'a> {
    fn of(sent: &'a Form) -> Self {
        Self { name: sent.text("name"), live: sent.text("prefix_live"), test: sent.text("prefix_test") }
    }

    fn parse(&self) -> Result<(Name, Prefixes), Error> {
        let mut errors = Vec::new();
        let mut keep = |field: &str, error: String| errors.push(FieldError::new(field, error));
        let name = Name::parse(self.name).map_err(|error| keep("name", error.to_string())).ok();
        let live = Prefix::parse(self.live).map_err(|error| keep("prefix_live", format!("is not one: {error}"))).ok();
        let test = Prefix::parse(self.test).map_err(|error| keep("prefix_test", format!("is not one: {error}"))).ok();
        let prefixes = live.zip(test).and_then(|(live, test)| {
            let place = |environment| if environment == Environment::Live { "prefix_live" } else { "prefix_test" };
            Prefixes::new(live, test).map_err(|error| keep(place(error.environment()), error.to_string())).ok()
        });
        match (name, prefixes) {
            (Some(name), Some(prefixes)) => Ok((name, prefixes)),
            _ => Err(Error::fields(Code::InvalidRequest, errors)),
        }
    }

    /// The fields; and above them what is wrong. `nothing`: what was not done.
    fn fields(&self, wrong: Wrong<'_>, nothing: &str, hint: &str) -> (Markup, Markup) {
        let errors = [
            ("name", "The name"),
            ("prefix_live", "The prefix for live keys"),
            ("prefix_test", "The prefix for test keys"),
        ]
        .map(|(field, label)| wrong.with(field, label));
        let [name, live, test] = errors.each_ref().map(Option::as_deref);
        let fields = html! {
            (name_field(Field { name: "name", label: "Name", hint: "What the keys open, such as \"Upload API\".", error: name }, self.name))
            (prefix(Field { name: "prefix_live", label: "Prefix for live keys", hint, error: live }, self.live))
            (prefix(Field { name: "prefix_test", label: "Prefix for test keys", hint: "Another one, so that people tell test keys at sight.", error: test }, self.test))
        };
        (wrong.above(errors.iter().any(Option::is_some), nothing), fields)
    }
}

fn prefix(field: Field<'_>, value: &str) -> Markup {
    field.around(&html! {
        input type="text" id=(field.name) name=(field.name) value=(value) required maxlength="16" autocomplete="off" autocapitalize="none"
            spellcheck="false" aria-describedby=[field.described_by()] aria-invalid=[field.error.map(|_| "true")];
    })
}
