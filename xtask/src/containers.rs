//! Containers for the tests of docs/packaging.md: Debian's podman, which takes Docker's commands, and base images that are made here.
//!
//! Neither a Docker engine nor a registry of images is needed: the base images are made from the packages of this machine's own release and kept in
//! `.cache/`. podman runs as root, with a configuration and a storage of its own, so that it neither sees nor changes what else runs here.
//!
//! Some machines cannot run containers: not root, or in a container that may start none. There the tests are not run, which [`crate::test`] says at the
//! end and counts nowhere.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::package::set_mode;
use crate::project::Project;
use crate::{run, toolchain};

/// The engine, its runtime, and what makes base images.
const PACKAGES: [&str; 3] = ["podman", "runc", "mmdebstrap"];
const BASE_LIMIT: Duration = Duration::from_mins(5);
/// No container outlives this, whatever becomes of the test that started it.
const LONGEST: Duration = Duration::from_mins(10);

/// Beside the essential packages, in an image as small as the one that the Dockerfile names.
const SLIM: &str = "ca-certificates";
/// More, for a machine that systemd runs, with what the guide's commands need.
const MACHINE: &str = "dbus openssl sudo systemd systemd-sysv";

/// The base images of this machine's release.
#[derive(Debug, Clone)]
pub struct Containers {
    release: Release,
    slim: PathBuf,
    machine: PathBuf,
}

/// A release of Debian, or of what is made from it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Release {
    /// Such as `debian`.
    distribution: String,
    /// Such as `bookworm`.
    codename: String,
}

/// Finds or makes all of it, installing what is missing. The inner error says why this machine can run no containers.
pub fn obtain(project: &Project) -> Result<Result<Containers, String>> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(Err("containers are started as root here".into()));
    }
    if !run::exists("apt-get") {
        return Ok(Err("podman and base images come from Debian's packages, and there is no apt-get".into()));
    }
    // Before anything is installed: what no container can be made without.
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--net", "true"]);
    if let Err(error) = run::read(unshare) {
        return Ok(Err(format!("not even root can start containers here: {error:#}")));
    }
    if !PACKAGES.iter().all(|program| run::exists(program)) {
        let took = toolchain::install(&PACKAGES)?;
        run::done(&format!("installed {}", PACKAGES.join(" ")), took);
    }
    let cache = project.cache();
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let release = release(&std::fs::read_to_string("/etc/os-release").context("/etc/os-release")?)?;
    let archive = |name: &str| cache.join(format!("{}-{}-{name}.tar", release.distribution, release.codename));
    let containers = Containers { slim: archive("slim"), machine: archive("machine"), release };
    if !containers.slim.is_file() {
        put(&containers.slim, |new| containers.make_slim(new))?;
    }
    let engine = containers.engine()?;
    let mut probe = engine.docker();
    probe.args(["run", "--rm", "--publish", "127.0.0.1::80", engine.base(), "true"]);
    if let Err(error) = run::read(probe) {
        return Ok(Err(format!("podman starts no container here: {error:#}")));
    }
    if !containers.machine.is_file() {
        put(&containers.machine, |new| make_machine(&engine, new))?;
    }
    Ok(Ok(containers))
}

/// The release that `/etc/os-release` names.
fn release(text: &str) -> Result<Release> {
    let value = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.map(|value| value.trim_matches('"').to_owned()).with_context(|| format!("/etc/os-release has no {name}"))
    };
    Ok(Release { distribution: value("ID")?, codename: value("VERSION_CODENAME")? })
}

/// Installs what makes a machine of the small base image, and packs its root folder.
fn make_machine(engine: &Engine, new: &Path) -> Result<Duration> {
    let script = format!(
        "apt-get update && apt-get install --yes --no-install-recommends {MACHINE} && \
         apt-get clean && rm -rf /var/lib/apt/lists/*"
    );
    let mut install = engine.docker();
    install.args(["run", "--name", "machine", "--network", "host", engine.base(), "sh", "-c", &script]);
    let took = run::step("making a base image with systemd", install, Some(BASE_LIMIT))?;
    let mut export = engine.docker();
    export.args(["export", "--output"]).arg(new).arg("machine");
    Ok(took + run::step("packing it", export, Some(BASE_LIMIT))?)
}

/// Makes a file; at once, or not at all.
fn put(archive: &Path, make: impl FnOnce(&Path) -> Result<Duration>) -> Result<()> {
    let cache = archive.parent().context("the cache")?;
    let folder = tempfile::tempdir_in(cache).context("cannot create a folder to make a base image in")?;
    let new = folder.path().join("base.tar");
    let took = make(&new)?;
    std::fs::rename(&new, archive).with_context(|| format!("cannot create {}", archive.display()))?;
    run::done(&format!("made {}", archive.display()), took);
    Ok(())
}

/// The line for apt that names the release's own packages, from where this machine has its own.
fn source(release: &Release) -> Result<String> {
    let ask = || {
        let mut ask = Command::new("apt-get");
        ask.args(["indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"]);
        run::read(ask)
    };
    let wanted = format!("{} main ", release.codename);
    let find = |targets: &str| targets.lines().find_map(|line| line.strip_prefix(&wanted).map(str::to_owned));
    let mut mirror = find(&ask()?);
    if mirror.is_none() {
        // apt names no targets before it has lists.
        run::step("apt-get update", toolchain::apt(&["update"], &[]), Some(BASE_LIMIT))?;
        mirror = find(&ask()?);
    }
    let mirror = mirror.with_context(|| format!("apt has no source for {} main", release.codename))?;
    let keys = format!("/usr/share/keyrings/{}-archive-keyring.gpg", release.distribution);
    let signed = if Path::new(&keys).is_file() { format!("[signed-by={keys}] ") } else { String::new() };
    Ok(format!("deb {signed}{mirror} {} main", release.codename))
}

impl Containers {
    /// Packs a root folder from the mirror that apt has on this machine.
    fn make_slim(&self, new: &Path) -> Result<Duration> {
        let mut make = Command::new("mmdebstrap");
        make.args(["--mode=root", "--variant=minbase", "--dpkgopt=force-unsafe-io", &format!("--include={SLIM}")]);
        make.arg(&self.release.codename).arg(new).arg(source(&self.release)?);
        run::step("making a small base image", make, Some(BASE_LIMIT))
    }

    /// An engine without any container.
    pub fn engine(&self) -> Result<Engine> {
        let engine = Engine::new(&self.release)?;
        engine.import(&self.slim, &engine.base)?;
        Ok(engine)
    }

    /// The same with [`Engine::MACHINE`].
    pub fn engine_with_machine(&self) -> Result<Engine> {
        let engine = Engine::new(&self.release)?;
        engine.import(&self.machine, Engine::MACHINE)?;
        Ok(engine)
    }
}

/// podman with a storage of its own, under the name `docker`. Its containers and images end with it.
#[derive(Debug)]
pub struct Engine {
    base: String,
    folder: tempfile::TempDir,
}

impl Engine {
    /// The image of a machine that systemd runs.
    pub const MACHINE: &str = "machine";

    fn new(release: &Release) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot create a folder for containers")?;
        let at = folder.path();
        let write = |name: &str, text: String| std::fs::write(at.join(name), text).with_context(|| name.to_owned());
        write("containers.conf", CONFIGURATION.to_owned())?;
        write(
            "storage.conf",
            format!(
                "[storage]\ndriver = \"overlay\"\ngraphroot = \"{0}/images\"\nrunroot = \"{0}/run\"\n\
                 [storage.options.overlay]\nskip_mount_home = \"true\"\n",
                at.display()
            ),
        )?;
        std::fs::create_dir(at.join("bin")).context("bin")?;
        write("bin/podman-here", wrapper(at))?;
        set_mode(&at.join("bin/podman-here"), 0o755)?;
        symlink("podman-here", at.join("bin/docker")).context("bin/docker")?;
        Ok(Self { base: format!("{}:{}-slim", release.distribution, release.codename), folder })
    }

    fn import(&self, archive: &Path, name: &str) -> Result<()> {
        let mut import = self.docker();
        // What images from a registry say of themselves.
        import.args(["import", "--change", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
        import.arg(archive).arg(name);
        run::read(import).map(drop)
    }

    /// The name of the small base image, such as `debian:bookworm-slim`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The folder that has `docker`, to be put first on the PATH.
    pub fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// `docker`.
    pub fn docker(&self) -> Command {
        let mut docker = Command::new(self.programs().join("docker"));
        docker.env("TMPDIR", self.folder.path());
        docker
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for arguments in [
            ["rm", "--all", "--force", "--volumes", "--time=0"].as_slice(),
            &["volume", "prune", "--force"],
            &["rmi", "--all", "--force"],
        ] {
            let mut docker = self.docker();
            docker.args(arguments);
            // Best effort: what is left ends by itself, and lies in a temporary folder.
            if let Err(error) = run::read(docker) {
                eprintln!("cannot clean up containers: {error:#}");
            }
        }
    }
}

/// `containers.conf`: what works in and out of systemd. No limits of processes are raised, because not every machine lets root do so.
const CONFIGURATION: &str = "[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
     [containers]\ndefault_ulimits = []\n";

/// podman as Docker is: a container that is read-only has no writable `/tmp`, and a build reaches what the machine reaches.
fn wrapper(folder: &Path) -> String {
    let (folder, seconds) = (folder.display(), LONGEST.as_secs());
    format!(
        "#!/bin/sh\n\
         export CONTAINERS_CONF='{folder}/containers.conf' CONTAINERS_STORAGE_CONF='{folder}/storage.conf'\n\
         case \"$1\" in\n\
         build) shift; exec podman build --network host --layers=false \"$@\" ;;\n\
         run) shift; exec podman run --timeout {seconds} --read-only-tmpfs=false \"$@\" ;;\n\
         esac\n\
         exec podman \"$@\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_the_system() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        let expected = Release { distribution: "debian".into(), codename: "bookworm".into() };
        assert_eq!(release(text).unwrap(), expected);
        assert!(release("ID=arch\n").unwrap_err().to_string().contains("VERSION_CODENAME"));
    }
}
