//! What every page knows: who looks, at which account, what they may do; and the shell that it puts around its content.

use super::answer::page;
use super::flash::Done;
use super::gate::SignedIn;
use super::pages::Page;
use super::{csrf, layout};
use crate::domain::account::Account;
use crate::domain::audit::Origin;
use crate::domain::cursor::PageRequest;
use crate::domain::id::AccountId;
use crate::domain::rights::{Access, Right};
use crate::domain::time::Time;
use crate::error::Error;
use crate::http::problem::Problem;
use crate::service::who::{Who, who};
use crate::service::{App, read};
use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use maud::{Markup, html};
use std::collections::HashMap;

/// How many accounts the switcher offers.
const OFFERED: u32 = 12;

/// What every page knows. Only behind [`super::gate::require_session`].
pub struct View {
    /// Who is signed in.
    pub by: SignedIn,
    /// Their name, and what they are.
    pub who: (String, String),
    /// The account that the page is about: the one in the address, a person's own, or the newest. `None` only when there is none.
    pub account: Option<Account>,
    /// Accounts to switch to.
    pub others: Vec<Account>,
    /// Parameters of the address.
    pub query: HashMap<String, String>,
    /// When the page was asked for.
    pub now: Time,
    parameters: HashMap<String, String>,
}

impl View {
    /// Who acts: for every operation.
    pub fn origin(&self) -> &Origin {
        &self.by.origin
    }

    /// Whether who looks has this right.
    pub fn may(&self, right: Right) -> bool {
        self.by.origin.actor.may(right).is_some()
    }

    /// The account that the page is about, or the refusal.
    pub fn account(&self) -> Result<&Account, Problem> {
        self.account.as_ref().ok_or_else(|| Error::not_found("account").into())
    }

    /// A path of the account that the page is about, such as `/accounts/<id>/keys`.
    pub fn path(&self, rest: &str) -> String {
        self.account.as_ref().map_or_else(|| "/".to_owned(), |account| format!("/accounts/{}{rest}", account.id))
    }

    /// A part of the page's own address, such as `key` of `/accounts/{account}/keys/{key}`; empty when it has none.
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A parameter of the address; empty when it is not given.
    pub fn asked(&self, name: &str) -> &str {
        self.query.get(name).map(|text| text.trim()).unwrap_or_default()
    }

    /// What each form holds.
    pub fn token(&self) -> Markup {
        html! { input type="hidden" name=(csrf::FIELD) value=(csrf::token(&self.by.held)); }
    }

    /// A page: its content in the shell.
    pub fn page(&self, current: Page, title: &str, content: &Markup) -> Response {
        self.page_with(StatusCode::OK, current, title, content)
    }

    /// The same with another status.
    pub fn page_with(&self, status: StatusCode, current: Page, title: &str, content: &Markup) -> Response {
        let done = Done::from_name(self.asked("done"));
        page(status, title, &layout::shell(self, current, done, content))
    }
}

impl FromRequestParts<App> for View {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let by = SignedIn::from_request_parts(parts, app).await?;
        let parameters: HashMap<_, _> = match RawPathParams::from_request_parts(parts, app).await {
            Ok(found) => found.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            Err(_) => HashMap::new(),
        };
        let query = Query::try_from_uri(&parts.uri).map(|Query(query)| query).unwrap_or_default();
        let page = PageRequest { cursor: None, limit: OFFERED };
        let others = read::accounts(app, &by.origin, page).await?.data;
        let account = match parameters.get("account") {
            Some(text) => {
                let id = AccountId::parse(text).ok_or_else(|| Error::not_found("account"))?;
                match others.iter().find(|account| account.id == id) {
                    Some(account) => Some(account.clone()),
                    None => Some(read::account(app, &by.origin, id).await?),
                }
            }
            None => others.first().cloned(),
        };
        let who = match who(app, &by.origin).await? {
            Who::AdminKey { name, access: Access::Write, .. } => (name.to_string(), "Admin key".to_owned()),
            Who::AdminKey { name, access: Access::Read, .. } => {
                (name.to_string(), "Admin key, may only look".to_owned())
            }
            Who::User(user) => (user.name.to_string(), format!("{}, {}", user.email.as_str(), user.role.name())),
            Who::Key(key) => (key.name.to_string(), "Key".to_owned()),
        };
        Ok(Self { by, who, account, others, query, now: app.now(), parameters })
    }
}
