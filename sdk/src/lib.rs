//! Keyplane for Rust programs: automate keys, call with a key, serve behind Envoy.
//!
//! Three parts, of which most programs need one:
//!
//! - [`Client`] creates, lists, rotates and revokes keys, for programs that automate what the dashboard does;
//! - [`ApiKey`] holds the key that an application calls with: read from the environment or a file, checked where the
//!   program starts, never printed. [`CurrentKey`] is one that can be replaced without a restart, and [`Caller`] calls with it;
#![cfg_attr(
    feature = "tower",
    doc = "- [`Principal`] is who calls a service behind Envoy, and [`PrincipalLayer`] asks for scopes."
)]
#![cfg_attr(
    not(feature = "tower"),
    doc = "- `Principal` is who calls a service behind Envoy (feature `tower` or `axum`)."
)]
//!
//! # Automation
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use keyplane_sdk::{Client, CreateKey, Environment, ListKeys, ListProjects};
//!
//! // KEYPLANE_URL, such as http://127.0.0.1:8080, and KEYPLANE_API_KEY, such as an admin key
//! let client = Client::from_env()?;
//! let project = client.projects().all(ListProjects::new()).next().await?.ok_or("no project yet")?;
//!
//! let created = client.keys().create(&CreateKey::new(project.id, Environment::Live, "build server")).await?;
//! hand_over(created.secret.expose()); // the only time the secret is there
//!
//! let mut keys = client.keys().all(ListKeys::new().project(project.id));
//! while let Some(key) = keys.next().await? {
//!     println!("{:30} {:?} {}", key.key_prefix, key.status, key.name);
//! }
//! client.keys().revoke(created.key.id).await?;
//! # Ok(())
//! # }
//! # fn hand_over(_: &str) {}
//! ```
//!
//! # Calling with a key
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use keyplane_sdk::{ApiKey, Caller};
//!
//! let key = ApiKey::from_env("UPLOADKIT_API_KEY")?.expect_prefix("uk_live")?;
//! println!("calling as {key}"); // the mask: uk_live_0123...xXni
//! let api = Caller::new("http://api.example.internal", key)?;
//! let answer = api.send(api.get("/v1/files")).await?;
//! # let _ = answer;
//! # Ok(())
//! # }
//! ```
//!
//! # What is sent again
//!
//! After 429, 502 to 504 and faults of the connection a call is sent again, a few times, with random delays, and not
//! before a `Retry-After` has passed: see [`RetryPolicy`]. Calls that create something carry an `Idempotency-Key`, so that the server
//! does nothing twice and answers again as the first time, the secret included. Calls that change something are sent again only
//! where it is certain that nothing happened. Where that stays uncertain, [`TransportError::may_have_taken_effect`] says so.
//!
//! # Features
//!
//! - `client` (on by default): [`Client`] and [`Caller`]
//! - `rustls`: the same with `https` base URLs, with the certificates that the operating system trusts or with an
//!   own authority, and client certificates
//! - `tower`: `Principal` and `PrincipalLayer`, for services of any HTTP server
//! - `axum`: the same as an extractor of axum 0.8
//!
//! A service takes `default-features = false` and one of the last two. [`ApiKey`] and [`CurrentKey`] are always there.

// No secret is in a panic that cannot happen.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

#[cfg(feature = "client")]
mod accounts;
#[cfg(feature = "client")]
mod admin_keys;
mod api_key;
#[cfg(feature = "client")]
mod audit;
#[cfg(feature = "client")]
mod caller;
#[cfg(feature = "client")]
mod change;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod credential;
mod current_key;
#[cfg(feature = "client")]
mod entropy;
mod environment;
#[cfg(feature = "client")]
mod error;
mod id;
#[cfg(feature = "client")]
mod keys;
#[cfg(feature = "client")]
mod me;
#[cfg(feature = "client")]
mod page;
#[cfg(feature = "client")]
mod personal_tokens;
#[cfg(feature = "tower")]
mod principal;
#[cfg(feature = "client")]
mod problem;
#[cfg(feature = "client")]
mod projects;
#[cfg(feature = "client")]
mod proxies;
#[cfg(feature = "client")]
mod proxy_tokens;
#[cfg(feature = "client")]
mod receipt;
#[cfg(feature = "client")]
mod retry;
#[cfg(feature = "rustls")]
mod tls;
#[cfg(feature = "client")]
mod transport;
#[cfg(feature = "client")]
mod update_key;
#[cfg(feature = "client")]
mod usage;
#[cfg(feature = "client")]
mod users;
#[cfg(feature = "client")]
mod version;

#[cfg(feature = "client")]
pub use accounts::{Account, AccountStatus, Accounts, CreateAccount, ListAccounts, UpdateAccount};
#[cfg(feature = "client")]
pub use admin_keys::{Access, AdminKey, AdminKeys, CreatedAdminKey, ListAdminKeys};
pub use api_key::{ApiKey, ApiKeyError, ApiKeyErrorReason};
#[cfg(feature = "client")]
pub use audit::{Audit, AuditEntry, AuditParty, ListAudit};
#[cfg(feature = "client")]
pub use caller::{CallError, Caller, CallerBuilder};
#[cfg(feature = "client")]
pub use client::{Client, ClientBuilder};
pub use current_key::CurrentKey;
pub use environment::Environment;
#[cfg(feature = "client")]
pub use error::{
    AnswerError, AnswerErrorKind, ApiError, BuildError, Error, FieldError, TransportError, TransportErrorKind,
};
pub use id::{AccountId, AdminKeyId, IdError, KeyId, ProjectId, ProxyTokenId, UserId};
/// Times in requests and answers are [`jiff::Timestamp`]s.
#[cfg(feature = "client")]
pub use jiff;
pub use keyplane_contract::key::KeyError;
#[cfg(feature = "client")]
pub use keys::{CreateKey, CreatedKey, Key, KeySource, KeyStatus, Keys, ListKeys, RotateKey, RotatedKey};
#[cfg(feature = "client")]
pub use me::{Me, OwnAdminKey};
#[cfg(feature = "client")]
pub use page::{Page, Pager};
#[cfg(feature = "client")]
pub use personal_tokens::{
    CreatePersonalToken, CreatedPersonalToken, ListPersonalTokens, PersonalToken, PersonalTokens,
};
#[cfg(feature = "tower")]
pub use principal::{
    Principal, PrincipalField, PrincipalFuture, PrincipalHeaders, PrincipalLayer, PrincipalService, Refusal,
    RefusalReason,
};
#[cfg(feature = "client")]
pub use projects::{CreateProject, ListProjects, Prefixes, Project, Projects, UpdateProject};
#[cfg(feature = "client")]
pub use proxies::{Proxies, Proxy, ProxyList, ProxyWorker};
#[cfg(feature = "client")]
pub use proxy_tokens::{CreatedProxyToken, ListProxyTokens, ProxyToken, ProxyTokens};
#[cfg(feature = "client")]
pub use receipt::{LaggingProxy, LaggingWorker, Receipt};
/// The requests and answers of a [`Caller`] are reqwest's.
#[cfg(feature = "client")]
pub use reqwest;
#[cfg(feature = "client")]
pub use retry::RetryPolicy;
/// What is kept with keys, and the details of audit entries, are [`serde_json`]'s values.
#[cfg(feature = "client")]
pub use serde_json;
#[cfg(feature = "client")]
pub use update_key::{Metadata, RevokeKey, UpdateKey};
#[cfg(feature = "client")]
pub use usage::{ListUsage, Usage, UsagePage, UsageRow};
#[cfg(feature = "client")]
pub use users::{CreateUser, Identity, ListUsers, Role, UpdateUser, User, Users};
#[cfg(feature = "client")]
pub use version::{Version, VersionError, Versioned};

/// Has the examples of the README compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
