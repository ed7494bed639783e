//! What those who act are called, as far as who looks may know.

use crate::dashboard::view::View;
use crate::domain::audit::Recorded;
use crate::domain::cursor::{MAX_LIMIT, PageRequest};
use crate::domain::id::AccountId;
use crate::domain::rights::{Resource, Right};
use crate::error::Error;
use crate::service::{App, read};
use keyplane_contract::id::Id;
use maud::{Markup, html};

/// Names by id.
pub struct Names {
    /// People of the account, for the form to choose from.
    pub people: Vec<(Id, String)>,
    admin_keys: Vec<(Id, String)>,
}

impl Names {
    /// The newest of an account, or of all.
    pub async fn of(app: &App, view: &View, account: Option<AccountId>) -> Result<Self, Error> {
        let page = PageRequest { cursor: None, limit: MAX_LIMIT };
        let mut names = Self { people: Vec::new(), admin_keys: Vec::new() };
        if view.may(Right::read(Resource::Users)) {
            let found = read::users(app, view.origin(), account, page).await?;
            names.people = found.data.into_iter().map(|user| (user.id.0, user.name.to_string())).collect();
        }
        if view.may(Right::read(Resource::AdminKeys)) {
            let found = read::admin_keys(app, view.origin(), page).await?;
            names.admin_keys = found.data.into_iter().map(|key| (key.id.0, key.name.to_string())).collect();
        }
        Ok(names)
    }

    /// Who did it.
    pub fn actor(&self, view: &View, entry: &Recorded) -> Markup {
        let named = |names: &[(Id, String)]| {
            names.iter().find(|(id, _)| Some(*id) == entry.actor_id).map(|(_, name)| name.clone())
        };
        match entry.actor_kind.as_str() {
            "user" => {
                let name = named(&self.people);
                html! { strong { (name.as_deref().unwrap_or("Somebody who left")) } }
            }
            "admin_key" => {
                let name = named(&self.admin_keys);
                html! { @if let Some(name) = name { "The operator (" strong { (name) } ")" } @else { strong { "The operator" } } }
            }
            "key" => {
                let page = entry.actor_id.zip(entry.account_id).filter(|_| view.may(Right::read(Resource::Keys)));
                html! {
                    @if let Some((id, account)) = page { a href={ "/accounts/" (account) "/keys/" (id) } { "A key of the account" } }
                    @else { strong { "A key" } }
                }
            }
            "system" => html! { strong { "Keyplane" } },
            other => html! { strong { (other) } },
        }
    }
}
