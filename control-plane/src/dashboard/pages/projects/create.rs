//! `/accounts/{account}/projects/new`: the form for a new project.

use super::{Filled, PAGE, WRITE, path};
use crate::dashboard::answer::{Answer, see_other};
use crate::dashboard::flash::Done;
use crate::dashboard::forms::{Wrong, attempt, is_about_form, number};
use crate::dashboard::gate::Form;
use crate::dashboard::view::View;
use crate::service::App;
use crate::service::create_project::{NewProject, create_project};
use crate::service::once::once;
use axum::extract::State;
use maud::html;

/// Shows the form.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    form(&app, &view, &Filled::default(), Wrong(None))
}

/// Makes the project.
pub async fn create(State(app): State<App>, view: View, sent: Form) -> Answer {
    let account_id = view.account()?.id;
    let filled = Filled::of(&sent);
    let attempt = attempt(&view, &sent, &view.path("/projects/new"))?;
    let work = async {
        let (name, prefixes) = filled.parse()?;
        let pending = create_project(&app, view.origin(), NewProject { account_id, name, prefixes }).await?;
        pending.try_map(|project| Ok(path(&view, &project)))
    };
    match once(&app, attempt.as_ref(), work).await {
        Ok(made) => Ok(see_other(&Done::CREATED.at(&made.answer))),
        Err(error) if is_about_form(&error) => form(&app, &view, &filled, Wrong(Some(&error))),
        Err(error) => Err(error.into()),
    }
}

fn form(app: &App, view: &View, filled: &Filled<'_>, wrong: Wrong<'_>) -> Answer {
    let hint = "What they begin with, such as acme_live: up to 16 of a-z, 0-9 and _. Scanners that look for leaked keys know them by it.";
    let (above, fields) = filled.fields(wrong, "The project was not created.", hint);
    let content = html! {
        p.back { a href=(view.path("/projects")) { "Projects" } }
        h1 { "Create a project" }
        (above)
        form.wide method="post" action=(view.path("/projects/new")) {
            (view.token())
            (number(app)?)
            (fields)
            p.hint { "Name and prefixes can be changed later; keys keep the prefix that they were made with." }
            div.buttons {
                button.primary type="submit" data-busy="Creating" { "Create project" }
                a.button href=(view.path("/projects")) { "Cancel" }
            }
        }
    };
    Ok(view.page_with(wrong.status(), PAGE, "Create a project", &content))
}
