//! Own authorities and client certificates, over real TLS.

use super::server::{Reply, answer, read};
use super::{ADMIN, ID, key_id, key_json, ok};
use keyplane_sdk::{ApiKey, BuildError, Client, ClientBuilder, Error, RetryPolicy, TransportErrorKind};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate of this name, and its private key.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        Arc::new(roots)
    }
}

/// Answers each request with a key; asks for certificates of `clients`, where it is given. Gives the base URL.
async fn serve(authority: &Authority, clients: Option<&Authority>) -> String {
    let (certificate, key) = authority.issue("localhost");
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let config = match clients {
        Some(clients) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(clients.roots(), provider);
            config.with_client_cert_verifier(verifier.build().unwrap())
        }
        None => config.with_no_client_auth(),
    };
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A handshake that the client gives up is what some tests look for, at the client's side.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let request = read(&mut stream).await;
            let found = request.line.starts_with(&format!("GET /v1/keys/{ID} "));
            answer(&mut stream, if found { ok(&key_json("a")) } else { Reply::Close }).await;
        }
    });
    format!("https://localhost:{port}")
}

fn builder(url: &str) -> ClientBuilder {
    Client::builder().base_url(url).credential(ApiKey::parse(ADMIN).unwrap()).retry(RetryPolicy::never())
}

async fn works(builder: ClientBuilder) -> bool {
    match builder.build().unwrap().keys().get(key_id()).await {
        Ok(key) => key.name == "a",
        Err(Error::Transport(error)) => {
            assert_ne!(error.kind, TransportErrorKind::Timeout, "{error}");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_server_is_trusted_only_by_its_own_authority() {
    let (authority, other) = (Authority::new(), Authority::new());
    let url = serve(&authority, None).await;
    assert!(works(builder(&url).ca_certificates(authority.pem.clone())).await);
    assert!(works(builder(&url).ca_certificates(format!("{}{}", other.pem, authority.pem))).await);
    assert!(!works(builder(&url).ca_certificates(other.pem)).await);
    assert!(!works(builder(&url)).await);
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_the_one_that_was_given() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let url = serve(&authority, Some(&clients)).await;
    let trusting = || builder(&url).ca_certificates(authority.pem.clone());
    let ((certificate, key), (strange, strange_key)) = (clients.issue("automation"), authority.issue("automation"));
    assert!(works(trusting().client_certificate(format!("{certificate}{key}"))).await);
    assert!(!works(trusting()).await);
    assert!(!works(trusting().client_certificate(format!("{strange}{strange_key}"))).await);
}

#[test]
fn certificates_that_cannot_be_used_are_refused_with_the_reason_and_the_private_key_is_never_shown() {
    let (certificate, key) = Authority::new().issue("automation");
    let body: String = key.lines().filter(|line| !line.contains("-----")).collect();
    let url = "https://localhost:1";
    let cases = [
        (builder(url).ca_certificates("no PEM"), "there is no certificate"),
        (builder(url).ca_certificates(key.clone()), "there is no certificate"),
        (builder(url).client_certificate(certificate.clone()), "its private key"),
        (builder(url).client_certificate(key.clone()), "give PEM with the certificate"),
        (builder(url).client_certificate(key.replace("-----END", "----END")), "give PEM with the certificate"),
    ];
    for (builder, reason) in cases {
        let shown = format!("{builder:?}");
        let error = builder.build().unwrap_err();
        assert!(matches!(error, BuildError::Tls(_)), "{error:?}");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(!format!("{shown}{error}{error:?}").contains(&body[..20]));
    }
    let good = builder(url).client_certificate(format!("{certificate}{key}"));
    assert!(!format!("{good:?} {:?}", good.clone().build().unwrap()).contains(&body[..20]));
}
