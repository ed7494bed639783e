//! The samples that users copy must be what Envoy accepts.

use serde_json::json;
use xtask::stack::{Envoy, EnvoySettings, Stack};
use xtask::{envoy, parts, project::Project};

#[test]
fn envoy_accepts_the_sample_and_refuses_an_unknown_setting_by_name() {
    let project = Project::locate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut settings = EnvoySettings {
        binary: envoy::obtain(&project).unwrap(),
        wasm: parts::filter(&project).unwrap(),
        proxy_token: "kp_proxy_for_validation".to_owned().into(),
        plugin: Stack::usual_plugin(),
        workers: 1,
        trusted_hops: 0,
        proxy_port: 1,
        admin_port: 2,
        sync_port: 3,
        upstream_port: 4,
    };
    Envoy::validate(&settings, folder.path()).unwrap();

    settings.plugin = json!({ "control_plane": { "cluster": "keyplane", "clutser": "keyplane" } });
    let error = Envoy::validate(&settings, folder.path()).unwrap_err().to_string();
    assert!(error.contains("clutser"), "{error}");
}
