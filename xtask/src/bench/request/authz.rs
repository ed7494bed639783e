//! The server that Envoy's `ext_authz` asks: `keyplane-bench-authz`, which does in a process of its own what the filter does in
//! Envoy's.
//!
//! It is built for release, as whoever runs such a server would, whatever this program was built for.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use keyplane_contract::digest::Digest;

use crate::parts::{AUTHZ, given};
use crate::project::Project;
use crate::run;
use crate::stack::ports::free as free_port;
use crate::stack::{Client, Process, START_LIMIT};

/// Takes the server in the folder `KEYPLANE_BINARIES`, or builds it.
pub fn obtain(project: &Project) -> Result<PathBuf> {
    if let Some(folder) = given("KEYPLANE_BINARIES")? {
        return Ok(folder.join(AUTHZ));
    }
    let build = project.cargo(["build", "--release", "--package", AUTHZ]);
    let took = run::step("building the server that ext_authz asks, for release", build, None)?;
    run::done("built the server that ext_authz asks, for release", took);
    Ok(project.target().join("release").join(AUTHZ))
}

/// The server. It ends when dropped.
#[derive(Debug)]
pub struct Authz {
    /// The process.
    pub process: Process,
    /// Where it listens, on loopback.
    pub port: u16,
}

impl Authz {
    /// Starts it with the digests of these keys. They and its log go to `folder`.
    ///
    /// # Errors
    /// When it does not start, refuses one of the keys, or lets something else pass: then there is nothing to compare with.
    pub fn start(binary: &Path, secrets: &[String], folder: &Path) -> Result<Self> {
        let (port, digests) = (free_port()?, folder.join("digests"));
        let bytes: Vec<u8> = secrets.iter().flat_map(|secret| *Digest::of(secret.as_bytes()).as_bytes()).collect();
        std::fs::write(&digests, bytes).with_context(|| format!("cannot write {}", digests.display()))?;
        let mut command = Command::new(binary);
        command.arg(port.to_string()).arg(&digests);
        let mut process = Process::start("the server that ext_authz asks", command, &folder.join("authz.log"))?;
        let client = Client::new(port);
        let status = |key: &str| client.get("/", &[("x-api-key", key)]).map(|answer| answer.status);
        process.wait_until(START_LIMIT, || status("").is_ok())?;
        let known = secrets.first().context("no keys")?;
        match (status(known)?, status("uk_live_unknown")?) {
            (200, 401) => Ok(Self { process, port }),
            other => bail!("the server that ext_authz asks answered {other:?} instead of (200, 401)"),
        }
    }
}
