//! Live proxies and what each of them has applied: `/v1/proxies`.

use crate::error::Error;
use crate::transport::{Call, Transport};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Looking at the proxies; see [`Client::proxies`](crate::Client::proxies).
#[derive(Clone, Copy)]
pub struct Proxies<'a> {
    pub(crate) transport: &'a Arc<Transport>,
}

impl Proxies<'_> {
    /// All live proxies.
    ///
    /// ```no_run
    /// # async fn run(client: keyplane_sdk::Client) -> Result<(), keyplane_sdk::Error> {
    /// let proxies = client.proxies().list().await?;
    /// for proxy in proxies.data.iter().filter(|proxy| proxy.lagging) {
    ///     println!("{} is at {:?} of {}", proxy.name, proxy.revision, proxies.revision);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list(self) -> Result<ProxyList, Error> {
        self.transport.send(Call::get(&["v1", "proxies"])).await
    }
}

/// The live proxies, and the revision that they should have.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProxyList {
    /// The newest revision: who has it has everything.
    pub revision: u64,
    /// The proxies.
    pub data: Vec<Proxy>,
    /// `None`: all of them come at once.
    pub next_cursor: Option<String>,
}

/// One Envoy process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Proxy {
    /// Its own name; empty when it says none.
    pub name: String,
    /// What all its workers have acknowledged; `None` while one of them has nothing.
    pub revision: Option<u64>,
    /// Whether it may lack the newest revision.
    pub lagging: bool,
    /// How long ago it was certainly up to date, in milliseconds.
    pub age_ms: u64,
    /// When a poll of it began last.
    pub last_seen_at: Timestamp,
    /// Its workers.
    pub workers: Vec<ProxyWorker>,
}

/// One worker of a proxy, which decides with a table of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProxyWorker {
    /// Its id, made when it started.
    pub id: String,
    /// The version of its filter.
    pub filter_version: String,
    /// What it has acknowledged; `None` while it has nothing.
    pub revision: Option<u64>,
    /// Whether it may lack the newest revision.
    pub lagging: bool,
    /// How long ago it was certainly up to date, in milliseconds.
    pub age_ms: u64,
    /// When its last poll began.
    pub last_seen_at: Timestamp,
}
