//! The management API, version 1. One file for each operation.

mod accounts_create;
mod accounts_get;
mod accounts_list;
mod accounts_update;
mod admin_keys_create;
mod admin_keys_get;
mod admin_keys_list;
mod admin_keys_revoke;
mod admin_keys_update;
mod audit_list;
mod keys_create;
mod keys_get;
mod keys_list;
mod keys_revoke;
mod keys_rotate;
mod keys_sources;
mod keys_update;
mod lists;
mod me;
mod objects;
mod personal_tokens_create;
mod personal_tokens_get;
mod personal_tokens_list;
mod personal_tokens_revoke;
mod personal_tokens_update;
mod projects_create;
mod projects_get;
mod projects_list;
mod projects_update;
mod proxies_list;
mod proxy_tokens_create;
mod proxy_tokens_get;
mod proxy_tokens_list;
mod proxy_tokens_revoke;
mod proxy_tokens_update;
pub mod receipts;
mod rename;
pub(crate) mod terms;
pub(super) mod texts;
mod usage_get;
mod users_create;
mod users_get;
mod users_list;
mod users_remove;
mod users_update;

use super::auth::require_caller;
use super::problem::Problem;
use crate::domain::networks::{Networks, NetworksError};
use crate::domain::rights::Rights;
use crate::domain::scope::{ScopeError, Scopes};
use crate::domain::user::Role;
use crate::error::{Error, FieldError};
use crate::service::App;
use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use keyplane_contract::sync::Environment;
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All routes under `/v1`, behind authentication.
pub fn routes(app: &App) -> Router<App> {
    Router::from(documented()).route_layer(from_fn_with_state(app.clone(), require_caller))
}

/// The routes with what the `OpenAPI` document says of them: one cannot be there without the other.
pub fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(accounts_create::handle, accounts_list::handle))
        .routes(routes!(accounts_get::handle, accounts_update::handle))
        .routes(routes!(projects_create::handle, projects_list::handle))
        .routes(routes!(projects_get::handle, projects_update::handle))
        .routes(routes!(keys_create::handle, keys_list::handle))
        .routes(routes!(keys_get::handle, keys_update::handle, keys_revoke::handle))
        .routes(routes!(keys_rotate::handle))
        .routes(routes!(keys_sources::handle))
        .routes(routes!(users_create::handle, users_list::handle))
        .routes(routes!(users_get::handle, users_update::handle, users_remove::handle))
        .routes(routes!(personal_tokens_create::handle, personal_tokens_list::handle))
        .routes(routes!(personal_tokens_get::handle, personal_tokens_update::handle, personal_tokens_revoke::handle))
        .routes(routes!(me::handle))
        .routes(routes!(admin_keys_create::handle, admin_keys_list::handle))
        .routes(routes!(admin_keys_get::handle, admin_keys_update::handle, admin_keys_revoke::handle))
        .routes(routes!(proxy_tokens_create::handle, proxy_tokens_list::handle))
        .routes(routes!(proxy_tokens_get::handle, proxy_tokens_update::handle, proxy_tokens_revoke::handle))
        .routes(routes!(audit_list::handle))
        .routes(routes!(proxies_list::handle))
        .routes(routes!(usage_get::handle))
}

/// The id in the path. A text that is no id names nothing: it is not found.
struct PathId<I>(I);

/// An id that a path can carry.
trait FromText: Sized {
    /// What it is an id of.
    const KIND: &str;
    fn from_text(text: &str) -> Option<Self>;
}

macro_rules! from_text {
    ($($id:ident $kind:literal),*) => {$(
        impl FromText for crate::domain::id::$id {
            const KIND: &str = $kind;
            fn from_text(text: &str) -> Option<Self> {
                Self::parse(text)
            }
        }
    )*};
}

from_text!(AccountId "account", ProjectId "project", KeyId "key", UserId "user", AdminKeyId "admin key", ProxyTokenId "proxy token");

impl<I: FromText, S: Send + Sync> FromRequestParts<S> for PathId<I> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let text = Path::<String>::from_request_parts(parts, state).await.ok();
        let id = text.and_then(|Path(text)| I::from_text(&text));
        id.map(Self).ok_or_else(|| Error::not_found(I::KIND).into())
    }
}

/// Whole milliseconds.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Reads a field into a domain type; what is wrong is added to `errors`.
fn field<T, E: ToString>(name: &str, value: Result<T, E>, errors: &mut Vec<FieldError>) -> Option<T> {
    value.map_err(|error| errors.push(FieldError::new(name, error.to_string()))).ok()
}

/// Reads a field that is an id.
fn id_field<I: FromText>(name: &str, text: &str, errors: &mut Vec<FieldError>) -> Option<I> {
    field(name, I::from_text(text).ok_or("must be an id, such as 01890a5d-ac96-774b-bcce-b302099a8057"), errors)
}

/// Reads a field that is an environment.
fn environment_field(name: &str, text: &str, errors: &mut Vec<FieldError>) -> Option<Environment> {
    let environment = match text {
        "live" => Ok(Environment::Live),
        "test" => Ok(Environment::Test),
        _ => Err("must be `live` or `test`"),
    };
    field(name, environment, errors)
}

/// Reads a field that is a role.
fn role_field(name: &str, text: &str, errors: &mut Vec<FieldError>) -> Option<Role> {
    field(name, Role::from_name(text).ok_or("must be `owner`, `admin` or `member`"), errors)
}

/// Reads a field that is a list of networks.
fn networks_field(texts: &[String], errors: &mut Vec<FieldError>) -> Option<Networks> {
    Networks::parse(texts)
        .map_err(|error| {
            let place = match error {
                NetworksError::TooMany => "allowed_cidrs".to_owned(),
                NetworksError::Grammar { at } | NetworksError::HostBits { at, .. } => format!("allowed_cidrs[{at}]"),
            };
            errors.push(FieldError::new(place, error));
        })
        .ok()
}

/// Reads a field that is a list of scopes.
fn scopes_field(texts: &[String], errors: &mut Vec<FieldError>) -> Option<Scopes> {
    if let Err(error) = Rights::check(texts) {
        errors.push(FieldError::new(format!("scopes[{}]", error.at), error));
        return None;
    }
    Scopes::parse(texts)
        .map_err(|error| {
            let place = match error {
                ScopeError::TooMany => "scopes".to_owned(),
                ScopeError::Grammar { at } => format!("scopes[{at}]"),
            };
            errors.push(FieldError::new(place, error));
        })
        .ok()
}
