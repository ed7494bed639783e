//! A stack for one flow, and what flows ask of it.

use secrecy::ExposeSecret;
use serde_json::Value;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use xtask::parts::Parts;
use xtask::project::Project;
use xtask::stack::api::CreatedKey;
use xtask::stack::{Api, Client, ControlPlane, Envoy, EnvoySettings, Ports, Response, Stack, Upstream};

/// Envoy's workers in every flow: two, because what one knows the other may not.
pub const WORKERS: u32 = 2;
/// Any path; the upstream answers all alike.
pub const PATH: &str = "/v1/hello";
/// How long a thing may take before it counts as never. Far above what it takes; no flow measures speed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running stack with an account and a project.
pub struct Flow {
    // Before the folder, so that the processes end before their files vanish.
    pub stack: Stack,
    pub project: String,
    _folder: TempDir,
}

impl Flow {
    pub fn start() -> Self {
        Self::with_plugin(&Stack::usual_plugin())
    }

    pub fn with_plugin(plugin: &Value) -> Self {
        Self::with(plugin, "")
    }

    /// With this plugin configuration, and with the text of a settings file for the control plane.
    pub fn with(plugin: &Value, settings: &str) -> Self {
        Self::at(Ports::any().unwrap(), plugin, settings)
    }

    /// The same on ports that are known before, so that settings can name them.
    pub fn at(ports: Ports, plugin: &Value, settings: &str) -> Self {
        // All callers of a flow share one address, and many are refused on purpose.
        let mut plugin = plugin.clone();
        if let Some(settings) = plugin.as_object_mut() {
            settings.entry("guessing").or_insert_with(|| serde_json::json!({ "failures": 0 }));
        }
        let folder = tempfile::tempdir().unwrap();
        let stack = Stack::start_with(&parts(), folder.path(), ports, WORKERS, &plugin, settings).unwrap();
        let project = project(&stack.control_plane.api());
        Self { stack, project, _folder: folder }
    }

    pub fn api(&self) -> Api {
        self.stack.control_plane.api()
    }

    pub fn proxy(&self) -> Client {
        self.stack.envoy.client()
    }

    /// A new live key that both workers know.
    pub fn known_key(&self, name: &str) -> CreatedKey {
        let key = self.api().create_key(&self.project, name).unwrap();
        // New connections are spread over the workers; so many in a row have met both.
        let mut row = 0;
        eventually("a new key is accepted by both workers", || {
            row = if self.get(&key).status == 200 { row + 1 } else { 0 };
            row >= 12
        });
        key
    }

    /// A request with this key, on a connection of its own.
    pub fn get(&self, key: &CreatedKey) -> Response {
        self.proxy().get(PATH, &[("x-api-key", key.secret.expose_secret())]).unwrap()
    }

    /// The filter's stats, each with Envoy's prefix taken off.
    pub fn stat(&self, name: &str) -> u64 {
        let stats = self.stack.envoy.stats("keyplane_").unwrap();
        stats.iter().find(|(found, _)| found.ends_with(name)).map_or(0, |(_, value)| *value)
    }
}

/// An account and a project in it; gives the project's id.
pub fn project(api: &Api) -> String {
    let account = api.create_account("Acme").unwrap();
    api.create_project(&account, "Hello", "uk_live", "uk_test").unwrap()
}

/// What `cargo xtask test` has built, or built now.
pub fn parts() -> Parts {
    Parts::obtain(&Project::locate().unwrap()).unwrap()
}

/// Settings for an Envoy that is started apart from a [`Stack`].
pub fn envoy_settings(made: &Parts, control_plane: &ControlPlane, at: Ports, plugin: &Value) -> EnvoySettings {
    EnvoySettings {
        binary: made.envoy.clone(),
        wasm: made.wasm.clone(),
        proxy_token: control_plane.proxy_token().clone(),
        plugin: plugin.clone(),
        workers: WORKERS,
        trusted_hops: 0,
        proxy_port: at.proxy,
        admin_port: at.admin,
        sync_port: at.sync,
        upstream_port: at.upstream,
    }
}

/// A stack whose parts a flow starts in its own order.
pub struct Loose {
    pub control_plane: ControlPlane,
    _upstream: Upstream,
    pub parts: Parts,
    pub ports: Ports,
    pub folder: TempDir,
}

impl Loose {
    pub fn start() -> Self {
        let (parts, at) = (parts(), Ports::any().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let control_plane = ControlPlane::create(&parts.keyplane, folder.path(), at.api, at.sync).unwrap();
        let upstream = Upstream::start(&parts.echo, folder.path(), at.upstream).unwrap();
        Self { control_plane, _upstream: upstream, parts, ports: at, folder }
    }

    pub fn envoy(&self, plugin: &Value) -> anyhow::Result<Envoy> {
        let settings = envoy_settings(&self.parts, &self.control_plane, self.ports, plugin);
        Envoy::start(settings, self.folder.path(), "envoy")
    }
}

/// Waits until `is_so`, or fails with `what`.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("not within {} s: {what}", PATIENCE.as_secs());
}

/// The header's values as the upstream saw them; empty when it saw none.
pub fn seen(answer: &Response, header: &str) -> Vec<String> {
    let values = answer.json()["headers"][header].as_array().cloned().unwrap_or_default();
    values.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect()
}
