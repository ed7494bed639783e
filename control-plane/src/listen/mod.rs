//! The two listeners: addresses, TLS, and bounds on what a connection may take.
//!
//! `axum::serve` waits for a slow client for ever: for the first byte of a connection, for the rest of a request's headers,
//! and at the end for connections on which nothing happens. So the connections are driven here, by hyper. HTTP/1.1 without TLS; with
//! it also HTTP/2, as the client chooses (ALPN).

mod certificate;
mod connection;
mod files;
mod progress;
mod tls;

pub use certificate::{Validity, validity};
pub use files::{SOON, TlsError, TlsFiles, provider};
pub use tls::Tls;

use axum::Router;
use connection::Connection;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Rest after an error that is the machine's and not of one connection, such as too many open files.
const REST: Duration = Duration::from_millis(500);

/// How often it is logged that all connections are taken.
const TELL: Duration = Duration::from_mins(1);

/// An address with what speaks there.
#[derive(Debug)]
pub struct Listener {
    /// Its setting, for messages: `listen` or `sync_listen`.
    pub name: &'static str,
    /// Where connections come in.
    pub socket: TcpListener,
    /// Without it: plain HTTP.
    pub tls: Option<Tls>,
    /// The most connections at once. More wait until one ends.
    pub max_connections: usize,
}

impl Listener {
    /// Serves `routes` until `stopping` is true and the requests that run then are answered.
    pub async fn serve(self, routes: Router, mut stopping: watch::Receiver<bool>) {
        let Self { name, socket, tls, max_connections } = self;
        let places = Arc::new(Semaphore::new(max_connections));
        // Ends with this function, as the connections do.
        let mut tasks = JoinSet::new();
        if let Some(tls) = &tls {
            tasks.spawn(tls.clone().watch_files(stopping.clone()));
        }
        let mut told: Option<Instant> = None;
        loop {
            let Ok(place) = places.clone().try_acquire_owned() else {
                if told.is_none_or(|told| told.elapsed() > TELL) {
                    told = Some(Instant::now());
                    tracing::warn!(setting = name, max_connections, "all connections are taken; new ones wait");
                }
                tokio::select! {
                    () = stopped(&mut stopping) => break,
                    _ = tasks.join_next() => continue,
                }
            };
            let accepted = tokio::select! {
                () = stopped(&mut stopping) => break,
                Some(_) = tasks.join_next() => continue,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let connection = Connection {
                        peer,
                        routes: routes.clone(),
                        stopping: stopping.clone(),
                        // Before the handshake: what it is made with may change meanwhile.
                        reload: tls.as_ref().map(Tls::reload),
                    };
                    let tls = tls.clone();
                    tasks.spawn(async move {
                        connection.run(stream, tls).await;
                        drop(place);
                    });
                }
                Err(error) if is_of_one_connection(error.kind()) => {}
                Err(error) => {
                    tracing::error!(setting = name, %error, "cannot take connections; trying again");
                    tokio::time::sleep(REST).await;
                }
            }
        }
        drop(socket);
        while tasks.join_next().await.is_some() {}
    }
}

/// Completes when the process stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Its sender lives as long as the process.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// The client went away before it was accepted.
fn is_of_one_connection(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset)
}

/// Lets this process open as many files as it is allowed to: each connection is one, and the usual start is 1024. Gives the number.
#[cfg(unix)]
pub fn raise_file_limit() -> Option<u64> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => Some(hard),
        Err(_) => Some(soft),
    }
}

/// Not known here.
#[cfg(not(unix))]
pub fn raise_file_limit() -> Option<u64> {
    None
}
