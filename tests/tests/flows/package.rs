//! The package as an operator uses it: the packed control plane serves the packed filter, and a real Envoy fetches it from there.

use super::fixture::{WORKERS, eventually, parts, project};
use secrecy::ExposeSecret;
use std::path::PathBuf;
use std::process::Command;
use xtask::package::{Inputs, pack};
use xtask::project::Project;
use xtask::stack::{ControlPlane, Envoy, EnvoySettings, Ports, Stack, Upstream};

const GUIDE: &str = include_str!("../../../docs/packaging.md");
const UPGRADING: &str = include_str!("../../../docs/upgrading.md");
const PATH: &str = "/v1/hello";

/// The guide's block for Envoy, with the module of this digest from this machine.
fn remote(sha256: &str) -> String {
    let mut blocks = GUIDE.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
    let block = blocks.find(|block| block.contains("remote:")).expect("the guide has no block with `remote:`");
    assert_eq!(block.matches(GUIDE_DIGEST).count(), 2, "{block}");
    block.replace(GUIDE_DIGEST, sha256).trim_end().trim_start().replacen("code:", "", 1)
}

/// What stands for the digest in the guide.
const GUIDE_DIGEST: &str = "<sha256>";

/// How often Envoy tries, in the guide.
const TRIES: &str = "num_retries: 20";

struct Place {
    control_plane: ControlPlane,
    _upstream: Upstream,
    settings: EnvoySettings,
    folder: tempfile::TempDir,
}

impl Place {
    fn start() -> Self {
        let (made, at) = (parts(), Ports::any().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("package");
        let sources = Project::locate().unwrap().root().join("package");
        pack(&Inputs { keyplane: made.keyplane.clone(), wasm: made.wasm.clone(), sources }, &package).unwrap();
        let control_plane = ControlPlane::create(&package.join("keyplane"), folder.path(), at.api, at.sync).unwrap();
        let upstream = Upstream::start(&made.echo, folder.path(), at.upstream).unwrap();
        let settings = EnvoySettings {
            binary: made.envoy,
            // Not read: the code is remote.
            wasm: PathBuf::from("/nowhere/keyplane.wasm"),
            proxy_token: control_plane.proxy_token().clone(),
            plugin: Stack::usual_plugin(),
            workers: WORKERS,
            trusted_hops: 0,
            proxy_port: at.proxy,
            admin_port: at.admin,
            sync_port: at.sync,
            upstream_port: at.upstream,
        };
        Self { control_plane, _upstream: upstream, settings, folder }
    }

    fn envoy(&self, sha256: &str, name: &str) -> anyhow::Result<Envoy> {
        // Without the module it is soon over, so that the flow need not wait.
        let tries = if name == "other" { "num_retries: 0" } else { TRIES };
        let remote = remote(sha256);
        assert_eq!(remote.matches(TRIES).count(), 1, "{remote}");
        let remote = remote.replace(TRIES, tries);
        let local = ("\n                            local: { filename: \"/nowhere/keyplane.wasm\" }", remote);
        Envoy::start_with(self.settings.clone(), &[local], self.folder.path(), name)
    }
}

#[test]
fn envoy_fetches_the_filter_from_the_packed_control_plane_and_runs_no_other() {
    let place = Place::start();
    let line = place.control_plane.sync_client().get("/filter/keyplane.wasm.sha256", &[]).unwrap().text();
    let sha256 = line.split_whitespace().next().unwrap();
    let mut envoy = place.envoy(sha256, "fetches").unwrap();
    let key = place.control_plane.api().create_key(&project(&place.control_plane.api()), "fetched").unwrap();
    eventually("a key is accepted", || {
        let answer = envoy.client().get(PATH, &[("x-api-key", key.secret.expose_secret())]);
        answer.is_ok_and(|answer| answer.status == 200)
    });
    let refused = envoy.client().get(PATH, &[]).unwrap();
    assert_eq!((refused.status, refused.json()["code"].as_str()), (401, Some("credential_missing")));
    envoy.stop().unwrap();

    // A digest that the control plane does not have: nothing is run, and nothing passes.
    let envoy = place.envoy(&"0".repeat(64), "other").unwrap();
    for _ in 0..8 {
        let answer = envoy.client().get(PATH, &[("x-api-key", key.secret.expose_secret())]).unwrap();
        assert_eq!((answer.status, answer.header("x-keyplane-key")), (503, None));
    }
}

#[test]
fn the_way_back_of_the_guide_to_upgrading_brings_back_what_was() {
    let mut place = Place::start();
    let api = place.control_plane.api();
    let project = project(&api);
    let known = api.create_key(&project, "before").unwrap();
    let data = place.control_plane.data().to_str().unwrap().to_owned();
    let run = |kind: &str| {
        let mut blocks = UPGRADING.split("sh ").filter_map(|block| block.strip_prefix(kind)?.split("```").next());
        let block = blocks.next().unwrap().replace("/var/lib/keyplane", &data);
        let package = place.folder.path().join("package");
        let path = format!("{}:{}", package.display(), std::env::var("PATH").unwrap());
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &block]).env("PATH", path).current_dir(place.folder.path());
        xtask::run::read(bash).unwrap();
    };
    run("backup\n");
    let later = api.create_key(&project, "after").unwrap();
    place.control_plane.stop().unwrap();
    run("restore\n");
    place.control_plane.start().unwrap();
    assert_eq!(api.key(&known.id).unwrap()["name"], "before");
    assert!(api.key(&later.id).is_err());
}
