//! Makes what is packed: the control plane as a stripped release build, and the filter.
//!
//! In a target folder of its own (`target/package-build`), because paths of the building machine are kept out of the program,
//! and other compiler options rebuild everything at each change of hands.

use std::path::PathBuf;

use anyhow::Result;

use super::Inputs;
use crate::project::Project;
use crate::{parts, run, toolchain, wasm};

/// Builds both parts; quick when nothing has changed.
pub fn build(project: &Project) -> Result<Inputs> {
    let folder = project.target().join("package-build");
    let host = toolchain::host()?;
    let flags: Vec<String> = wasm::remaps(project).into_iter().chain(["-Cstrip=symbols".to_owned()]).collect();
    // `--target`, though it is this machine: the options are then for the program and not for what runs while it is built.
    let mut cargo = project.cargo(["build", "--locked", "--release", "--package", "keyplane", "--bin", "keyplane"]);
    cargo.args(["--target", &host, "--target-dir"]).arg(&folder);
    cargo.args(["--config", &format!("target.{host}.rustflags={flags:?}")]);
    let took = run::step("building the control plane (release)", cargo, None)?;
    run::done("built the control plane (release, stripped)", took);
    let keyplane: PathBuf = [folder.as_path(), host.as_ref(), "release/keyplane".as_ref()].iter().collect();
    Ok(Inputs { keyplane, wasm: parts::filter(project)?, sources: project.root().join("package") })
}
