//! Child processes that never outlive their parent.
//!
//! Three nets, one below the other: an explicit [`Process::stop`]; `Drop`, which kills (a failed test or an early `?`);
//! and on Linux the kernel itself, which kills a child when its parent dies by whatever cause. The kernel means the parent
//! *thread*, so all children are started by one thread that lives as long as the program: tests start and end on threads
//! of their own.
//!
//! A child of a stack is also taken out of the terminal's process group, so that Ctrl-C reaches only the command, which
//! then stops its children in order.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A running part of a stack, with its log file.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; its stdout and stderr are appended to `log`. The caller's `KEYPLANE_*` variables are not passed
    /// on unless the command sets them itself: a stack must not change with the shell that it is started from.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let kept: Vec<_> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("KEYPLANE_") && !kept.contains(&variable) {
                command.env_remove(variable);
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot open the log {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone().context("log file")?).stderr(file);
        if cfg!(target_os = "linux") {
            command.process_group(0);
        }
        let program = command.get_program().to_string_lossy().into_owned();
        let child = spawn(command).with_context(|| format!("cannot start {name} ({program})"))?;
        Ok(Self { name: name.into(), child, log: log.into() })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file that its output goes to.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// All that it has logged so far. Bytes that are not UTF-8 are shown as U+FFFD.
    pub fn logged(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Its end, if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot ask after {}", self.name))
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    /// When the process ends before, or is not ready within `limit`; with the last lines of its log.
    pub fn wait_until(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let started = Instant::now();
        loop {
            if ready() {
                return Ok(());
            }
            if let Some(status) = self.ended()? {
                bail!("{} ended ({status}) before it was ready{}", self.name, self.last_lines());
            }
            if started.elapsed() > limit {
                bail!("{} was not ready within {} s{}", self.name, limit.as_secs(), self.last_lines());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal: `SIGSTOP` and `SIGCONT` make a part hang and go on.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id()).context("process id")?;
        kill(Pid::from_raw(id), signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it has not ended within `limit`; then it is killed.
    pub fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal(Signal::SIGTERM)?;
        let started = Instant::now();
        while started.elapsed() < limit {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill();
        bail!("{} did not end within {} s of SIGTERM{}", self.name, limit.as_secs(), self.last_lines());
    }

    /// Kills it (SIGKILL) and waits for its end: the crash test.
    pub fn kill(&mut self) {
        // Best effort: it may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The end of its log, for an error message.
    fn last_lines(&self) -> String {
        let logged = self.logged();
        let lines: Vec<&str> = logged.lines().collect();
        if lines.is_empty() {
            return format!("; it logged nothing ({})", self.log.display());
        }
        let tail = lines[lines.len().saturating_sub(12)..].join("\n    ");
        format!("; the end of {}:\n    {tail}", self.log.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a child that the kernel kills when this program dies (Linux; elsewhere a plain start).
pub fn spawn(mut command: Command) -> io::Result<Child> {
    type Request = (Command, Sender<io::Result<Child>>);
    static STARTER: OnceLock<Sender<Request>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        std::thread::spawn(move || {
            for (mut command, answer) in requests {
                // The one who asked is waiting for the answer.
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    die_with_parent(&mut command);
    let (answer, child) = mpsc::channel();
    let gone = || io::Error::other("the thread that starts processes is gone");
    starter.send((command, answer)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    let parent = nix::unistd::getpid();
    // SAFETY: between fork and exec only async-signal-safe calls are made: prctl and getppid.
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            if nix::unistd::getppid() == parent {
                Ok(())
            } else {
                // The parent died before the request above was made.
                Err(io::Error::other("the parent is gone"))
            }
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}

/// Creates an empty folder at `path`, removing what was there.
pub fn fresh_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", path.display()));
        }
        _ => {}
    }
    std::fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))
}

/// Writes a file that only its owner may read: for credentials.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file: File| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(log: &Path) -> Process {
        let mut command = Command::new("sleep");
        command.arg("60");
        Process::start("sleeper", command, log).unwrap()
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let process = sleeper(&folder.path().join("log"));
        let id = Pid::from_raw(i32::try_from(process.id()).unwrap());
        assert!(kill(id, None).is_ok());
        drop(process);
        assert!(kill(id, None).is_err());
    }

    #[test]
    fn a_process_outlives_the_thread_that_asked_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut process = std::thread::spawn(move || sleeper(&log)).join().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(process.ended().unwrap().is_none());
        process.stop(Duration::from_secs(5)).unwrap();
    }

    #[test]
    fn an_early_end_is_told_with_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo the port is taken; exit 3"]);
        let mut process = Process::start("server", command, &folder.path().join("log")).unwrap();
        let error = process.wait_until(Duration::from_secs(5), || false).unwrap_err().to_string();
        assert!(error.contains("server ended") && error.contains("the port is taken"), "{error}");
    }
}
