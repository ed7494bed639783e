//! Certificate chain, key and client authorities: read from PEM files, checked, and made into what rustls serves with.
//!
//! Each failure is one sentence that names the setting and the file. Nothing here repeats what a file holds.

use super::certificate::{Validity, validity};
use crate::domain::time::Time;
use crate::settings::Settings;
use keyplane_contract::digest::Digest;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The longest file that is read, in bytes: far more than all public authorities together.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// From how long before its end on a certificate is warned of.
pub const SOON: Duration = Duration::from_hours(14 * 24);

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One setting without the other that it needs.
    #[error("setting `{given}` needs `{missing}` too")]
    Incomplete {
        /// What is set.
        given: &'static str,
        /// What is not.
        missing: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot read {} (setting `{setting}`): {source}", path.display())]
    Read {
        /// Who names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} (setting `{setting}`) {found}", path.display())]
    Content {
        /// Who names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
}

/// A file and the setting that names it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Source {
    setting: &'static str,
    path: PathBuf,
}

/// The files of a listener.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsFiles {
    chain: Source,
    key: Source,
    clients: Option<Source>,
}

impl TlsFiles {
    /// Those of the management listener; `None`: it speaks plain HTTP.
    pub fn of_management(settings: &Settings) -> Result<Option<Self>, TlsError> {
        let source = |setting, path: &Option<PathBuf>| path.clone().map(|path| Source { setting, path });
        let (chain, key) = (source("tls_cert", &settings.tls_cert.0), source("tls_key", &settings.tls_key.0));
        Self::of(("tls_cert", chain), ("tls_key", key), None)
    }

    /// Those of the sync listener; `None`: it speaks plain HTTP.
    pub fn of_sync(settings: &Settings) -> Result<Option<Self>, TlsError> {
        let source = |setting, path: &Option<PathBuf>| path.clone().map(|path| Source { setting, path });
        let chain = source("sync_tls_cert", &settings.sync_tls_cert.0);
        let key = source("sync_tls_key", &settings.sync_tls_key.0);
        let clients = source("sync_client_ca", &settings.sync_client_ca.0);
        Self::of(("sync_tls_cert", chain), ("sync_tls_key", key), clients)
    }

    fn of(
        (chain_name, chain): (&'static str, Option<Source>),
        (key_name, key): (&'static str, Option<Source>),
        clients: Option<Source>,
    ) -> Result<Option<Self>, TlsError> {
        match (chain, key, clients) {
            (Some(chain), Some(key), clients) => Ok(Some(Self { chain, key, clients })),
            (Some(_), None, _) => Err(TlsError::Incomplete { given: chain_name, missing: key_name }),
            (None, Some(_), _) => Err(TlsError::Incomplete { given: key_name, missing: chain_name }),
            // Plain HTTP instead would let everybody in that the operator meant to keep out.
            (None, None, Some(clients)) => Err(TlsError::Incomplete { given: clients.setting, missing: chain_name }),
            (None, None, None) => Ok(None),
        }
    }

    /// The setting of the certificate chain.
    pub fn setting(&self) -> &'static str {
        self.chain.setting
    }

    /// Whether clients must have a certificate.
    pub fn wants_client(&self) -> bool {
        self.clients.is_some()
    }

    /// Reads the files as they are now.
    pub fn read(&self) -> Result<Contents, TlsError> {
        let clients = self.clients.as_ref().map(read).transpose()?;
        let contents = Contents { chain: read(&self.chain)?, key: Zeroizing::new(read(&self.key)?), clients };
        Ok(contents)
    }

    /// What is to be warned of: a key that others can read.
    pub fn exposed_key(&self) -> Option<String> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&self.key.path).ok()?.permissions().mode();
            let Source { setting, path } = &self.key;
            let text = format!("{} (setting `{setting}`) can be read by every user of this machine", path.display());
            (mode & 0o004 != 0).then(|| format!("{text}; take that away with `chmod o-rwx`"))
        }
        #[cfg(not(unix))]
        None
    }

    /// The chain in `contents`, the server's own certificate first.
    pub fn chain(&self, contents: &Contents) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        certificates(&self.chain, &contents.chain)
    }

    /// Makes what rustls serves with.
    pub fn config(&self, contents: &Contents) -> Result<ServerConfig, TlsError> {
        let provider = provider();
        let wrong = |source: &Source, found: String| TlsError::Content {
            setting: source.setting,
            path: source.path.clone(),
            found,
        };
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&self.chain, error.to_string()))?;
        let builder = match (&self.clients, &contents.clients) {
            (Some(source), Some(bytes)) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(source, bytes)? {
                    let refused = |error| wrong(source, format!("holds a certificate that cannot be used: {error}"));
                    roots.add(certificate).map_err(refused)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| wrong(source, error.to_string()))?)
            }
            _ => builder.with_no_client_auth(),
        };
        let chain = self.chain(contents)?;
        let key = key(&contents.key).map_err(|found| wrong(&self.key, found.to_owned()))?;
        let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                let chain = &self.chain;
                wrong(
                    &self.key,
                    format!(
                        "is not the key of the first certificate in {} (setting `{}`)",
                        chain.path.display(),
                        chain.setting
                    ),
                )
            }
            rustls::Error::InvalidCertificate(_) => {
                wrong(&self.chain, format!("holds a certificate that cannot be used: {error}"))
            }
            error => wrong(&self.key, format!("holds a key that cannot be used: {error}")),
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The bytes of the files.
pub struct Contents {
    chain: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    clients: Option<Vec<u8>>,
}

impl Contents {
    /// What tells whether a file has changed: chain, key, client authorities.
    pub fn fingerprint(&self) -> [Digest; 3] {
        [&self.chain[..], &self.key[..], self.clients.as_deref().unwrap_or_default()].map(Digest::of)
    }
}

/// What is to be said of a certificate at `now`; `None` if it holds and will for a while.
pub fn doubt(certificate: &CertificateDer<'_>, now: Time) -> Option<String> {
    let Validity { begins, ends } = validity(certificate)?;
    if now >= ends {
        Some(format!("the certificate ended at {ends}; clients refuse it"))
    } else if now < begins {
        Some(format!("the certificate begins at {begins} only; until then clients refuse it"))
    } else if now.after(SOON) >= ends {
        Some(format!("the certificate ends at {ends}"))
    } else {
        None
    }
}

/// The one provider of cryptography in this program.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn read(source: &Source) -> Result<Vec<u8>, TlsError> {
    let bytes = |path: &Path| {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
            return Err(std::io::Error::other("it is too large for certificates"));
        }
        Ok(bytes)
    };
    bytes(&source.path).map_err(|error| TlsError::Read {
        setting: source.setting,
        path: source.path.clone(),
        source: error,
    })
}

fn certificates(source: &Source, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong =
        |found: &str| TlsError::Content { setting: source.setting, path: source.path.clone(), found: found.to_owned() };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match found {
        Ok(found) if found.is_empty() => Err(wrong("holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")),
        Ok(found) => Ok(found),
        Err(_) => Err(wrong("is damaged: it is no whole PEM")),
    }
}

fn key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, &'static str> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|_| {
        let encrypted = b"ENCRYPTED";
        if bytes.windows(encrypted.len()).any(|window| window == encrypted) {
            "is encrypted; it is needed without a passphrase, in a file that only keyplane may read"
        } else {
            "holds no private key in PEM (-----BEGIN PRIVATE KEY-----)"
        }
    })
}
