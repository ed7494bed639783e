//! A real Envoy syncs over TLS with a certificate of its own, as `docs/operations.md` says.

use super::fixture::{Loose, PATH, envoy_settings, eventually, project};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use secrecy::ExposeSecret;
use std::path::Path;
use xtask::stack::{Client, Envoy, Stack};

const GUIDE: &str = include_str!("../../../docs/operations.md");
/// Where the guide keeps the files.
const GUIDE_FOLDER: &str = "/etc/keyplane/";
/// The name of the control plane in the guide.
const NAME: &str = "keyplane.internal";
/// The line of the sample before which the guide wants its TLS.
const PLACE: &str = "      load_assignment:\n        cluster_name: keyplane\n";

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        // Its own name: who has the name of its issuer is taken for one that signed itself.
        params.distinguished_name.push(DnType::CommonName, "keyplane CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Writes `<file>.pem` and `<file>-key.pem`.
    pub fn issue(&self, name: &str, folder: &Path, file: &str) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        std::fs::write(folder.join(format!("{file}-key.pem")), key.serialize_pem()).unwrap();
        std::fs::write(folder.join(format!("{file}.pem")), certificate.pem()).unwrap();
    }
}

/// The block of the guide that holds `mark`.
fn block(language: &str, mark: &str) -> &'static str {
    let mut blocks = GUIDE.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix(language));
    blocks.find(|block| block.contains(mark)).unwrap_or_else(|| panic!("the guide has no {language} with {mark}"))
}

/// The control plane with TLS on its sync listener, and authority and files beside.
pub fn with_tls() -> (Loose, Authority) {
    let mut loose = Loose::start();
    let (authority, folder) = (Authority::new(), loose.folder.path().to_owned());
    std::fs::write(folder.join("ca.pem"), &authority.pem).unwrap();
    authority.issue(NAME, &folder, "sync");
    authority.issue("proxy", &folder, "proxy");
    let settings = block("toml\n", "sync_client_ca").replace(GUIDE_FOLDER, &format!("{}/", folder.display()));
    std::fs::write(loose.control_plane.data().join("keyplane.toml"), settings).unwrap();
    loose.control_plane.stop().unwrap();
    loose.control_plane.start().unwrap();
    (loose, authority)
}

/// Envoy with the guide's TLS, edited.
fn envoy(loose: &Loose, edit: impl Fn(String) -> String) -> Envoy {
    let folder = format!("{}/", loose.folder.path().display());
    let tls = edit(block("yaml\n", "UpstreamTlsContext").replace(GUIDE_FOLDER, &folder));
    let settings = envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &Stack::usual_plugin());
    let changes = [(PLACE, format!("{tls}{PLACE}"))];
    Envoy::start_with(settings, &changes, loose.folder.path(), "envoy").unwrap()
}

fn all(client: &Client, secret: &str, status: u16) -> bool {
    (0..12).all(|_| client.get(PATH, &[("x-api-key", secret)]).unwrap().status == status)
}

/// A key works, and is refused once it is revoked; in between the control plane's certificate is renewed.
fn syncs(loose: &Loose, authority: &Authority, envoy: &Envoy) {
    let api = loose.control_plane.api();
    let project = project(&api);
    let key = api.create_key(&project, "over TLS").unwrap();
    let (client, secret) = (envoy.client(), key.secret.expose_secret());
    eventually("a key is accepted by both workers", || all(&client, secret, 200));
    authority.issue(NAME, loose.folder.path(), "sync");
    let log = || std::fs::read_to_string(loose.control_plane.log()).unwrap();
    eventually("the new certificate is taken", || log().contains("took a new certificate"));
    api.revoke_key(&key.id).unwrap();
    eventually("it is refused by both workers", || all(&client, secret, 401));
    assert!(!log().contains("a TLS handshake failed"), "{}", log());
}

#[test]
fn a_proxy_with_a_certificate_syncs_over_tls() {
    let (loose, authority) = with_tls();
    let envoy = envoy(&loose, |tls| tls);
    syncs(&loose, &authority, &envoy);
}

#[test]
fn a_proxy_with_a_certificate_syncs_over_http_2() {
    let (loose, authority) = with_tls();
    let http2 = block("yaml\n", "http2_protocol_options");
    let envoy = envoy(&loose, |tls| tls + http2);
    syncs(&loose, &authority, &envoy);
    let stats = envoy.stats("cluster.keyplane.upstream_cx_http2_total").unwrap();
    assert!(stats.values().any(|count| *count > 0), "{stats:?}");
}

#[test]
fn a_proxy_without_a_certificate_or_with_plain_http_has_no_table() {
    let (loose, _authority) = with_tls();
    let project = project(&loose.control_plane.api());
    let key = loose.control_plane.api().create_key(&project, "out of reach").unwrap();
    for plain in [false, true] {
        let envoy = if plain {
            loose.envoy(&Stack::usual_plugin()).unwrap()
        } else {
            envoy(&loose, |tls| {
                let start = tls.find("            tls_certificates:").unwrap();
                let end = tls.find("            validation_context:").unwrap();
                format!("{}{}", &tls[..start], &tls[end..])
            })
        };
        let faults = || {
            let stats = envoy.stats("keyplane_sync_faults").unwrap();
            stats.values().sum::<u64>()
        };
        eventually("the fault is counted", || faults() > 0);
        let answer = envoy.client().get(PATH, &[("x-api-key", key.secret.expose_secret())]).unwrap();
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("table_not_ready")), "plain: {plain}");
    }
}
