//! Schemathesis, which reads the API's description and calls the API with what it makes of it (`tests/schemathesis`).
//!
//! It comes from `PyPI` in the versions of `requirements.txt` and lives in `.cache/`, beside no other Python package: nothing
//! of the system is changed, and no virtual environment is needed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::run;

const FETCH_LIMIT: Duration = Duration::from_mins(10);
const REQUIREMENTS: &str = "requirements.txt";
/// The oldest Python that it runs on.
const OLDEST_PYTHON: &str = "3.11";

/// An installed Schemathesis.
#[derive(Debug, Clone)]
pub struct Schemathesis {
    packages: PathBuf,
    settings: PathBuf,
}

/// Finds it, fetching it if it is not there in these versions.
pub fn obtain(project: &Project) -> Result<Schemathesis> {
    let settings = project.root().join("tests/schemathesis");
    let wanted = std::fs::read(settings.join(REQUIREMENTS)).context("tests/schemathesis/requirements.txt")?;
    let packages = project.cache().join("schemathesis");
    // What is installed says for which list; it gets there with one rename, so it is whole.
    if std::fs::read(packages.join(REQUIREMENTS)).ok().as_ref() != Some(&wanted) {
        fetch(project, &settings, &packages)?;
    }
    Ok(Schemathesis { packages, settings })
}

fn fetch(project: &Project, settings: &Path, packages: &Path) -> Result<()> {
    need_python()?;
    let cache = project.cache();
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let folder = tempfile::tempdir_in(&cache).context("cannot create a folder to download to")?;
    let new = folder.path().join("schemathesis");
    let mut install = Command::new("python3");
    install
        .args(["-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "--no-compile", "--target"])
        .arg(&new)
        .arg("--requirement")
        .arg(settings.join(REQUIREMENTS));
    let took = run::step("fetching Schemathesis from PyPI", install, Some(FETCH_LIMIT))?;
    std::fs::copy(settings.join(REQUIREMENTS), new.join(REQUIREMENTS)).context("requirements.txt")?;
    if packages.exists() {
        std::fs::rename(packages, folder.path().join("old")).context("cannot replace the old Schemathesis")?;
    }
    std::fs::rename(&new, packages).with_context(|| format!("cannot create {}", packages.display()))?;
    run::done(&format!("fetched Schemathesis: {}", project.shown(packages)), took);
    Ok(())
}

/// A new enough Python with pip, or one line that says how to get it.
fn need_python() -> Result<()> {
    let mut ask = Command::new("python3");
    ask.args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
    let found = run::read(ask)?;
    if minor(&found) < minor(OLDEST_PYTHON) {
        bail!("Schemathesis needs Python {OLDEST_PYTHON} or newer, and python3 is {}", found.trim());
    }
    let pip = Command::new("python3").args(["-m", "pip", "--version"]).output();
    if pip.is_ok_and(|output| !output.status.success()) {
        bail!("python3 has no pip, which fetches Schemathesis: install it (Debian: `apt-get install python3-pip`)");
    }
    Ok(())
}

/// The minor number of a Python 3.
fn minor(version: &str) -> Option<u32> {
    version.trim().strip_prefix("3.")?.parse().ok()
}

impl Schemathesis {
    /// `schemathesis run` on the API at `base`, with `credential`, in `folder`, where it leaves its own files.
    pub fn run(&self, base: &str, credential: &str, folder: &Path) -> Command {
        let mut command = Command::new("python3");
        command
            .args(["-m", "schemathesis.cli", "--config-file"])
            .arg(self.settings.join("schemathesis.toml"))
            .args(["run", "--no-color"])
            .arg(format!("{base}/openapi.json"))
            .current_dir(folder)
            .env("PYTHONPATH", &self.packages)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("SCHEMATHESIS_HOOKS", self.settings.join("hooks.py"))
            // Not an argument: those show in the list of processes.
            .env("KEYPLANE_KEY", credential);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_python_compare_as_numbers() {
        assert!(minor("3.9\n") < minor(OLDEST_PYTHON) && minor("3.10") < minor(OLDEST_PYTHON));
        assert!(minor("3.11\n") >= minor(OLDEST_PYTHON) && minor("3.14") >= minor(OLDEST_PYTHON));
        assert!(minor("2.7") < minor(OLDEST_PYTHON));
    }
}
