//! `cargo xtask wasm`: the filter as `target/keyplane.wasm`, with `target/keyplane.wasm.sha256` beside it.
//!
//! It builds in a target folder of its own (`target/wasm-build`), because it may need another rustc than the rest: one
//! folder for both would rebuild everything at each change of hands. Paths of the building machine are kept out of the
//! module. Files are replaced only when their content changes, and then at once.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::project::Project;
use crate::toolchain::{TARGET, Toolchain};
use crate::{run, trim};

const PACKAGE: &str = "keyplane-filter";
const PROFILE: &str = "wasm";

/// Builds the filter and gives the module's path.
pub fn build(project: &Project) -> Result<PathBuf> {
    let toolchain = Toolchain::obtain()?;
    let folder = project.target().join("wasm-build");
    let mut cargo = project.cargo(["build", "--package", PACKAGE, "--profile", PROFILE]);
    cargo.arg("--target-dir").arg(&folder).arg("--config").arg(remapped_paths(project));
    toolchain.apply(&mut cargo);
    let mut took = run::step("building the filter (keyplane.wasm)", cargo, None)
        .with_context(|| format!("building {PACKAGE} with {}", toolchain.name()))?;

    let started = std::time::Instant::now();
    let linked = folder.join(TARGET).join(PROFILE).join("keyplane_filter.wasm");
    let module = std::fs::read(&linked).with_context(|| format!("cannot read {}", linked.display()))?;
    let trimmed = trim::trim(&module).with_context(|| format!("{} is no proxy-wasm filter", linked.display()))?;
    let path = project.target().join("keyplane.wasm");
    replace(&path, &trimmed)?;
    replace(&path.with_extension("wasm.sha256"), format!("{}  keyplane.wasm\n", hex_sha256(&trimmed)).as_bytes())?;
    took += started.elapsed();
    run::done(&format!("built the filter: {}, {} KiB", project.shown(&path), trimmed.len().div_ceil(1024)), took);
    Ok(path)
}

/// A cargo setting for the filter with [`remap`].
fn remapped_paths(project: &Project) -> String {
    let flags: Vec<_> = machine_folders(project).iter().map(remap).collect();
    format!("target.{TARGET}.rustflags={flags:?}")
}

/// A folder of this machine, and what it is called in what is built.
pub(crate) type Renamed = (String, &'static str);

/// The compiler option that replaces a folder in panic locations, so that what is built tells nothing of the builder's home and is the
/// same wherever the same toolchain builds it.
pub(crate) fn remap((folder, name): &Renamed) -> String {
    format!("--remap-path-prefix={folder}={name}")
}

/// The folders of this machine that sources lie in.
pub(crate) fn machine_folders(project: &Project) -> Vec<Renamed> {
    let cargo_home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut folders = vec![(project.root().display().to_string(), "keyplane")];
    folders.extend(cargo_home.map(|home| (home.display().to_string(), "cargo")));
    folders
}

/// SHA-256 as lower-case hexadecimal.
fn hex_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Replaces a file at once, and only when its content differs.
fn replace(path: &Path, content: &[u8]) -> Result<()> {
    if std::fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    let failed = || format!("cannot write {}", path.display());
    let folder = path.parent().with_context(failed)?;
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(failed)?;
    file.write_all(content).with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_sha_256_of_the_bytes() {
        // FIPS 180-4's example for "abc".
        assert_eq!(hex_sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn an_unchanged_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("module");
        replace(&path, b"one").unwrap();
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        replace(&path, b"one").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), before);
        replace(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
    }
}
