//! nginx, for the test of the cache in front of the control plane that docs/operations.md shows.
//!
//! One on this machine is taken as it is; else Debian's package is fetched and unpacked into `.cache/`. It is not installed: that would
//! start a server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::run;
use crate::toolchain::apt;

const PACKAGE: &str = "nginx";
const APT_LIMIT: Duration = Duration::from_mins(5);

/// Finds nginx, fetching it if there is none.
pub fn obtain(project: &Project) -> Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    // Where Debian has it is not on every user's PATH.
    let places = std::env::split_paths(&folders).chain([PathBuf::from("/usr/sbin")]);
    if let Some(found) = places.map(|folder| folder.join(PACKAGE)).find(|path| runs(path)) {
        return Ok(found);
    }
    let folder = project.cache().join(PACKAGE);
    let binary = folder.join("usr/sbin/nginx");
    if !runs(&binary) {
        fetch(project, &folder).with_context(|| format!("install {PACKAGE} yourself, or put it on PATH"))?;
    }
    if !runs(&binary) {
        bail!("{} does not run here: install {PACKAGE} (Debian: `apt-get install nginx`)", binary.display());
    }
    Ok(binary)
}

fn runs(binary: &Path) -> bool {
    Command::new(binary).arg("-v").output().is_ok_and(|output| output.status.success())
}

/// Fetches the package and unpacks it to `folder`, at once or not at all.
fn fetch(project: &Project, folder: &Path) -> Result<()> {
    if !run::exists("apt-get") {
        bail!("there is no nginx, and no apt-get to fetch it");
    }
    let cache = project.cache();
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let new = tempfile::tempdir_in(&cache).context("cannot create a folder to download to")?;
    let download = || {
        let mut download = Command::new("apt-get");
        download.args(["download", PACKAGE]).current_dir(new.path());
        download
    };
    let what = format!("apt-get download {PACKAGE}");
    // The lists may be missing (a fresh image) or so old that what they name is gone from the mirror.
    let mut took = run::attempt(&what, download(), Some(APT_LIMIT)).or_else(|_| {
        let first = run::step("apt-get update", apt(&["update"], &[]), Some(APT_LIMIT))?;
        run::step(&what, download(), Some(APT_LIMIT)).map(|second| first + second)
    })?;
    let package = std::fs::read_dir(new.path())
        .context("download folder")?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get left no package behind")?;
    let unpacked = new.path().join("unpacked");
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--extract").arg(&package).arg(&unpacked);
    took += run::step("unpacking nginx", unpack, Some(APT_LIMIT))?;
    if folder.exists() {
        std::fs::rename(folder, new.path().join("old")).context("cannot replace the old nginx")?;
    }
    std::fs::rename(&unpacked, folder).with_context(|| format!("cannot create {}", folder.display()))?;
    run::done(&format!("fetched nginx: {}", project.shown(folder)), took);
    Ok(())
}
