//! `/accounts/{account}/keys/{key}/rename`: the form to rename, which takes the name's place where there is JavaScript.

use super::super::super::answer::{Answer, see_other};
use super::super::super::flash::Done;
use super::super::super::forms::Named;
use super::super::super::gate::Form;
use super::super::super::link::with_query;
use super::super::super::view::View;
use super::{PAGE, named, path};
use crate::domain::key::{Key, KeyKind};
use crate::domain::name::Name;
use crate::domain::version::Expected;
use crate::service::App;
use crate::service::update_key::{KeyChange, update_key};
use axum::extract::State;
use axum::response::Response;

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
    let (id, place) = (key.id.to_string(), path(view, key));
    let (name, rename) = (key.name.as_str(), format!("{place}/rename"));
    Named { kind: "key", id: &id, name, rename: &rename, back: (&place, name) }.form(view, PAGE, value, error)
}
