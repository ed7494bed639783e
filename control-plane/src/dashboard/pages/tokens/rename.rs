//! `/accounts/{account}/tokens/{token}/rename`: the form to rename, which takes the name's place where there is JavaScript.

use super::{PAGE, WRITE, named, path};
use crate::dashboard::answer::{Answer, see_other};
use crate::dashboard::flash::Done;
use crate::dashboard::forms::Named;
use crate::dashboard::gate::Form;
use crate::dashboard::view::View;
use crate::domain::key::{Key, KeyKind};
use crate::domain::name::Name;
use crate::domain::version::Expected;
use crate::service::App;
use crate::service::update_key::{KeyChange, update_key};
use axum::extract::State;
use axum::response::Response;

/// Shows the form.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    view.origin().may(WRITE)?;
    let token = named(&app, &view).await?;
    Ok(form(&view, &token, token.name.as_str(), None))
}

/// Gives the token its new name.
pub async fn rename(State(app): State<App>, view: View, sent: Form) -> Answer {
    let token = named(&app, &view).await?;
    match Name::parse(sent.text("name")) {
        Ok(name) => {
            let change = KeyChange { name: Some(name), ..KeyChange::default() };
            update_key(&app, view.origin(), KeyKind::PersonalToken, token.id, &Expected::Any, change).await?;
            Ok(see_other(&Done::CHANGED.at(&back(&view, &token))))
        }
        Err(error) => Ok(form(&view, &token, sent.text("name"), Some(&format!("The name {error}.")))),
    }
}

/// The list that has the token.
fn back(view: &View, token: &Key) -> String {
    let own = view.origin().actor.id() == token.owner.user().map(|user| user.0);
    view.path(if own { "/tokens" } else { "/tokens?whose=all" })
}

fn form(view: &View, token: &Key, value: &str, error: Option<&str>) -> Response {
    let (id, rename, back) = (token.id.to_string(), path(view, token, "/rename"), back(view, token));
    let name = token.name.as_str();
    Named { kind: "token", id: &id, name, rename: &rename, back: (&back, "Personal tokens") }
        .form(view, PAGE, value, error)
}
