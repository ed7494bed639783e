//! `POST .../keys/{key}/disable` and `/enable`: switches a key off and on. It asks nobody twice, because it can be undone at once.

use super::super::super::answer::{Answer, see_other};
use super::super::super::link::with_query;
use super::super::super::view::View;
use super::{named, path};
use crate::domain::key::KeyKind;
use crate::domain::version::Expected;
use crate::service::App;
use crate::service::update_key::{KeyChange, update_key};
use axum::extract::State;

/// Name of what was done, in the address of the key's page.
pub const DISABLED: &str = "disabled";
/// Name of what was done, in the address of the key's page.
pub const ENABLED: &str = "enabled";

/// Switches it off.
pub async fn disable(State(app): State<App>, view: View) -> Answer {
    switch(&app, &view, false).await
}

/// Switches it on.
pub async fn enable(State(app): State<App>, view: View) -> Answer {
    switch(&app, &view, true).await
}

async fn switch(app: &App, view: &View, on: bool) -> Answer {
    let key = named(app, view).await?;
    let change = KeyChange { enabled: Some(on), ..KeyChange::default() };
    let changed = update_key(app, view.origin(), KeyKind::Key, key.id, &Expected::Any, change).await?;
    let done = if on { ENABLED } else { DISABLED };
    let parameters = [("done", done.to_owned()), ("revision", changed.revision.to_string())];
    Ok(see_other(&with_query(&path(view, &key), parameters)))
}
