//! An Envoy whose listeners come from a file (LDS), so that they change while it serves.

use super::super::fixture::{Loose, envoy_settings};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use xtask::stack::{Envoy, EnvoySettings};

/// How long Envoy lets the connections of an old listener go on, in seconds.
pub const DRAIN_SECONDS: u64 = 2;

/// One listener: the sample's, with these differences.
pub struct Listener<'a> {
    pub name: &'a str,
    pub port: u16,
    pub plugin: &'a Value,
    pub wasm: &'a Path,
}

/// The Envoy, and where its listeners stand.
pub struct Dynamic {
    _envoy: Envoy,
    settings: EnvoySettings,
    file: PathBuf,
}

impl Dynamic {
    /// Starts it with one listener on the stack's port.
    pub fn start(loose: &Loose, plugin: &Value) -> Self {
        let own = Listener { name: "proxy", port: loose.ports.proxy, plugin, wasm: &loose.parts.wasm };
        Self::start_with(loose, plugin, &[own])
    }

    /// Starts it with these listeners, or with none.
    pub fn start_with(loose: &Loose, plugin: &Value, listeners: &[Listener<'_>]) -> Self {
        let settings = envoy_settings(&loose.parts, &loose.control_plane, loose.ports, plugin);
        let file = loose.folder.path().join("listeners.yaml");
        let sample = settings.render().unwrap();
        let (before, _, after) = cut(&sample);
        let path = Value::from(file.to_str().unwrap());
        let bootstrap = format!(
            "node: {{ id: dynamic, cluster: flow }}\ndynamic_resources:\n  lds_config:\n    resource_api_version: V3\n    \
             path_config_source: {{ path: {path} }}\n{before}{after}"
        );
        write(&settings, &file, listeners);
        let drain = DRAIN_SECONDS.to_string();
        let arguments = ["--drain-time-s", &drain, "--drain-strategy", "immediate"];
        let envoy =
            Envoy::start_rendered(settings.clone(), &bootstrap, &arguments, loose.folder.path(), "envoy").unwrap();
        Self { _envoy: envoy, settings, file }
    }

    /// Has these listeners and no others from now on. Envoy takes a moment.
    pub fn listen(&self, listeners: &[Listener<'_>]) {
        write(&self.settings, &self.file, listeners);
    }
}

/// The sample before its listeners, the listeners, and the rest.
fn cut(sample: &str) -> (&str, &str, &str) {
    let (before, rest) = sample.split_once("  listeners:\n").unwrap();
    let (listeners, after) = rest.split_once("\n  clusters:\n").unwrap();
    let after = &rest[listeners.len() + 1..][..after.len() + "  clusters:\n".len()];
    (before, listeners, after)
}

/// Moves the file into place: that is the moment at which Envoy looks.
fn write(settings: &EnvoySettings, file: &Path, listeners: &[Listener<'_>]) {
    let mut resources = String::from(if listeners.is_empty() { "resources: []\n" } else { "resources:\n" });
    for Listener { name, port, plugin, wasm } in listeners {
        let (plugin, wasm) = ((*plugin).clone(), wasm.to_path_buf());
        let sample = EnvoySettings { plugin, wasm, proxy_port: *port, ..settings.clone() }.render().unwrap();
        let (_, listener, _) = cut(&sample);
        let lines = listener.lines().map(|line| line.strip_prefix("    ").unwrap_or(line));
        let listener = lines.collect::<Vec<_>>().join("\n").replacen(
            "- name: proxy",
            &format!("- \"@type\": type.googleapis.com/envoy.config.listener.v3.Listener\n  name: {name}"),
            1,
        );
        resources.push_str(&listener);
        resources.push('\n');
    }
    let new = file.with_extension("new");
    std::fs::write(&new, resources).unwrap();
    std::fs::rename(new, file).unwrap();
}

/// The workers that poll, as the control plane knows them.
pub fn pollers(loose: &Loose) -> BTreeSet<String> {
    let page = loose.control_plane.api().client().get("/v1/proxies", &[]).unwrap().json();
    let proxies = page["data"].as_array().cloned().unwrap_or_default();
    let workers = proxies.iter().flat_map(|proxy| proxy["workers"].as_array().cloned().unwrap_or_default());
    workers.map(|worker| worker["id"].as_str().unwrap().to_owned()).collect()
}
