//! The real parts as child processes: control plane, upstream and Envoy, on loopback, each with a log file.
//!
//! [`Stack`] is the usual three together. The parts also stand alone, for tests that restart, kill or double one of them.

pub mod api;
pub mod control_plane;
pub mod envoy;
pub mod http;
pub mod ports;
pub mod process;
pub mod upstream;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

pub use api::Api;
pub use control_plane::ControlPlane;
pub use envoy::{Envoy, EnvoySettings};
pub use http::{Client, Response};
pub use ports::Ports;
pub use process::Process;
pub use upstream::Upstream;

use crate::parts::Parts;

/// How long a part may take to be ready. Generous: a busy machine is no failure.
pub(crate) const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a part may take to end when asked to.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Control plane, upstream and one Envoy between them.
///
/// Dropping it kills all three; [`Stack::stop`] ends them in order.
#[derive(Debug)]
pub struct Stack {
    /// Envoy with the filter. First, so that it is also dropped first.
    pub envoy: Envoy,
    /// The application.
    pub upstream: Upstream,
    /// The control plane.
    pub control_plane: ControlPlane,
    folder: PathBuf,
}

impl Stack {
    /// Starts all three with state and logs in `folder`, which must be empty, and waits until each says that it is ready.
    /// `workers` is Envoy's `--concurrency`; `plugin` is the filter's configuration.
    pub fn start(parts: &Parts, folder: &Path, at: Ports, workers: u32, plugin: &Value) -> Result<Self> {
        Self::start_with(parts, folder, at, workers, plugin, "")
    }

    /// The same with the text of a settings file for the control plane.
    pub fn start_with(
        parts: &Parts,
        folder: &Path,
        at: Ports,
        workers: u32,
        plugin: &Value,
        settings: &str,
    ) -> Result<Self> {
        let control_plane = ControlPlane::create_with(&parts.keyplane, folder, at.api, at.sync, settings)?;
        let upstream = Upstream::start(&parts.echo, folder, at.upstream)?;
        let settings = EnvoySettings {
            binary: parts.envoy.clone(),
            wasm: parts.wasm.clone(),
            proxy_token: control_plane.proxy_token().clone(),
            plugin: plugin.clone(),
            workers,
            trusted_hops: 0,
            proxy_port: at.proxy,
            admin_port: at.admin,
            sync_port: at.sync,
            upstream_port: at.upstream,
        };
        let envoy = Envoy::start(settings, folder, "envoy")?;
        Ok(Self { envoy, upstream, control_plane, folder: folder.into() })
    }

    /// The folder with the database and the logs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The usual plugin configuration: the control plane's cluster as `examples/envoy/envoy.yaml` names it.
    pub fn usual_plugin() -> Value {
        serde_json::json!({ "control_plane": { "cluster": "keyplane" } })
    }

    /// The part that has ended by itself, if one has.
    pub fn ended(&mut self) -> Result<Option<&'static str>> {
        if self.envoy.process().ended()?.is_some() {
            return Ok(Some("Envoy"));
        }
        if self.upstream.process().ended()?.is_some() {
            return Ok(Some("the upstream"));
        }
        if self.control_plane.process().map_or(Ok(None), Process::ended)?.is_some() {
            return Ok(Some("the control plane"));
        }
        Ok(None)
    }

    /// Stops all three in order: first what takes requests, last what it depends on.
    ///
    /// # Errors
    /// When one had to be killed, or had ended before with a failure.
    pub fn stop(mut self) -> Result<()> {
        // All are stopped even when one fails; the first failure is told.
        [self.envoy.stop(), self.upstream.stop(), self.control_plane.stop()].into_iter().collect()
    }
}
