//! `/accounts/{account}/team/new`: the form to add a person.

use super::fields::{Filled, Person};
use super::{PAGE, WRITE};
use crate::dashboard::answer::{Answer, see_other};
use crate::dashboard::flash::Done;
use crate::dashboard::forms::{Wrong, attempt, is_about_form, number};
use crate::dashboard::gate::Form;
use crate::dashboard::view::View;
use crate::service::App;
use crate::service::create_user::{NewUser, create_user};
use crate::service::once::once;
use axum::extract::State;
use maud::html;

/// Shows the form.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    form(&app, &view, &Filled { role: "member", ..Filled::default() }, Wrong(None))
}

/// Adds the person.
pub async fn add(State(app): State<App>, view: View, sent: Form) -> Answer {
    let account_id = view.account()?.id;
    let filled = Filled::of(&sent);
    let attempt = attempt(&view, &sent, &view.path("/team/new"))?;
    let work = async {
        let Person { name, email, role, identity } = filled.parse()?;
        let pending = create_user(&app, view.origin(), NewUser { account_id, email, name, role, identity }).await?;
        pending.try_map(|user| Ok(user.id.to_string()))
    };
    match once(&app, attempt.as_ref(), work).await {
        Ok(_) => Ok(see_other(&Done::ADDED.at(&view.path("/team")))),
        Err(error) if is_about_form(&error) => form(&app, &view, &filled, Wrong(Some(&error))),
        Err(error) => Err(error.into()),
    }
}

fn form(app: &crate::service::App, view: &View, filled: &Filled<'_>, wrong: Wrong<'_>) -> Answer {
    let (above, fields) = filled.fields(view, wrong, "Nobody was added.");
    let content = html! {
        p.back { a href=(view.path("/team")) { "Team" } }
        h1 { "Add a person" }
        (above)
        form.wide method="post" action=(view.path("/team/new")) {
            (view.token())
            (number(app)?)
            (fields)
            div.buttons {
                button.primary type="submit" data-busy="Adding" { "Add person" }
                a.button href=(view.path("/team")) { "Cancel" }
            }
        }
    };
    Ok(view.page_with(wrong.status(), PAGE, "Add a person", &content))
}
