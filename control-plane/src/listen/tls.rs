//! The certificate that a listener has now. The files are looked at again and again, so that a renewed certificate is taken
//! without a restart and without a signal, however it came: certbot, a Kubernetes secret, `cp`.
//!
//! What they hold counts, not their times, and only once two looks in a row found the same: certificate and key are two files,
//! and nobody writes both at once. Whatever cannot be used is logged, and the certificate before stays.

use super::files::{Contents, TlsError, TlsFiles, doubt};
use super::stopped;
use crate::domain::time::Clock;
use keyplane_contract::digest::Digest;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How often a certificate that ends soon is warned of.
const WARN: Duration = Duration::from_hours(24);
/// At most one failed handshake in this time is a warning; anybody can cause them.
const COMPLAIN: Duration = Duration::from_secs(1);

/// TLS of a listener. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Inner>);

struct Inner {
    files: TlsFiles,
    clock: Arc<dyn Clock>,
    current: Mutex<Current>,
    /// Counts the changes of whom the clients' certificates must be from.
    clients: watch::Sender<u64>,
    complained: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("files", &self.files).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Current {
    config: Arc<ServerConfig>,
    leaf: CertificateDer<'static>,
    fingerprint: [Digest; 3],
}

impl Tls {
    /// Reads the files; warns of what is doubtful about them.
    pub fn load(files: TlsFiles, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let current = make(&files, &files.read()?)?;
        if let Some(warning) = files.exposed_key() {
            tracing::warn!("{warning}");
        }
        let (clients, _) = watch::channel(0);
        let inner = Inner { files, clock, current: Mutex::new(current), clients, complained: Mutex::default() };
        let tls = Self(Arc::new(inner));
        tls.warn_of_end();
        Ok(tls)
    }

    /// What to serve a new connection with.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.current().config
    }

    /// Changes when connections with certificates of clients are to be made anew, because others may come in now.
    pub fn reload(&self) -> watch::Receiver<u64> {
        self.0.clients.subscribe()
    }

    /// Takes what the files hold whenever it changes, until `stopping`.
    pub async fn watch_files(self, mut stopping: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut warnings = tokio::time::interval_at(tokio::time::Instant::now() + WARN, WARN);
        // What was found last: of the files, or what was wrong with them.
        let mut last = Ok(self.current().fingerprint);
        loop {
            tokio::select! {
                () = stopped(&mut stopping) => return,
                _ = warnings.tick() => self.warn_of_end(),
                _ = ticks.tick() => {
                    let files = self.0.files.clone();
                    let Ok(read) = tokio::task::spawn_blocking(move || files.read()).await else { continue };
                    let found = read.as_ref().map(Contents::fingerprint).map_err(ToString::to_string);
                    if found == last {
                        self.settle(read.ok());
                    } else {
                        if let Err(error) = &found {
                            tracing::error!(error, "the certificate before stays in use");
                        }
                        last = found;
                    }
                }
            }
        }
    }

    /// Takes contents that were the same at two looks, if they are new.
    fn settle(&self, contents: Option<Contents>) {
        let Some(contents) = contents else { return };
        let fingerprint = contents.fingerprint();
        let before = self.current();
        if before.fingerprint == fingerprint {
            return;
        }
        let setting = self.0.files.setting();
        match make(&self.0.files, &contents) {
            Ok(current) => {
                *self.0.current.lock().unwrap_or_else(PoisonError::into_inner) = current;
                tracing::info!(setting, "took a new certificate");
                self.warn_of_end();
                let [_, _, clients] = fingerprint;
                if clients != before.fingerprint[2] {
                    tracing::info!(setting, "took new authorities of clients; connections are made anew");
                    self.0.clients.send_modify(|changes| *changes += 1);
                }
            }
            Err(error) => {
                tracing::error!(%error, "the certificate before stays in use");
                // Not again until the files change.
                self.0.current.lock().unwrap_or_else(PoisonError::into_inner).fingerprint = fingerprint;
            }
        }
    }

    /// Logs a failed handshake, but not each of many.
    pub fn complain(&self, peer: SocketAddr, error: &std::io::Error) {
        let setting = self.0.files.setting();
        let now = Instant::now();
        let mut complained = self.0.complained.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever only looks whether the port is open says nothing.
        let silent = error.kind() == std::io::ErrorKind::UnexpectedEof;
        if silent || complained.is_some_and(|last| now < last + COMPLAIN) {
            tracing::debug!(setting, %peer, %error, "a TLS handshake failed");
        } else {
            *complained = Some(now);
            tracing::warn!(setting, %peer, %error, "a TLS handshake failed");
        }
    }

    fn current(&self) -> Current {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn warn_of_end(&self) {
        if let Some(warning) = doubt(&self.current().leaf, self.0.clock.now()) {
            tracing::warn!(setting = self.0.files.setting(), "{warning}");
        }
    }
}

fn make(files: &TlsFiles, contents: &Contents) -> Result<Current, TlsError> {
    let config = Arc::new(files.config(contents)?);
    // The config is made from the chain, so there is a first.
    let leaf = files.chain(contents)?.swap_remove(0);
    Ok(Current { config, leaf, fingerprint: contents.fingerprint() })
}
