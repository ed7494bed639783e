//! The answer to the form for a new key: the key itself, shown this once.

use super::super::super::answer::Answer;
use super::super::super::components::{copyable, environment};
use super::super::super::view::View;
use super::{PAGE, path};
use crate::domain::id::KeyId;
use crate::domain::secret::Secret;
use crate::error::Error;
use crate::service::{App, read};
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

/// A key that was just made. It holds the secret, so it has no `Debug`.
#[derive(Serialize, Deserialize)]
pub struct Made {
    id: String,
    secret: String,
}

impl Made {
    /// A key and its secret.
    pub fn new(id: KeyId, secret: &Secret) -> Self {
        Self { id: id.to_string(), secret: secret.expose().to_owned() }
    }

    /// The key's id and its secret.
    pub fn into_parts(self) -> Result<(KeyId, Secret), Error> {
        let id = KeyId::parse(&self.id).ok_or_else(|| Error::internal("a remembered answer cannot be read"))?;
        Ok((id, Secret::new(self.secret)))
    }
}

/// The key itself, to be copied, and how it is tried.
pub fn to_copy(app: &App, secret: &Secret) -> Markup {
    let url = if app.dashboard.try_url.is_empty() { "https://your-api.example" } else { &app.dashboard.try_url };
    html! {
        p.once { strong { "This is the only time that the key is shown." } " Only its digest is stored, so nobody can show it to you again." }
        (copyable("secret", "Key", secret.expose()))
        (copyable("env", "For a .env file", &format!("API_KEY={}", secret.expose())))
        (copyable("curl", "To try it", &format!("curl {url} -H 'X-API-Key: {}'", secret.expose())))
        @if app.dashboard.try_url.is_empty() {
            p.hint { "Whoever runs this control plane can set " code { "try_url" } " to an address behind a proxy, and the line above works as it is." }
        }
    }
}

/// Shows it.
pub async fn page(app: &App, view: &View, made: Made) -> Answer {
    let (id, secret) = made.into_parts()?;
    let key = read::key(app, view.origin(), id).await?;
    let content = html! {
        p.back { a href=(view.path("/keys")) { "API keys" } }
        h1 { "Copy " q { (key.name) } " now" }
        p { (environment(key.environment)) }
        (to_copy(app, &secret))
        div.buttons {
            a.button.primary href=(view.path("/keys")) { "I have copied it" }
            a.button href=(path(view, &key)) { "Look at the key" }
        }
    };
    Ok(view.page_with(StatusCode::CREATED, PAGE, "Copy the key now", &content))
}
