//! Typed models of Kubernetes kinds, against which tests hold the manifests of `examples/` and the chart's `ServiceMonitor`
//! (`tests/manifests/check.py`).
//!
//! Istio's come from `PyPI`, those of Envoy Gateway, the Gateway API, Prometheus' operator and Kubernetes itself from npm, each in one
//! version. They live in `.cache/`: nothing of the system is changed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::project::Project;
use crate::run;

const FETCH_LIMIT: Duration = Duration::from_mins(10);
const REQUIREMENTS: &str = "requirements.txt";
const LOCK: &str = "package-lock.json";

/// The installed models.
#[derive(Debug, Clone)]
pub struct Manifests {
    packages: PathBuf,
    modules: PathBuf,
    settings: PathBuf,
}

/// What was read, and what is wrong with it.
#[derive(Debug)]
pub struct Checked {
    /// Each document with the name of its file, in order.
    pub documents: Vec<(String, Value)>,
    /// Fields that are unknown, missing or of another kind; empty when each document fits its model.
    pub wrong: Vec<String>,
}

/// Finds them, fetching what is not there in these versions.
pub fn obtain(project: &Project) -> Result<Manifests> {
    let settings = project.root().join("tests/manifests");
    let cache = project.cache();
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let packages = install(&cache, &settings, "manifests-python", REQUIREMENTS, |folder| {
        let mut pip = Command::new("python3");
        // The models name a newer Python than they need; check.py provides what does not run on an older one.
        pip.args(["-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python"])
            .args(["--no-compile", "--target"])
            .arg(folder)
            .arg("--requirement")
            .arg(settings.join(REQUIREMENTS));
        pip
    })?;
    let node = install(&cache, &settings, "manifests-node", LOCK, |folder| {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
        npm
    })?;
    Ok(Manifests { packages, modules: node.join("node_modules"), settings })
}

/// Installs into a folder of the cache what `list` names, unless it holds the same list already. It gets there with one rename, so it is whole.
fn install(
    cache: &Path,
    settings: &Path,
    name: &str,
    list: &str,
    command: impl FnOnce(&Path) -> Command,
) -> Result<PathBuf> {
    let place = cache.join(name);
    let wanted = std::fs::read(settings.join(list)).with_context(|| format!("tests/manifests/{list}"))?;
    if std::fs::read(place.join(list)).ok().as_ref() == Some(&wanted) {
        return Ok(place);
    }
    let folder = tempfile::tempdir_in(cache).context("cannot create a folder to download to")?;
    let new = folder.path().join(name);
    std::fs::create_dir(&new).context("cannot create a folder to download to")?;
    for file in [list, "package.json"] {
        std::fs::copy(settings.join(file), new.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    let command = command(&new);
    let client = command.get_program().to_string_lossy().into_owned();
    let took = run::step(&format!("fetching models of Kubernetes kinds with {client}"), command, Some(FETCH_LIMIT))?;
    if place.exists() {
        std::fs::rename(&place, folder.path().join("old")).context("cannot replace the old models")?;
    }
    std::fs::rename(&new, &place).with_context(|| format!("cannot create {}", place.display()))?;
    run::done(&format!("fetched models of Kubernetes kinds: {}", place.display()), took);
    Ok(place)
}

impl Manifests {
    /// Reads YAML files and holds each document that has an `apiVersion` against the model of its kind.
    pub fn check(&self, files: &[PathBuf]) -> Result<Checked> {
        let mut check = Command::new("python3");
        check
            .arg(self.settings.join("check.py"))
            .arg(&self.modules)
            .args(files)
            .env("PYTHONPATH", &self.packages)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let said = run::read(check)?;
        let said: Value = serde_json::from_str(&said).context("what check.py printed")?;
        let list = |name: &str| said[name].as_array().cloned().with_context(|| format!("check.py told no {name}"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Checked {
            documents: list("documents")?.iter().map(|one| (text(&one["file"]), one["document"].clone())).collect(),
            wrong: list("wrong")?.iter().map(text).collect(),
        })
    }
}
