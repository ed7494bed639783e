//! Looks at accounts, projects, users, keys, personal access tokens, and the operator's own credentials. Reads change nothing and wait for no writer.

use super::App;
use super::permit::visible;
use crate::domain::account::Account;
use crate::domain::actor::{Actor, Reach};
use crate::domain::audit::Origin;
use crate::domain::credential::{AdminKey, ProxyToken};
use crate::domain::cursor::{Listing, PageRequest};
use crate::domain::id::{AccountId, AdminKeyId, KeyId, ProjectId, ProxyTokenId, UserId};
use crate::domain::key::{Key, KeyKind};
use crate::domain::project::Project;
use crate::domain::rights::{Resource, Right};
use crate::domain::source::Source;
use crate::domain::user::User;
use crate::error::Error;
use crate::store::KeyFilter;
use keyplane_contract::sync::Environment;

/// The account of this id.
pub async fn account(app: &App, by: &Origin, id: AccountId) -> Result<Account, Error> {
    let reach = by.may(Right::read(Resource::Accounts))?;
    let account = app.store.account(id).await?.filter(|account| reach.covers(account.no));
    account.ok_or_else(|| Error::not_found("account"))
}

/// A page of accounts: a tenant sees its own.
pub async fn accounts(app: &App, by: &Origin, page: PageRequest) -> Result<Listing<Account>, Error> {
    let reach = by.may(Right::read(Resource::Accounts))?;
    Ok(Listing::of(app.store.accounts(reach.account(), page).await?, page, |account| account.id.0))
}

/// The project of this id.
pub async fn project(app: &App, by: &Origin, id: ProjectId) -> Result<Project, Error> {
    let reach = by.may(Right::read(Resource::Projects))?;
    let project = app.store.project(id).await?.filter(|project| reach.covers(project.account));
    project.ok_or_else(|| Error::not_found("project"))
}

/// A page of projects, of one account or of all that the caller may see.
pub async fn projects(
    app: &App,
    by: &Origin,
    account: Option<AccountId>,
    page: PageRequest,
) -> Result<Listing<Project>, Error> {
    let reach = by.may(Right::read(Resource::Projects))?;
    let account = account_within(app, reach, account).await?;
    Ok(Listing::of(app.store.projects(account, page).await?, page, |project| project.id.0))
}

/// The key of this id.
pub async fn key(app: &App, by: &Origin, id: KeyId) -> Result<Key, Error> {
    let reach = by.may(Right::read(Resource::Keys))?;
    Ok(visible(app.store.key(id).await?, KeyKind::Key, reach)?.key)
}

/// Where a key was used from, the source used last first.
pub async fn key_sources(app: &App, by: &Origin, id: KeyId) -> Result<Vec<Source>, Error> {
    let reach = by.may(Right::read(Resource::Keys))?;
    visible(app.store.key(id).await?, KeyKind::Key, reach)?;
    Ok(app.store.key_sources(id).await?)
}

/// A page of keys: of one project, of one account or of all that the caller may see; of one environment or of both.
pub async fn keys(
    app: &App,
    by: &Origin,
    project: Option<ProjectId>,
    environment: Option<Environment>,
    page: PageRequest,
) -> Result<Listing<Key>, Error> {
    let reach = by.may(Right::read(Resource::Keys))?;
    let project = match project {
        Some(id) => {
            let found = app.store.project(id).await?.filter(|project| reach.covers(project.account));
            Some(found.ok_or_else(|| Error::not_found_in("project", "project_id"))?.no)
        }
        None => None,
    };
    let filter = KeyFilter { account: reach.account(), project, environment };
    Ok(Listing::of(app.store.keys(filter, page).await?, page, |stored| stored.key.id.0).map(|stored| stored.key))
}

/// The user of this id.
pub async fn user(app: &App, by: &Origin, id: UserId) -> Result<User, Error> {
    let reach = by.may(Right::read(Resource::Users))?;
    let user = app.store.user(id).await?.filter(|user| reach.covers(user.account));
    user.ok_or_else(|| Error::not_found("user"))
}

/// A page of users, of one account or of all that the caller may see.
pub async fn users(
    app: &App,
    by: &Origin,
    account: Option<AccountId>,
    page: PageRequest,
) -> Result<Listing<User>, Error> {
    let reach = by.may(Right::read(Resource::Users))?;
    let account = account_within(app, reach, account).await?;
    Ok(Listing::of(app.store.users(account, page).await?, page, |user| user.id.0))
}

/// The personal access token of this id.
pub async fn personal_token(app: &App, by: &Origin, id: KeyId) -> Result<Key, Error> {
    let reach = by.may(Right::read(Resource::PersonalTokens))?;
    Ok(visible(app.store.key(id).await?, KeyKind::PersonalToken, reach)?.key)
}

/// A page of personal access tokens: of one user; without one a user's own, and for the operator all.
pub async fn personal_tokens(
    app: &App,
    by: &Origin,
    user: Option<UserId>,
    page: PageRequest,
) -> Result<Listing<Key>, Error> {
    let reach = by.may(Right::read(Resource::PersonalTokens))?;
    let user = match (user, by.actor) {
        (Some(id), _) => {
            let found = app.store.user(id).await?.filter(|user| reach.covers_user(user.account, user.no));
            Some(found.ok_or_else(|| Error::not_found_in("user", "user_id"))?.no)
        }
        (None, Actor::User { no, .. }) => Some(no),
        (None, _) => reach.user(),
    };
    let found = app.store.personal_tokens(reach.account(), user, page).await?;
    Ok(Listing::of(found, page, |stored| stored.key.id.0).map(|stored| stored.key))
}

/// A page of an account's personal access tokens, of all its people that the caller may see: of a member their own.
pub async fn personal_tokens_of(
    app: &App,
    by: &Origin,
    account: AccountId,
    page: PageRequest,
) -> Result<Listing<Key>, Error> {
    let reach = by.may(Right::read(Resource::PersonalTokens))?;
    let account = account_within(app, reach, Some(account)).await?;
    let found = app.store.personal_tokens(account, reach.user(), page).await?;
    Ok(Listing::of(found, page, |stored| stored.key.id.0).map(|stored| stored.key))
}

/// The admin key of this id.
pub async fn admin_key(app: &App, by: &Origin, id: AdminKeyId) -> Result<AdminKey, Error> {
    by.may(Right::read(Resource::AdminKeys))?;
    app.store.admin_key(id).await?.ok_or_else(|| Error::not_found("admin key"))
}

/// A page of admin keys, the revoked ones too.
pub async fn admin_keys(app: &App, by: &Origin, page: PageRequest) -> Result<Listing<AdminKey>, Error> {
    by.may(Right::read(Resource::AdminKeys))?;
    Ok(Listing::of(app.store.admin_keys(page).await?, page, |key| key.id.0))
}

/// The proxy token of this id.
pub async fn proxy_token(app: &App, by: &Origin, id: ProxyTokenId) -> Result<ProxyToken, Error> {
    by.may(Right::read(Resource::ProxyTokens))?;
    app.store.proxy_token(id).await?.ok_or_else(|| Error::not_found("proxy token"))
}

/// A page of proxy tokens, the revoked ones too.
pub async fn proxy_tokens(app: &App, by: &Origin, page: PageRequest) -> Result<Listing<ProxyToken>, Error> {
    by.may(Right::read(Resource::ProxyTokens))?;
    Ok(Listing::of(app.store.proxy_tokens(page).await?, page, |token| token.id.0))
}

/// The number of the account that a list is of: the one that is named, if it exists for the actor, or the actor's own.
pub(super) async fn account_within(app: &App, reach: Reach, id: Option<AccountId>) -> Result<Option<u32>, Error> {
    match id {
        Some(id) => {
            let found = app.store.account(id).await?.filter(|account| reach.covers(account.no));
            Ok(Some(found.ok_or_else(|| Error::not_found_in("account", "account_id"))?.no))
        }
        None => Ok(reach.account()),
    }
}
