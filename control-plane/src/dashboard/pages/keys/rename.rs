//! `/accounts/{account}/keys/{key}/rename`: the form to rename, which takes the name's place where there is JavaScript.

use super::super::super::answer::{Answer, see_other};
use super::super::super::components::Field;
use super::super::super::flash::Done;
use super::super::super::gate::Form;
use super::super::super::link::with_query;
use super::super::super::view::View;
use super::{PAGE, name_id, named, path};
use crate::domain::key::{Key, KeyKind};
use crate::domain::name::Name;
use crate::domain::version::Expected;
use crate::service::App;
use crate::service::update_key::{KeyChange, update_key};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use maud::html;

/// Shows the form.
pub async fn show(State(app): State<App>, view: View) -> Answer {
    let key = named(&app, &view).await?;
    Ok(form(&view, &key, key.name.as_str(), None))
}

/// Gives the key its new name.
pub async fn rename(State(app): State<App>, view: View, sent: Form) -> Answer {
    let key = named(&app, &view).await?;
    match Name::parse(sent.text("name")) {
        Ok(name) => {
            let change = KeyChange { name: Some(name), ..KeyChange::default() };
            update_key(&app, view.origin(), KeyKind::Key, key.id, &Expected::Any, change).await?;
            Ok(see_other(&with_query(&path(&view, &key), [("done", Done::RENAMED.name().to_owned())])))
        }
        Err(error) => Ok(form(&view, &key, sent.text("name"), Some(&format!("The name {error}.")))),
    }
}

fn form(view: &View, key: &Key, value: &str, error: Option<&str>) -> Response {
    let id = name_id(key);
    let field = Field { name: "name", label: "New name", hint: "", error };
    let content = html! {
        p.back { a href=(path(view, key)) { (key.name) } }
        h1 { "Rename a key" }
        div id=(id) {
            form.rename method="post" action={ (path(view, key)) "/rename" } data-part=(id) {
                (view.token())
                (field.around(&html! {
                    input type="text" id="name" name="name" value=(value) required maxlength="100" autofocus autocomplete="off"
                        aria-describedby=[field.described_by()] aria-invalid=[error.map(|_| "true")];
                }))
                div.buttons {
                    button.primary type="submit" { "Rename" }
                    a.button href=(path(view, key)) data-part=(id) { "Cancel" }
                }
            }
        }
    };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    view.page_with(status, PAGE, "Rename a key", &content)
}
