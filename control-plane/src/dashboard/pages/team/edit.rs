//! `/accounts/{account}/team/{user}/edit`: a person's name, address, role, and who they are to an issuer of JWTs.

use super::fields::{Filled, Person};
use super::{PAGE, WRITE, is_self, named, path};
use crate::dashboard::answer::{Answer, see_other};
use crate::dashboard::flash::Done;
use crate::dashboard::forms::{Wrong, is_about_form};
use crate::dashboard::gate::Form;
use crate::dashboard::view::View;
use crate::domain::user::{Identity, User};
use crate::domain::version::Expected;
use crate::error::{Code, Error};
use crate::service::App;
use crate::service::update_user::{UserChange, update_user};
use axum::extract::State;
use axum::response::Response;
use maud::html;

/// Shows the form.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    let user = named(&app, &view).await?;
    if !super::changes(&view, &user) {
        return Err(Error::with_detail(Code::Forbidden, "Only an owner of the account changes owners.").into());
    }
    let (issuer, subject) =
        user.identity.as_ref().map_or(("", ""), |known: &Identity| (known.issuer(), known.subject()));
    let filled =
        Filled { name: user.name.as_str(), email: user.email.as_str(), role: user.role.name(), issuer, subject };
    Ok(form(&view, &user, &filled, Wrong(None)))
}

/// Changes the person.
pub async fn edit(State(app): State<App>, view: View, sent: Form) -> Answer {
    let user = named(&app, &view).await?;
    let filled = Filled::of(&sent);
    let work = async {
        let Person { name, email, role, identity } = filled.parse()?;
        let change = UserChange { email: Some(email), name: Some(name), role: Some(role), identity: Some(identity) };
        update_user(&app, view.origin(), user.id, &Expected::Any, change).await
    };
    match work.await {
        Ok(_) => Ok(see_other(&Done::CHANGED.at(&view.path("/team")))),
        Err(error) if is_about_form(&error) => Ok(form(&view, &user, &filled, Wrong(Some(&error)))),
        Err(error) => Err(error.into()),
    }
}

fn form(view: &View, user: &User, filled: &Filled<'_>, wrong: Wrong<'_>) -> Response {
    let (above, fields) = filled.fields(view, wrong, "Nothing was changed.");
    let content = html! {
        p.back { a href=(view.path("/team")) { "Team" } }
        h1 { "Edit " q { (user.name) } }
        (above)
        @if is_self(view, user) {
            p.once { "This is you. With a lesser role you cannot give yourself the one that you have now." }
        }
        form.wide method="post" action=(path(view, user, "/edit")) {
            (view.token())
            (fields)
            div.buttons {
                button.primary type="submit" data-busy="Saving" { "Save" }
                a.button href=(view.path("/team")) { "Cancel" }
            }
        }
    };
    view.page_with(wrong.status(), PAGE, "Edit a person", &content)
}
