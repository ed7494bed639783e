//! `cargo xtask package`: what an operator deploys, in `target/package/`. `docs/packaging.md` tells what each file is for.
//!
//! [`build`] makes the parts; [`pack`] puts parts that are there into a folder, so that tests need no release build. The same
//! parts give the same bytes: no time, no user and no path of the building machine gets into what is packed.

mod archive;
pub mod build;
mod oci;
pub mod proof;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::project::Project;
use crate::run::{self, BOLD};

/// The version of everything here.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The folder of the filter's OCI image layout.
pub const IMAGE: &str = "keyplane-filter";

/// What is packed.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The control plane.
    pub keyplane: PathBuf,
    /// The filter.
    pub wasm: PathBuf,
    /// The folder with Dockerfile, chart and unit: `package/`.
    pub sources: PathBuf,
}

/// Builds all of it and packs it.
pub fn package(project: &Project) -> Result<()> {
    let inputs = build::build(project)?;
    let folder = project.target().join("package");
    let started = std::time::Instant::now();
    pack(&inputs, &folder)?;
    run::done(&format!("packed {}", project.shown(&folder)), started.elapsed());
    let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).context("SHA256SUMS")?;
    anstream::println!("{BOLD}{}{BOLD:#}", project.shown(&folder));
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap_or_default();
        let size = std::fs::metadata(folder.join(name)).map_or(0, |file| file.len());
        println!("  {}… {:>8} KiB  {name}", &sum[..12.min(sum.len())], size.div_ceil(1024));
    }
    Ok(())
}

/// Makes the folder anew; at once, or not at all.
pub fn pack(inputs: &Inputs, folder: &Path) -> Result<()> {
    let parent = folder.parent().context("the package needs a folder to lie in")?;
    let made = tempfile::tempdir_in(parent).with_context(|| format!("cannot write to {}", parent.display()))?;
    let new = made.path().join("new");
    std::fs::create_dir(&new).with_context(|| format!("cannot create {}", new.display()))?;
    fill(inputs, &new)?;
    if folder.exists() {
        let old = made.path().join("old");
        std::fs::rename(folder, &old).with_context(|| format!("cannot replace {}", folder.display()))?;
    }
    std::fs::rename(&new, folder).with_context(|| format!("cannot create {}", folder.display()))
}

fn fill(inputs: &Inputs, folder: &Path) -> Result<()> {
    let module = read(&inputs.wasm)?;
    if !module.starts_with(b"\0asm") {
        bail!("{} is no WebAssembly module", inputs.wasm.display());
    }
    // Copied and not linked: the package must stay what it is when the next build writes to the same file.
    let program = folder.join("keyplane");
    std::fs::copy(&inputs.keyplane, &program).with_context(|| format!("cannot copy {}", inputs.keyplane.display()))?;
    set_mode(&program, 0o755)?;
    write(&folder.join("keyplane.wasm"), &module)?;
    write(&folder.join("keyplane.wasm.sha256"), format!("{}  keyplane.wasm\n", sha256(&module)).as_bytes())?;
    oci::write(&module, &folder.join(IMAGE))?;
    for name in ["Dockerfile", "keyplane.service"] {
        write(&folder.join(name), &read(&inputs.sources.join(name))?)?;
    }
    let chart = inputs.sources.join("chart");
    same_version(&String::from_utf8_lossy(&read(&chart.join("Chart.yaml"))?))?;
    // `helm` wants the chart's name as the first folder in its archive.
    write(&folder.join(format!("keyplane-{VERSION}.tgz")), &archive::of_folder(&chart, "keyplane")?)?;
    write(&folder.join("SHA256SUMS"), sums(folder)?.as_bytes())
}

/// The chart says the version of the workspace, for itself and for the program.
fn same_version(chart: &str) -> Result<()> {
    for line in [format!("version: {VERSION}"), format!("appVersion: \"{VERSION}\"")] {
        if !chart.lines().any(|known| known == line) {
            bail!("package/chart/Chart.yaml must say `{line}`, as Cargo.toml does");
        }
    }
    Ok(())
}

/// All files but this list itself, sorted, in the form of `sha256sum --check`.
fn sums(folder: &Path) -> Result<String> {
    let mut names = archive::files(folder)?;
    names.sort();
    let lines = names.iter().map(|name| {
        let mut file = std::fs::File::open(folder.join(name)).with_context(|| name.clone())?;
        let mut digest = Sha256::new();
        std::io::copy(&mut file, &mut Hashing(&mut digest)).with_context(|| name.clone())?;
        Ok(format!("{}  {name}\n", hex(&digest.finalize())))
    });
    lines.collect()
}

/// A digest as something to write to.
struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    set_mode(path, 0o644)
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    let permissions: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, permissions).with_context(|| format!("cannot change {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_of_another_version_is_refused() {
        let chart = |version: &str| format!("name: keyplane\nversion: {version}\nappVersion: \"{VERSION}\"\n");
        assert!(same_version(&chart(VERSION)).is_ok());
        assert!(same_version(&chart("9.9.9")).unwrap_err().to_string().contains(VERSION));
    }
}
