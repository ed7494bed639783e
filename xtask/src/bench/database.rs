//! A database with many keys. Making one takes a minute, so it is kept, and each run works on a copy.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::parts::given;
use crate::project::Project;
use crate::run;
use crate::stack::ControlPlane;
use crate::stack::ports::free as free_port;
use crate::stack::process::fresh_folder;

/// Projects beside the large one, over [`ACCOUNTS`] accounts.
const PROJECTS: usize = 100;
const ACCOUNTS: usize = 20;

/// A database that was made, and what a load must know of it.
#[derive(Debug)]
pub struct Database {
    folder: PathBuf,
    /// The first admin key.
    pub admin_key: SecretString,
    /// Ids of the projects. The first has a quarter of all keys.
    pub projects: Vec<String>,
    /// Ids of keys, spread evenly over all.
    pub keys: Vec<String>,
}

/// The release binaries that a benchmark runs.
#[derive(Debug)]
pub struct Binaries {
    /// The control plane.
    pub keyplane: PathBuf,
    filler: PathBuf,
}

impl Binaries {
    /// Takes those in the folder `KEYPLANE_BINARIES`, or builds them.
    pub fn obtain(project: &Project) -> Result<Self> {
        if let Some(folder) = given("KEYPLANE_BINARIES")? {
            return Ok(Self::in_folder(&folder));
        }
        let arguments = ["build", "--release", "--package", "keyplane", "--bin", "keyplane", "--example", "many_keys"];
        let took = run::step("building the control plane for release", project.cargo(arguments), None)?;
        run::done("built the control plane for release", took);
        Ok(Self::in_folder(&project.target().join("release")))
    }

    fn in_folder(folder: &Path) -> Self {
        Self { keyplane: folder.join("keyplane"), filler: folder.join("examples/many_keys") }
    }
}

impl Database {
    /// Takes the kept database with this many keys, or makes it. It is made anew when the schema or what fills it changed.
    pub fn prepare(project: &Project, binaries: &Binaries, keys: u64) -> Result<Self> {
        let folder = project.target().join("bench").join(format!("keys-{keys}-{}", recipe(project)?));
        let done = folder.join("complete");
        if !done.exists() {
            let started = Instant::now();
            make(&folder, binaries, keys)?;
            File::create(&done).with_context(|| format!("cannot write {}", done.display()))?;
            run::done(&format!("made a database with {keys} keys"), started.elapsed());
        }
        let admin_key = read(&folder.join("admin-key"))?.trim().to_owned().into();
        let lines = |name: &str| -> Result<Vec<String>> {
            let lines: Vec<_> = read(&folder.join(name))?.lines().map(str::to_owned).collect();
            if lines.is_empty() {
                bail!("{} is empty; remove its folder and start again", folder.join(name).display());
            }
            Ok(lines)
        };
        Ok(Self { admin_key, projects: lines("projects")?, keys: lines("keys")?, folder })
    }

    /// Copies the database to `data`, a new folder. Gives its size in bytes.
    pub fn copy_to(&self, data: &Path) -> Result<u64> {
        fresh_folder(data)?;
        let copied = std::fs::copy(self.folder.join("data/keyplane.db"), data.join("keyplane.db"))?;
        File::open(data.join("keyplane.db"))?.sync_all()?;
        Ok(copied)
    }
}

/// What decides how the database looks: the schema, and the program that fills it.
fn recipe(project: &Project) -> Result<String> {
    let source = project.root().join("control-plane");
    let mut files = vec![source.join("examples/many_keys.rs"), project.root().join("xtask/src/bench/database.rs")];
    for entry in std::fs::read_dir(source.join("migrations")).context("control-plane/migrations")? {
        files.push(entry?.path());
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    let hash = hash.finalize();
    Ok(format!("{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3]))
}

fn make(folder: &Path, binaries: &Binaries, keys: u64) -> Result<()> {
    fresh_folder(folder)?;
    let mut control_plane = ControlPlane::create(&binaries.keyplane, folder, free_port()?, free_port()?)?;
    let api = control_plane.api();
    let mut accounts = Vec::new();
    for number in 0..ACCOUNTS {
        accounts.push(api.create_account(&format!("Account {number}"))?);
    }
    let mut projects = String::new();
    for number in 0..=PROJECTS {
        let account = &accounts[number % ACCOUNTS];
        projects.push_str(&api.create_project(account, &format!("Project {number}"), "uk_live", "uk_test")?);
        projects.push('\n');
    }
    std::fs::write(folder.join("projects"), projects)?;
    control_plane.stop()?;

    let mut fill = Command::new(&binaries.filler);
    fill.arg(control_plane.data()).arg(keys.to_string()).stdout(File::create(folder.join("keys"))?);
    run::visibly("filling the database", fill)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
