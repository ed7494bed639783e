//! The certificates of a client: whom it trusts, and what it shows of itself.

use crate::error::BuildError;
use std::fmt;
use std::path::Path;
use zeroize::Zeroizing;

/// The longest file of certificates that is read, in bytes: larger than the bundles of operating systems.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Certificates as PEM, unread.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    /// Authorities to trust in place of the operating system's.
    pub authorities: Option<Vec<u8>>,
    /// A certificate and its private key.
    pub client: Option<Zeroizing<Vec<u8>>>,
}

impl Tls {
    /// Sets up `http` with what was given.
    pub(crate) fn apply(&self, mut http: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, BuildError> {
        if let Some(pem) = &self.authorities {
            let refuse = |why: &str| BuildError::Tls(format!("the CA certificates cannot be used: {why}"));
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| refuse("they are not PEM"))?;
            if certificates.is_empty() {
                return Err(refuse("there is no certificate in the PEM"));
            }
            http = http.tls_certs_only(certificates);
        }
        if let Some(pem) = &self.client {
            // The error is left unsaid: it was made next to a private key.
            let identity = reqwest::Identity::from_pem(pem).map_err(|_| {
                BuildError::Tls(
                    "the client certificate cannot be used: give PEM with the certificate, those between it and the \
                     authority, and its private key without a passphrase"
                        .to_owned(),
                )
            })?;
            http = http.identity(identity);
        }
        Ok(http)
    }
}

/// Shows what is set, and nothing of it.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("authorities", &self.authorities.as_ref().map(|_| ".."))
            .field("client", &self.client.as_ref().map(|_| ".."))
            .finish()
    }
}

/// Reads the file that the environment variable `variable` names.
pub(crate) fn read(variable: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, BuildError> {
    let refuse = |why: String| BuildError::Tls(format!("the file that {variable} names cannot be read: {why}"));
    let length = std::fs::metadata(path).map_err(|error| refuse(error.kind().to_string()))?.len();
    if length > MAX_FILE {
        return Err(refuse("it is too long for certificates".to_owned()));
    }
    std::fs::read(path).map(Zeroizing::new).map_err(|error| refuse(error.kind().to_string()))
}
