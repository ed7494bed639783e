//! Authorities and certificates made for a test, and clients that speak TLS with them.

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Who issues certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    own: Certificate,
}

/// A certificate and its key, in PEM.
pub struct Issued {
    pub chain: String,
    pub key: String,
}

/// The first and the last year of a certificate.
pub type Years = (i32, i32);
pub const NOW: Years = (2020, 9000);

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = params.self_signed(&key).unwrap();
        Self { issuer: Issuer::new(params, key), own }
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.own.pem()
    }

    /// A certificate for this machine, good for servers and clients.
    pub fn issue(&self, (first, last): Years) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))];
        (params.not_before, params.not_after) = (date_time_ymd(first, 1, 1), date_time_ymd(last, 1, 1));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { chain: certificate.pem(), key: key.serialize_pem() }
    }

    /// A client that trusts this authority alone, and shows `own` if it is asked.
    pub fn client(&self, own: Option<&Issued>) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.own.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(keyplane::listen::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = CertificateDer::pem_slice_iter(own.chain.as_bytes()).map(Result::unwrap).collect();
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        Client { config: Arc::new(config) }
    }
}

/// How to speak TLS.
#[derive(Clone)]
pub struct Client {
    pub config: Arc<ClientConfig>,
}

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

impl Client {
    /// A connection whose handshake is done on this side.
    pub fn connect(&self, address: &str) -> std::io::Result<Stream> {
        let mut tcp = TcpStream::connect(address)?;
        tcp.set_read_timeout(Some(Duration::from_mins(1)))?;
        let name = IpAddr::V4(Ipv4Addr::LOCALHOST).into();
        let mut tls = ClientConnection::new(self.config.clone(), name).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(StreamOwned::new(tls, tcp))
    }
}

/// A folder with a server's data in `data` and its TLS files beside.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        Self { folder }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that only its owner may read.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        allow(&path, 0o600);
        path
    }

    /// Writes the certificate and key of both listeners.
    pub fn certify(&self, issued: &Issued) {
        self.write("chain.pem", &issued.chain);
        self.write("key.pem", &issued.key);
    }

    /// Writes `keyplane.toml`: each setting names a file in this folder.
    pub fn set(&self, settings: &[(&str, &str)]) {
        let line = |(setting, name): &(&str, &str)| format!("{setting} = '{}'\n", self.path(name).display());
        std::fs::write(self.data().join("keyplane.toml"), settings.iter().map(line).collect::<String>()).unwrap();
    }

    /// Both listeners with the files of [`Place::certify`].
    pub fn set_both(&self) {
        self.set(&BOTH);
    }
}

/// The settings that give both listeners the files of [`Place::certify`].
pub const BOTH: [(&str, &str); 4] =
    [("tls_cert", "chain.pem"), ("tls_key", "key.pem"), ("sync_tls_cert", "chain.pem"), ("sync_tls_key", "key.pem")];

pub fn allow(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
