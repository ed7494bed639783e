//! Client for Keyplane's control plane, and the key as an application holds it.
//!
//! Two things, of which an application may need one only:
//!
//! - [`Client`] creates, lists, renames and revokes keys, for programs that automate what the dashboard does;
//! - [`ApiKey`] holds the key that an application calls with: read from the environment or a file, checked where the
//!   program starts, never printed.
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
//! use keyplane_sdk::ApiKey;
//!
//! let key = ApiKey::from_env("UPLOADKIT_API_KEY")?.expect_prefix("uk_live")?;
//! println!("calling as {key}"); // the mask: uk_live_0123...xXni
//! let header = ("X-API-Key", key.expose());
//! # let _ = header;
//! # Ok::<(), keyplane_sdk::ApiKeyError>(())
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
//! `rustls` (off by default): `https` base URLs, with the certificates that the operating system trusts or with an own
//! authority, and client certificates.

// No secret is in a panic that cannot happen.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unreachable)
)]

mod accounts;
mod admin_keys;
mod api_key;
mod audit;
mod change;
mod client;
mod credential;
mod entropy;
mod error;
mod id;
mod keys;
mod me;
mod page;
mod personal_tokens;
mod problem;
mod projects;
mod proxies;
mod proxy_tokens;
mod receipt;
mod retry;
#[cfg(feature = "rustls")]
mod tls;
mod transport;
mod update_key;
mod usage;
mod users;

pub use accounts::{Account, AccountStatus, Accounts, CreateAccount, ListAccounts, UpdateAccount};
pub use admin_keys::{Access, AdminKey, AdminKeys, CreatedAdminKey, ListAdminKeys};
pub use api_key::{ApiKey, ApiKeyError, ApiKeyErrorReason};
pub use audit::{Audit, AuditEntry, AuditParty, ListAudit};
pub use client::{Client, ClientBuilder};
pub use error::{
    AnswerError, AnswerErrorKind, ApiError, BuildError, Error, FieldError, TransportError, TransportErrorKind,
};
pub use id::{AccountId, AdminKeyId, IdError, KeyId, ProjectId, ProxyTokenId, UserId};
/// Times in requests and answers are [`jiff::Timestamp`]s.
pub use jiff;
pub use keyplane_contract::key::KeyError;
pub use keys::{CreateKey, CreatedKey, Environment, Key, KeySource, KeyStatus, Keys, ListKeys, RotateKey, RotatedKey};
pub use me::{Me, OwnAdminKey};
pub use page::{Page, Pager};
pub use personal_tokens::{
    CreatePersonalToken, CreatedPersonalToken, ListPersonalTokens, PersonalToken, PersonalTokens,
};
pub use projects::{CreateProject, ListProjects, Prefixes, Project, Projects, UpdateProject};
pub use proxies::{Proxies, Proxy, ProxyList, ProxyWorker};
pub use proxy_tokens::{CreatedProxyToken, ListProxyTokens, ProxyToken, ProxyTokens};
pub use receipt::{LaggingProxy, LaggingWorker, Receipt};
pub use retry::RetryPolicy;
/// What is kept with keys, and the details of audit entries, are [`serde_json`]'s values.
pub use serde_json;
pub use update_key::{Metadata, RevokeKey, UpdateKey};
pub use usage::{ListUsage, Usage, UsagePage, UsageRow};
pub use users::{CreateUser, Identity, ListUsers, Role, UpdateUser, User, Users};

/// Has the examples of the README compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
