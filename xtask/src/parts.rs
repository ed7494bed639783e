//! Everything that a stack is made of, built from this clone or fetched.
//!
//! What a caller has already is taken from the environment (`KEYPLANE_BINARIES`, `KEYPLANE_WASM`, `KEYPLANE_ENVOY`), so
//! that `cargo xtask test` makes each part once and `cargo test` alone still works.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::project::Project;
use crate::{envoy, run, wasm};

/// What `bench request` compares Keyplane with: the name of its package and binary.
pub(crate) const AUTHZ: &str = "keyplane-bench-authz";

/// Where the parts are.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The control plane, `keyplane`.
    pub keyplane: PathBuf,
    /// The example upstream.
    pub echo: PathBuf,
    /// The server that Envoy's `ext_authz` asks in a benchmark.
    pub authz: PathBuf,
    /// The filter.
    pub wasm: PathBuf,
    /// Envoy.
    pub envoy: PathBuf,
}

impl Parts {
    /// Builds and fetches what is not there yet. Quick when nothing has changed.
    pub fn obtain(project: &Project) -> Result<Self> {
        let folder = binaries(project)?;
        let (keyplane, echo) = (folder.join("keyplane"), folder.join("keyplane-example-echo"));
        let (authz, wasm) = (folder.join(AUTHZ), filter(project)?);
        Ok(Self { keyplane, echo, authz, wasm, envoy: envoy::obtain(project)? })
    }

    /// The variables that hand these parts to a child that calls [`Parts::obtain`].
    pub fn environment(&self) -> [(&'static str, PathBuf); 3] {
        let folder = self.keyplane.parent().map(PathBuf::from).unwrap_or_default();
        [("KEYPLANE_BINARIES", folder), ("KEYPLANE_WASM", self.wasm.clone()), ("KEYPLANE_ENVOY", self.envoy.clone())]
    }
}

/// The folder of all programs: given or built.
fn binaries(project: &Project) -> Result<PathBuf> {
    if let Some(folder) = given("KEYPLANE_BINARIES")? {
        return Ok(folder);
    }
    let packages = ["keyplane", "keyplane-example-echo", AUTHZ];
    let build = project.cargo(["build"].into_iter().chain(packages.iter().flat_map(|name| ["--package", name])));
    let took = run::step("building the control plane and example servers", build, None)?;
    run::done("built the control plane and example servers", took);
    Ok(project.target().join("debug"))
}

/// The filter alone: given or built.
pub fn filter(project: &Project) -> Result<PathBuf> {
    given("KEYPLANE_WASM")?.map_or_else(|| wasm::build(project), Ok)
}

/// A path from the environment, which must exist.
pub(crate) fn given(variable: &str) -> Result<Option<PathBuf>> {
    let Some(path) = std::env::var_os(variable).map(PathBuf::from) else { return Ok(None) };
    if !path.exists() {
        bail!("{variable} is {}, which does not exist", path.display());
    }
    Ok(Some(path))
}
