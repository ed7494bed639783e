//! Finds keys for people who look for one. What a program lists page after page is in [`super::read`].

use super::App;
use super::read::account_within;
use crate::domain::audit::Origin;
use crate::domain::id::{AccountId, ProjectId};
use crate::domain::key::Key;
use crate::domain::rights::{Resource, Right};
use crate::error::Error;
use crate::store::{KeyFilter, KeySearch};
pub use crate::store::{KeyOrder, StatusFilter};
use keyplane_contract::sync::Environment;

/// The most keys that are counted: beyond it people are told "more than".
pub const MOST_COUNTED: u32 = 100_000;

/// What is looked for, in an account.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The account.
    pub account: AccountId,
    /// Only of this project.
    pub project: Option<ProjectId>,
    /// Only of this environment.
    pub environment: Option<Environment>,
    /// Only in these states.
    pub status: StatusFilter,
    /// Words that are looked for.
    pub words: Vec<String>,
    /// The order.
    pub order: KeyOrder,
    /// The page, from 0.
    pub page: u32,
    /// How many keys a page has.
    pub per_page: u32,
}

/// A page of what was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The keys of the page.
    pub keys: Vec<Key>,
    /// How many there are on all pages, up to [`MOST_COUNTED`] and one.
    pub total: u32,
}

/// Looks for keys.
pub async fn search_keys(app: &App, by: &Origin, wanted: &Wanted) -> Result<Found, Error> {
    let reach = by.may(Right::read(Resource::Keys))?;
    let account = account_within(app, reach, Some(wanted.account)).await?;
    let project = match wanted.project {
        Some(id) => {
            let found = app.store.project(id).await?.filter(|project| Some(project.account) == account);
            Some(found.ok_or_else(|| Error::not_found_in("project", "project"))?.no)
        }
        None => None,
    };
    let search = KeySearch {
        filter: KeyFilter { account, project, environment: wanted.environment },
        status: wanted.status,
        words: wanted.words.clone(),
        order: wanted.order,
        offset: wanted.page.saturating_mul(wanted.per_page),
        limit: wanted.per_page,
    };
    let now = app.now();
    let keys = app.store.search_keys(&search, now).await?.into_iter().map(|stored| stored.key).collect();
    Ok(Found { keys, total: app.store.count_found_keys(&search, now, MOST_COUNTED + 1).await? })
}
