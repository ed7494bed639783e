//! The example upstream as a child process.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Process, START_LIMIT, STOP_LIMIT};

/// An application that answers with what it received.
#[derive(Debug)]
pub struct Upstream {
    process: Process,
    port: u16,
}

impl Upstream {
    /// Starts it; its log is `folder/upstream.log`.
    pub fn start(binary: &Path, folder: &Path, port: u16) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        let mut process = Process::start("the upstream", command, &folder.join("upstream.log"))?;
        process.wait_until(START_LIMIT, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())?;
        Ok(Self { process, port })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop(STOP_LIMIT).map(drop)
    }
}
