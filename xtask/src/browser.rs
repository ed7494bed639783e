//! A real browser for the dashboard's flows: Chromium, its `WebDriver` server, and axe-core, which finds what keeps people with
//! disabilities out.
//!
//! Chromium is taken from the PATH or installed as Debian's packages; axe-core comes from npm and lives in `.cache/`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::run;
use crate::toolchain;

const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];
const AXE: &str = "axe-core@4.14.1";
const LIMIT: Duration = Duration::from_mins(10);
/// What the browser is called, by who ships it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// What a flow needs to look at pages.
#[derive(Debug, Clone)]
pub struct Browser {
    /// The browser's program.
    pub chromium: PathBuf,
    /// Its `WebDriver` server.
    pub driver: PathBuf,
    /// The script of axe-core.
    pub axe: PathBuf,
}

/// Finds it, installing what is missing.
pub fn obtain(project: &Project) -> Result<Browser> {
    if on_path(&NAMES).is_none() || on_path(&["chromedriver"]).is_none() {
        install(&PACKAGES, "Chromium and ChromeDriver")?;
    }
    let chromium = on_path(&NAMES).context("there is no chromium on the PATH")?;
    let driver = on_path(&["chromedriver"]).context("there is no chromedriver on the PATH")?;
    Ok(Browser { chromium, driver, axe: axe(project)? })
}

fn on_path(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<_> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file()))
}

fn install(packages: &[&str], what: &str) -> Result<()> {
    let names = packages.join(" ");
    let took = toolchain::install(packages)
        .with_context(|| format!("{what} are needed to test the dashboard: put them on the PATH (Debian: {names})"))?;
    run::done(&format!("installed {names}"), took);
    Ok(())
}

/// The script of axe-core, in the one version that the flows are held against.
fn axe(project: &Project) -> Result<PathBuf> {
    let (cache, version) = (project.cache(), AXE.rsplit('@').next().unwrap_or_default());
    let folder = cache.join(format!("axe-core-{version}"));
    let script = folder.join("node_modules/axe-core/axe.min.js");
    if script.is_file() {
        return Ok(script);
    }
    if !run::exists("npm") {
        install(&["npm"], "npm, which fetches axe-core")?;
    }
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let place = tempfile::tempdir_in(&cache).context("cannot create a folder to download to")?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
        .arg(place.path())
        .arg(AXE);
    npm.current_dir(place.path());
    let took = run::step("fetching axe-core from npm", npm, Some(LIMIT))?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot replace {}", folder.display()))?;
    }
    // With one rename, so that what is there is whole.
    std::fs::rename(place.path(), &folder).with_context(|| format!("cannot create {}", folder.display()))?;
    if !script.is_file() {
        bail!("npm brought no {}", script.display());
    }
    run::done("fetched axe-core", took);
    Ok(script)
}
