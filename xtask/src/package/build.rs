//! Makes what is packed: the control plane as a stripped release build, and the filter.
//!
//! In a target folder of its own (`target/package-build`), because paths of the building machine are kept out of the program,
//! and other compiler options rebuild everything at each change of hands.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::Inputs;
use crate::project::Project;
use crate::{parts, run, toolchain, wasm};

/// Builds both parts; quick when nothing has changed.
pub fn build(project: &Project) -> Result<Inputs> {
    let folder = project.target().join("package-build");
    let host = toolchain::host()?;
    let mut folders = wasm::machine_folders(project);
    // The last that fits is taken: it may lie in the clone.
    folders.push((project.target().display().to_string(), "target"));
    let flags: Vec<String> = folders.iter().map(wasm::remap).chain(["-Cstrip=symbols".to_owned()]).collect();
    // `--target`, though it is this machine: the options are then for the program and not for what runs while it is built.
    let mut cargo = project.cargo(["build", "--locked", "--release", "--package", "keyplane", "--bin", "keyplane"]);
    cargo.args(["--target", &host, "--target-dir"]).arg(&folder);
    cargo.args(["--config", &format!("target.{host}.rustflags={flags:?}")]);
    let took = run::step("building the control plane (release)", cargo, None)?;
    run::done("built the control plane (release, stripped)", took);
    let keyplane: PathBuf = [folder.as_path(), host.as_ref(), "release/keyplane".as_ref()].iter().collect();
    let filter = parts::filter(project)?;
    for program in [&keyplane, &filter] {
        must_not_tell(program, &folders)?;
    }
    Ok(Inputs { keyplane, wasm: filter, sources: project.root().join("package") })
}

/// Code in other languages has options of its own, so what was built is looked at.
fn must_not_tell(program: &Path, folders: &[wasm::Renamed]) -> Result<()> {
    let bytes = std::fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    for (folder, _) in folders {
        if let Some((_, after)) = text.split_once(folder.as_str()) {
            let rest: String = after.chars().take_while(char::is_ascii_graphic).take(80).collect();
            bail!("{} tells of this machine: it holds `{folder}{rest}`", program.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_holds_a_folder_of_this_machine_is_not_packed() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let folders = [("/home/ada/keyplane".to_owned(), "keyplane"), ("/home/ada/.cargo".to_owned(), "cargo")];
        std::fs::write(&program, b"\xff\0keyplane/src/main.rs\0cargo/registry/h2.rs\0").unwrap();
        must_not_tell(&program, &folders).unwrap();
        std::fs::write(&program, b"\xff\0/home/ada/.cargo/registry/sha.c\0").unwrap();
        let error = must_not_tell(&program, &folders).unwrap_err().to_string();
        assert!(error.ends_with("it holds `/home/ada/.cargo/registry/sha.c`"), "{error}");
    }
}
