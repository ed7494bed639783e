//! Which proxies are alive, and how far each is.

use super::App;
use super::workers::Worker;
use crate::domain::audit::Origin;
use crate::domain::rights::{Resource, Right};
use crate::error::Error;

/// A proxy and its live workers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proxy {
    /// Its own name; empty when it says none.
    pub name: String,
    /// Its workers.
    pub workers: Vec<Worker>,
}

impl Proxy {
    /// Whether a worker of it has not acknowledged all there is.
    pub fn lags(&self, head: u64) -> bool {
        self.workers.iter().any(|worker| worker.lags(head))
    }
}

/// The live proxies and the revision that all of them would have if none lagged.
pub fn list_proxies(app: &App, by: &Origin) -> Result<(u64, Vec<Proxy>), Error> {
    by.may(Right::read(Resource::Proxies))?;
    let head = *app.store.head().borrow();
    let mut proxies: Vec<Proxy> = Vec::new();
    for worker in app.workers.live(app.now()) {
        match proxies.last_mut().filter(|proxy| proxy.name == worker.proxy) {
            Some(proxy) => proxy.workers.push(worker),
            None => proxies.push(Proxy { name: worker.proxy.clone(), workers: vec![worker] }),
        }
    }
    Ok((head, proxies))
}
