//! The parameter `wait` of a change, and the receipt that it answers with.

use super::super::auth::Authenticated;
use super::texts::WaitText;
use super::{field, millis};
use crate::domain::time::Time;
use crate::domain::wait;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::receipt::{Receipt, receipt};
use crate::service::workers::Worker;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// For a change that takes no other parameter.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WaitQuery {
    /// Waits until every live proxy has the change, for at most so long, and then answers with a receipt.
    #[param(value_type = Option<WaitText>)]
    wait: Option<String>,
}

impl WaitQuery {
    /// How long to wait; `None` asks for no receipt.
    pub fn parse(&self) -> Result<Option<Duration>, Error> {
        let mut errors = Vec::new();
        let wait = wait_field(self.wait.as_deref(), &mut errors);
        if errors.is_empty() { Ok(wait) } else { Err(Error::fields(Code::InvalidQuery, errors)) }
    }
}

/// Reads `wait`; what is wrong is added to `errors`.
pub fn wait_field(text: Option<&str>, errors: &mut Vec<FieldError>) -> Option<Duration> {
    field("wait", wait::parse(text?), errors)
}

/// Waits if that was asked for, and gives the receipt of `revision`. The change is on the disk by now.
pub async fn receipt_of(
    app: &App,
    by: &Authenticated,
    revision: u64,
    wait: Option<Duration>,
) -> Option<Box<ReceiptObject>> {
    let receipt = receipt(app, &by.origin(), revision, wait?).await;
    Some(Box::new(receipt.into()))
}

/// Which proxies have a change.
#[derive(Serialize, ToSchema)]
#[schema(as = Receipt)]
pub struct ReceiptObject {
    /// The revision of the change.
    revision: u64,
    /// How many proxies are alive.
    proxies: u64,
    /// How many of them have the change at all their workers: each request that they begin to decide from now on is decided by it.
    applied: u64,
    /// Those that may lack it. Null for callers that may not list proxies.
    #[schema(required)]
    lagging: Option<Vec<LaggingProxy>>,
    /// How long it was waited for, in milliseconds.
    elapsed_ms: u64,
}

/// A proxy that may lack a change.
#[derive(Serialize, ToSchema)]
struct LaggingProxy {
    name: String,
    /// Its workers that may lack it.
    workers: Vec<LaggingWorker>,
}

/// A worker that may lack a change.
#[derive(Serialize, ToSchema)]
struct LaggingWorker {
    #[schema(value_type = uuid::Uuid)]
    id: String,
    /// What it has acknowledged; null when that is not known.
    #[schema(required)]
    revision: Option<u64>,
    /// When its last poll began.
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Time,
}

impl From<Receipt> for ReceiptObject {
    fn from(receipt: Receipt) -> Self {
        let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
        Self {
            revision: receipt.revision,
            proxies: count(receipt.proxies),
            applied: count(receipt.applied),
            lagging: receipt.lagging.map(|proxies| proxies.into_iter().map(LaggingProxy::from).collect()),
            elapsed_ms: millis(receipt.elapsed),
        }
    }
}

impl From<Vec<Worker>> for LaggingProxy {
    fn from(workers: Vec<Worker>) -> Self {
        Self {
            name: workers.first().map(|worker| worker.proxy.clone()).unwrap_or_default(),
            workers: workers
                .into_iter()
                .map(|worker| LaggingWorker {
                    id: worker.id.to_string(),
                    revision: worker.revision(),
                    last_seen_at: worker.seen_at,
                })
                .collect(),
        }
    }
}
