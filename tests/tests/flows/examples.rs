//! Every configuration under `examples/envoy` is one that a real Envoy takes, with the filter in it configured; and `envoy --mode validate`, which an
//! operator's pipeline can run before anything is rolled out, refuses a wrong plugin configuration and names the field.

use super::fixture::parts;
use super::tls::Authority;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::parts::Parts;
use xtask::project::Project;

const USUAL: &str = r#"{"control_plane": {"cluster": "keyplane"}}"#;

/// A folder in which the filter is where the examples look for it, and Envoy.
struct Validator {
    folder: tempfile::TempDir,
    parts: Parts,
}

impl Validator {
    fn new() -> Self {
        let (folder, parts) = (tempfile::tempdir().unwrap(), parts());
        std::fs::create_dir(folder.path().join("target")).unwrap();
        std::fs::copy(&parts.wasm, folder.path().join("target/keyplane.wasm")).unwrap();
        let authority = Authority::new();
        authority.issue("api.example.com", folder.path(), "api");
        std::fs::write(folder.path().join("keyplane-ca.pem"), &authority.pem).unwrap();
        Self { folder, parts }
    }

    /// A copy of an example whose files are those of the folder.
    fn here(&self, example: &Path) -> PathBuf {
        let folder = format!("{}/", self.folder.path().display());
        let text = std::fs::read_to_string(example).unwrap();
        let file = self.folder.path().join("here.yaml");
        std::fs::write(&file, text.replace("/etc/envoy/", &folder).replace("/run/envoy/", &folder)).unwrap();
        file
    }

    /// Whether Envoy takes the file, and what it said.
    fn validate(&self, file: &Path) -> (bool, String) {
        let mut envoy = Command::new(&self.parts.envoy);
        envoy.args(["--mode", "validate", "--config-path"]).arg(file);
        let envoy = envoy.current_dir(self.folder.path()).env("KEYPLANE_PROXY_TOKEN", "kp_proxy_validate");
        let output = envoy.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

fn examples() -> Vec<PathBuf> {
    let folder = Project::locate().unwrap().root().join("examples/envoy");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|is| is == "yaml")).collect();
    files.sort();
    files
}

#[test]
fn envoy_takes_every_example_and_the_filter_its_configuration() {
    let (validator, examples) = (Validator::new(), examples());
    assert!(examples.len() >= 4, "{examples:?}");
    for file in examples {
        let (is_taken, said) = validator.validate(&validator.here(&file));
        assert!(is_taken, "{}:\n{said}", file.display());
        // A module that is fetched comes later; `edge.rs` has Envoy do so.
        let is_fetched = std::fs::read_to_string(&file).unwrap().contains("remote:\n");
        assert!(
            is_fetched || said.contains("keyplane: filter ") && said.contains(" configured"),
            "{}:\n{said}",
            file.display()
        );
    }
}

#[test]
fn a_wrong_plugin_configuration_is_refused_before_it_is_rolled_out_and_the_field_named() {
    let validator = Validator::new();
    let usual = examples().into_iter().find(|file| file.ends_with("envoy.yaml")).unwrap();
    let sample = std::fs::read_to_string(usual).unwrap();
    assert_eq!(sample.matches(USUAL).count(), 1);
    for (more, named) in [
        (r#""forward_credentials": true"#, "unknown field `forward_credentials`"),
        (r#""credentials": [{"header": "x-api-key"}, {"query": "a b"}]"#, "credentials[1].query"),
        (r#""rules": [{"paths": ["/a/../b"]}]"#, "rules[0].paths[0]"),
        (r#""rules": [{"access": "public", "scopes": {"all": ["a"]}}]"#, "rules[0].scopes"),
        (r#""identity": {"headers": {"acount": "x-account"}}"#, "identity.headers.acount"),
        (r#""unknown_keys": {"requests": 2000}"#, "unknown_keys.requests"),
    ] {
        let wrong = format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, {more}}}"#);
        let file = validator.folder.path().join("envoy.yaml");
        std::fs::write(&file, sample.replace(USUAL, &wrong)).unwrap();
        let (is_taken, said) = validator.validate(&file);
        assert!(!is_taken, "{more} is taken:\n{said}");
        assert!(said.contains("the plugin configuration is wrong") && said.contains(named), "{more}:\n{said}");
    }
}
