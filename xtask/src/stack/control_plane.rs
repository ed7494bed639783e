//! The control plane as a child process.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use secrecy::{ExposeSecret, SecretString};

use super::http::Client;
use super::process::{Process, write_private};
use super::{Api, START_LIMIT, STOP_LIMIT};
use crate::run;

/// A control plane with its database, running or not.
#[derive(Debug)]
pub struct ControlPlane {
    binary: PathBuf,
    data: PathBuf,
    log: PathBuf,
    api_port: u16,
    sync_port: u16,
    admin_key: SecretString,
    proxy_token: SecretString,
    settings: Option<PathBuf>,
    process: Option<Process>,
}

impl ControlPlane {
    /// `keyplane init` in `folder/data`, then `keyplane serve` on these ports. The first admin key is also written to
    /// `folder/admin-key`, readable by its owner only.
    pub fn create(binary: &Path, folder: &Path, api_port: u16, sync_port: u16) -> Result<Self> {
        Self::create_with(binary, folder, api_port, sync_port, "")
    }

    /// The same with a settings file, `folder/keyplane.toml`, of this text.
    pub fn create_with(binary: &Path, folder: &Path, api_port: u16, sync_port: u16, settings: &str) -> Result<Self> {
        let data = folder.join("data");
        let mut init = Command::new(binary);
        init.arg("init").arg("--data-dir").arg(&data).arg("--json");
        let printed = run::read(init).context("keyplane init")?;
        // The answer holds secrets, so an error may not quote it.
        let printed: serde_json::Value =
            serde_json::from_str(&printed).map_err(|_| anyhow::anyhow!("`keyplane init --json` printed no JSON"))?;
        let secret = |name: &str| -> Result<SecretString> {
            let value = printed[name].as_str().with_context(|| format!("`keyplane init --json` printed no {name}"))?;
            Ok(value.to_owned().into())
        };
        let (admin_key, proxy_token) = (secret("admin_key")?, secret("proxy_token")?);
        write_private(&folder.join("admin-key"), printed["admin_key"].as_str().unwrap_or_default())?;
        let file = (!settings.is_empty()).then(|| folder.join("keyplane.toml"));
        if let Some(file) = &file {
            std::fs::write(file, settings).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let mut control_plane = Self {
            binary: binary.into(),
            data,
            log: folder.join("control-plane.log"),
            api_port,
            sync_port,
            admin_key,
            proxy_token,
            settings: file,
            process: None,
        };
        control_plane.start()?;
        Ok(control_plane)
    }

    /// Starts it on the same database and ports, and waits for `/readyz`.
    pub fn start(&mut self) -> Result<()> {
        self.serve(Command::new(&self.binary))
    }

    /// Starts it with an empty database but the same credentials, as automation does after a loss: a new history of
    /// revisions, in a new epoch.
    pub fn start_over(&mut self) -> Result<()> {
        self.must_be_down()?;
        std::fs::remove_dir_all(&self.data).with_context(|| format!("cannot remove {}", self.data.display()))?;
        let mut serve = Command::new(&self.binary);
        serve.env("KEYPLANE_ADMIN_KEY", self.admin_key.expose_secret());
        serve.env("KEYPLANE_PROXY_TOKEN", self.proxy_token.expose_secret());
        self.serve(serve)
    }

    fn must_be_down(&self) -> Result<()> {
        if self.process.is_some() {
            bail!("the control plane is running already");
        }
        Ok(())
    }

    fn serve(&mut self, mut serve: Command) -> Result<()> {
        self.must_be_down()?;
        serve.arg("serve").arg("--data-dir").arg(&self.data);
        serve.args(self.settings.iter().flat_map(|file| [OsStr::new("--config"), file.as_os_str()]));
        serve.args(["--listen", &format!("127.0.0.1:{}", self.api_port)]);
        serve.args(["--sync-listen", &format!("127.0.0.1:{}", self.sync_port)]);
        let mut process = Process::start("the control plane", serve, &self.log)?;
        let client = Client::new(self.api_port);
        process.wait_until(START_LIMIT, || client.get("/readyz", &[]).is_ok_and(|answer| answer.status == 200))?;
        self.process = Some(process);
        Ok(())
    }

    /// Asks it to end, and waits: the orderly way. No-op when it is not running.
    ///
    /// # Errors
    /// When it had to be killed, or its status is not 0.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let status = process.stop(STOP_LIMIT)?;
        if !status.success() {
            bail!("the control plane ended with {status}; its log is {}", self.log.display());
        }
        Ok(())
    }

    /// Kills it on the spot, as a crash would. [`ControlPlane::start`] brings it back.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// `SIGSTOP`: it keeps its connections and answers nothing.
    pub fn freeze(&self) -> Result<()> {
        self.process.as_ref().map_or(Ok(()), |process| process.signal(Signal::SIGSTOP))
    }

    /// `SIGCONT`: it goes on.
    pub fn thaw(&self) -> Result<()> {
        self.process.as_ref().map_or(Ok(()), |process| process.signal(Signal::SIGCONT))
    }

    /// The process, when it is running.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// The management API, called with the first admin key.
    pub fn api(&self) -> Api {
        Api::new(self.client().bearer(self.admin_key.clone()))
    }

    /// The management listener, called without a credential.
    pub fn client(&self) -> Client {
        Client::new(self.api_port)
    }

    /// The sync listener, called without a credential.
    pub fn sync_client(&self) -> Client {
        Client::new(self.sync_port)
    }

    /// The first admin key.
    pub fn admin_key(&self) -> &SecretString {
        &self.admin_key
    }

    /// The first proxy token.
    pub fn proxy_token(&self) -> &SecretString {
        &self.proxy_token
    }

    /// The folder of the database.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its log file, over all restarts.
    pub fn log(&self) -> &Path {
        &self.log
    }
}
