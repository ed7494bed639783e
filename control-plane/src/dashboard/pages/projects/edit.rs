//! `/accounts/{account}/projects/{project}/edit`: a project's name, and what its new keys begin with.

use super::{Filled, PAGE, WRITE, named, path};
use crate::dashboard::answer::{Answer, see_other};
use crate::dashboard::flash::Done;
use crate::dashboard::forms::{Wrong, is_about_form};
use crate::dashboard::gate::Form;
use crate::dashboard::view::View;
use crate::domain::project::Project;
use crate::domain::version::Expected;
use crate::service::App;
use crate::service::update_project::{ProjectChange, update_project};
use axum::extract::State;
use axum::response::Response;
use keyplane_contract::sync::Environment;
use maud::html;

/// Shows the form.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    let project = named(&app, &view).await?;
    let prefix = |environment| project.prefixes.of(environment).as_str();
    let (live, test) = (prefix(Environment::Live), prefix(Environment::Test));
    let filled = Filled { name: project.name.as_str(), live, test };
    Ok(form(&view, &project, &filled, Wrong(None)))
}

/// Edits the project.
pub async fn edit(State(app): State<App>, view: View, sent: Form) -> Answer {
    let project = named(&app, &view).await?;
    let filled = Filled::of(&sent);
    let work = async {
        let (name, prefixes) = filled.parse()?;
        let change = ProjectChange { name: Some(name), prefixes: Some(prefixes) };
        update_project(&app, view.origin(), project.id, &Expected::Any, change).await
    };
    match work.await {
        Ok(_) => Ok(see_other(&Done::CHANGED.at(&path(&view, &project)))),
        Err(error) if is_about_form(&error) => Ok(form(&view, &project, &filled, Wrong(Some(&error)))),
        Err(error) => Err(error.into()),
    }
}

fn form(view: &View, project: &Project, filled: &Filled<'_>, wrong: Wrong<'_>) -> Response {
    let hint = "What new keys begin with. Keys that are there keep theirs, and work on.";
    let (above, fields) = filled.fields(wrong, "Nothing was changed.", hint);
    let content = html! {
        p.back { a href=(path(view, project)) { (project.name) } }
        h1 { "Edit " q { (project.name) } }
        (above)
        form.wide method="post" action={ (path(view, project)) "/edit" } {
            (view.token())
            (fields)
            div.buttons {
                button.primary type="submit" data-busy="Saving" { "Save" }
                a.button href=(path(view, project)) { "Cancel" }
            }
        }
    };
    view.page_with(wrong.status(), PAGE, "Edit a project", &content)
}
