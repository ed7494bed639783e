//! What the checks look at outside of the database: the disk, the ports, the running server.

use crate::domain::secret::Secret;
use crate::listen::{TlsError, TlsFiles, Validity, provider, validity};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme,
    StreamOwned,
};
use serde::Deserialize;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

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
    /// A control plane with the configured certificate that takes only clients with one of theirs.
    WantsCertificate,
    /// A control plane with the configured certificate that takes clients without one, though it should not.
    TakesEverybody,
    /// Somebody with another certificate than the configured one.
    OtherCertificate,
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

/// A listener's certificate, as its file is now.
pub struct Certificate {
    /// The first of the chain.
    pub leaf: CertificateDer<'static>,
    /// When it holds.
    pub validity: Option<Validity>,
    /// Whether clients must have one too.
    pub wants_client: bool,
    /// What is to be said of the key's file.
    pub exposed_key: Option<String>,
}

/// Reads the files as the server would; `None`: plain HTTP.
pub fn certificate(files: Result<Option<TlsFiles>, TlsError>) -> Result<Option<Certificate>, TlsError> {
    let Some(files) = files? else { return Ok(None) };
    let contents = files.read()?;
    files.config(&contents)?;
    // A config is made of a chain that has a first.
    let leaf = files.chain(&contents)?.swap_remove(0);
    Ok(Some(Certificate {
        validity: validity(&leaf),
        leaf,
        wants_client: files.wants_client(),
        exposed_key: files.exposed_key(),
    }))
}

/// How to speak to a listener.
pub enum Speech {
    /// Plain HTTP.
    Plain,
    /// TLS.
    Tls {
        /// The server must show this very certificate, as only the holder of its key can.
        leaf: CertificateDer<'static>,
        /// Whether it should take only clients with a certificate; the doctor has none.
        wants_client: bool,
    },
}

impl From<Option<Certificate>> for Speech {
    fn from(certificate: Option<Certificate>) -> Self {
        certificate.map_or(Self::Plain, |certificate| Self::Tls {
            leaf: certificate.leaf,
            wants_client: certificate.wants_client,
        })
    }
}

/// Who has this address.
pub fn port(address: SocketAddr, speech: &Speech) -> Port {
    match TcpListener::bind(address) {
        Ok(_) => Port::Free,
        Err(error) if error.kind() == ErrorKind::AddrInUse => match get(address, speech, "/readyz", None) {
            Ok((200, _)) if matches!(speech, Speech::Tls { wants_client: true, .. }) => Port::TakesEverybody,
            Ok((200, _)) => Port::Keyplane,
            Ok(_) => Port::Other,
            Err(error) => match error.get_ref().and_then(|error| error.downcast_ref()) {
                // Nobody else has the key of the certificate.
                Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) => Port::WantsCertificate,
                Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
                    Port::OtherCertificate
                }
                _ => Port::Other,
            },
        },
        Err(error) => Port::Unusable(error.to_string()),
    }
}

/// The proxies that the server at `address` knows, or why it did not say.
pub fn proxies(address: SocketAddr, speech: &Speech, credential: &Secret) -> Result<Proxies, String> {
    match get(address, speech, "/v1/proxies", Some(credential)) {
        Ok((200, body)) => serde_json::from_str(&body).map_err(|_| "the answer cannot be read".to_owned()),
        Ok((status, _)) => Err(format!("the server answered {status}")),
        Err(error) => Err(error.to_string()),
    }
}

/// One request; the server is on this machine.
fn get(
    address: SocketAddr,
    speech: &Speech,
    path: &str,
    credential: Option<&Secret>,
) -> std::io::Result<(u16, String)> {
    let mut to = address;
    if to.ip().is_unspecified() {
        to.set_ip(if to.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    match speech {
        Speech::Plain => exchange(stream, address, path, credential),
        Speech::Tls { leaf, .. } => {
            let config = ClientConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .map_err(std::io::Error::other)?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Exactly(leaf.clone())))
                .with_no_client_auth();
            let connection = ClientConnection::new(Arc::new(config), to.ip().into()).map_err(std::io::Error::other)?;
            exchange(StreamOwned::new(connection, stream), address, path, credential)
        }
    }
}

fn exchange(
    mut stream: impl Read + Write,
    address: SocketAddr,
    path: &str,
    credential: Option<&Secret>,
) -> std::io::Result<(u16, String)> {
    let mut request = Zeroizing::new(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n"));
    if let Some(credential) = credential {
        request.extend(["Authorization: Bearer ", credential.expose(), "\r\n"]);
    }
    request.push_str("\r\n");
    let written = stream.write_all(request.as_bytes()).and_then(|()| stream.flush());
    let mut answer = String::new();
    // A server that refuses the connection says why, and need not read the request.
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    written?;
    let parsed = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some((status, body.to_owned()))
    });
    parsed.ok_or_else(|| std::io::Error::from(ErrorKind::InvalidData))
}

/// Takes one certificate and no other. Who issued it, for which name and until when is looked at elsewhere.
#[derive(Debug)]
struct Exactly(CertificateDer<'static>);

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *certificate == self.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
