//! What the checks look at outside of the database: the disk, the ports, the running server.

use crate::domain::secret::Secret;
use serde::Deserialize;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

/// How long the server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

/// Who has a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Port {
    /// Nobody.
    Free,
    /// A control plane that is ready.
    Keyplane,
    /// Somebody else, or a control plane that is not ready.
    Other,
    /// It cannot be had at all.
    Unusable(String),
}

/// The answer of `GET /v1/proxies`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Proxies {
    /// The last change.
    pub revision: u64,
    /// The live ones.
    pub data: Vec<Proxy>,
}

/// A proxy.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Proxy {
    /// Its own name.
    pub name: String,
    /// The least of its workers' revisions.
    pub revision: Option<u64>,
}

impl Proxies {
    /// The proxies that lack the last change.
    pub fn lagging(&self) -> impl Iterator<Item = &Proxy> {
        self.data.iter().filter(|proxy| proxy.revision.is_none_or(|revision| revision < self.revision))
    }

    /// Whether one lags.
    pub fn lags(&self) -> bool {
        self.lagging().next().is_some()
    }
}

/// Space that is left for the data folder, or for the nearest folder above it that is there.
#[cfg(unix)]
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let absolute = std::path::absolute(folder).ok()?;
    let there = absolute.ancestors().find(|path| path.exists())?;
    let found = nix::sys::statvfs::statvfs(there).ok()?;
    #[allow(clippy::useless_conversion, reason = "the width depends on the system")]
    u64::from(found.blocks_available()).checked_mul(u64::from(found.fragment_size()))
}

/// Not known here.
#[cfg(not(unix))]
pub fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// Who has this address.
pub fn port(address: SocketAddr) -> Port {
    match TcpListener::bind(address) {
        Ok(_) => Port::Free,
        Err(error) if error.kind() == ErrorKind::AddrInUse => match get(address, "/readyz", None) {
            Ok((200, _)) => Port::Keyplane,
            _ => Port::Other,
        },
        Err(error) => Port::Unusable(error.to_string()),
    }
}

/// The proxies that the server at `address` knows, or why it did not say.
pub fn proxies(address: SocketAddr, credential: &Secret) -> Result<Proxies, String> {
    match get(address, "/v1/proxies", Some(credential)) {
        Ok((200, body)) => serde_json::from_str(&body).map_err(|_| "the answer cannot be read".to_owned()),
        Ok((status, _)) => Err(format!("the server answered {status}")),
        Err(error) => Err(error.to_string()),
    }
}

/// One request over plain HTTP; the server is on this machine.
fn get(address: SocketAddr, path: &str, credential: Option<&Secret>) -> std::io::Result<(u16, String)> {
    let mut to = address;
    if to.ip().is_unspecified() {
        to.set_ip(if to.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n")?;
    if let Some(credential) = credential {
        write!(stream, "Authorization: Bearer {}\r\n", credential.expose())?;
    }
    stream.write_all(b"\r\n")?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    let parsed = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some((status, body.to_owned()))
    });
    parsed.ok_or_else(|| std::io::Error::from(ErrorKind::InvalidData))
}
