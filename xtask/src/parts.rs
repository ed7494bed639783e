//! Everything that a stack is made of, built from this clone or fetched.
//!
//! What a caller has already is taken from the environment (`KEYPLANE_BINARIES`, `KEYPLANE_WASM`, `KEYPLANE_ENVOY`), so
//! that `cargo xtask test` makes each part once and `cargo test` alone still works.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::project::Project;
use crate::{envoy, run, wasm};

/// The programs of a stack: names of packages and binaries.
const PROGRAMS: [&str; 2] = [KEYPLANE, ECHO];
const KEYPLANE: &str = "keyplane";
const ECHO: &str = "keyplane-example-echo";
/// What `bench request` compares Keyplane with: the name of its package and binary.
pub(crate) const AUTHZ: &str = "keyplane-bench-authz";

/// Where the parts are.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The control plane, `keyplane`.
    pub keyplane: PathBuf,
    /// The example upstream.
    pub echo: PathBuf,
    /// The filter.
    pub wasm: PathBuf,
    /// Envoy.
    pub envoy: PathBuf,
}

impl Parts {
    /// Builds and fetches what is not there yet. Quick when nothing has changed.
    pub fn obtain(project: &Project) -> Result<Self> {
        Self::in_folder(project, &binaries(project, &PROGRAMS)?)
    }

    /// The same, with [`authz`] beside them. All programs are built at once, because libraries that one needs with more features
    /// than another would be built twice.
    pub fn obtain_for_tests(project: &Project) -> Result<Self> {
        Self::in_folder(project, &with_authz(project)?)
    }

    fn in_folder(project: &Project, folder: &Path) -> Result<Self> {
        let (keyplane, echo) = (folder.join(KEYPLANE), folder.join(ECHO));
        Ok(Self { keyplane, echo, wasm: filter(project)?, envoy: envoy::obtain(project)? })
    }

    /// The variables that hand these parts to a child that calls [`Parts::obtain`].
    pub fn environment(&self) -> [(&'static str, PathBuf); 3] {
        let folder = self.keyplane.parent().map(PathBuf::from).unwrap_or_default();
        [("KEYPLANE_BINARIES", folder), ("KEYPLANE_WASM", self.wasm.clone()), ("KEYPLANE_ENVOY", self.envoy.clone())]
    }
}

/// The server that Envoy's `ext_authz` asks in a benchmark: given, or built as tests want it, quickly.
pub fn authz(project: &Project) -> Result<PathBuf> {
    Ok(with_authz(project)?.join(AUTHZ))
}

fn with_authz(project: &Project) -> Result<PathBuf> {
    binaries(project, &[&PROGRAMS[..], &[AUTHZ]].concat())
}

/// The folder of programs: given, or these built.
fn binaries(project: &Project, packages: &[&str]) -> Result<PathBuf> {
    if let Some(folder) = given("KEYPLANE_BINARIES")? {
        return Ok(folder);
    }
    let build = project.cargo(["build"].into_iter().chain(packages.iter().flat_map(|name| ["--package", name])));
    let took = run::step("building the control plane and what it is tried with", build, None)?;
    run::done("built the control plane and what it is tried with", took);
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
