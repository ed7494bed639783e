//! What can be done: one operation, one file. The API, the command line and later the dashboard call these and nothing
//! else, so that there is one way to do a thing.
//!
//! A change is one transaction: row, audit entry and revision.

pub mod attention;
pub mod authenticate;
pub mod changes;
pub mod create_account;
pub mod create_admin_key;
pub mod create_key;
pub mod create_personal_token;
pub mod create_project;
pub mod create_proxy_token;
pub mod create_user;
pub mod initialize;
pub mod key_chain;
pub mod known_tokens;
pub mod last_uses;
pub mod list_audit;
pub mod list_proxies;
pub mod once;
pub mod pages;
pub mod pending;
mod permit;
pub mod project_keys;
pub mod read;
pub mod receipt;
pub mod record_usage;
pub mod remove_user;
pub mod report_usage;
pub mod restore;
pub mod revoke_admin_key;
pub mod revoke_key;
pub mod revoke_proxy_token;
pub mod rotate_key;
pub mod search_keys;
pub mod sessions;
pub mod sign_in;
pub mod sweep;
pub mod tell_proxies;
pub mod throttle;
pub mod update_account;
pub mod update_admin_key;
pub mod update_key;
pub mod update_project;
pub mod update_proxy_token;
pub mod update_user;
pub mod who;
pub mod workers;

use crate::domain::audit::{Action, Entry, Origin};
use crate::domain::plan::Plans;
use crate::domain::proxy_metadata::ProxyMetadata;
use crate::domain::random::Random;
use crate::domain::session::SessionLimits;
use crate::domain::time::{Clock, Time};
use crate::error::{Code, Error, FieldError};
use crate::jwt::Verifier;
use crate::modules::Modules;
use crate::store::Store;
use keyplane_contract::id::Id;
use keyplane_contract::key::Prefix;
use known_tokens::KnownTokens;
use last_uses::LastUses;
use pages::Pages;
use std::sync::Arc;
use std::time::Duration;
use throttle::Throttle;
use tokio::sync::watch;
use workers::Workers;

/// What the operator says of the dashboard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DashboardSettings {
    /// How long sessions last.
    pub sessions: SessionLimits,
    /// An address behind a proxy that takes keys, to be shown beside a new one; empty when the operator names none.
    pub try_url: Arc<str>,
}

/// What the operations work on. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub store: Arc<Store>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Where secrets and ids come from.
    pub random: Arc<dyn Random>,
    /// The proxies' workers that poll.
    pub workers: Arc<Workers>,
    /// Proxy tokens that were found valid.
    pub proxy_tokens: Arc<KnownTokens>,
    /// Pages of the feed that were made already.
    pub pages: Arc<Pages>,
    /// The filter, for proxies to fetch.
    pub modules: Arc<Modules>,
    /// Verifies JWTs of the configured issuers.
    pub jwt: Arc<Verifier>,
    /// Counts failed authentications.
    pub throttle: Arc<Throttle>,
    /// Uses of keys at the management API.
    pub last_uses: Arc<LastUses>,
    /// The operator's plans.
    pub plans: Arc<Plans>,
    /// Which metadata of keys proxies are told.
    pub proxy_metadata: Arc<ProxyMetadata>,
    /// What personal access tokens begin with.
    pub personal_token_prefix: Prefix,
    /// What the dashboard needs to know.
    pub dashboard: DashboardSettings,
    /// How long a revoked key stays in the feed.
    pub revoked_retention: Duration,
    /// How long usage is kept by the day.
    pub usage_retention: Duration,
    /// How long usage is kept by the hour too.
    pub usage_hourly_retention: Duration,
    /// How long answers to requests with an `Idempotency-Key` are kept.
    pub idempotency_retention: Duration,
    /// When this process began to listen: before it no proxy could report.
    pub started_at: Time,
    /// Becomes true when the process is about to stop: waiting polls are answered.
    pub stopping: watch::Receiver<bool>,
}

impl App {
    /// Now.
    pub fn now(&self) -> Time {
        self.clock.now()
    }
}

/// An audit entry of a change at `at`.
fn audit(at: Time, by: &Origin, action: Action, object: Id, account: Option<u32>, detail: serde_json::Value) -> Entry {
    Entry { at, origin: *by, action, object: Some(object), account, detail }
}

/// The plan of this name, or the refusal that names those that there are.
fn known_plan(app: &App, name: &str) -> Result<String, Error> {
    app.plans.find(name).map(str::to_owned).ok_or_else(|| {
        let field = FieldError::new("plan", format!("must be one of {}", app.plans.names()));
        Error::fields(Code::InvalidRequest, vec![field])
    })
}

/// Refuses an end that has come already.
fn future(field: &'static str, end: Option<Time>, now: Time) -> Result<(), Error> {
    match end {
        Some(end) if end <= now => {
            let field = FieldError::new(field, format!("must lie in the future; it is {now} now"));
            Err(Error::fields(Code::InvalidRequest, vec![field]))
        }
        _ => Ok(()),
    }
}
