//! Running other programs so that a person sees what happens.
//!
//! A long step shows one live line (what it is, how long it has run, the program's last line) and leaves one line behind;
//! the program's whole output appears only when it fails. Without a terminal a sign of life is printed every 15 seconds.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result, bail};

use crate::stack::process::spawn;

/// Green and bold: something went as it should.
pub const GOOD: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
/// Dim: for details beside the point.
pub const DIM: Style = Style::new().dimmed();
/// Bold.
pub const BOLD: Style = Style::new().bold();

const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// How much of a failed program's output is shown.
const SHOWN_LINES: usize = 60;

/// Prints the line that a finished step leaves behind.
pub fn done(what: &str, took: Duration) {
    anstream::eprintln!("  {GOOD}✓{GOOD:#} {what:<66} {DIM}{:>6.1} s{DIM:#}", took.as_secs_f64());
}

/// Runs a command as the step `what`.
///
/// # Errors
/// When the program is missing (with how to get it), fails (its last lines are printed), or outlives `limit`.
pub fn step(what: &str, command: Command, limit: Option<Duration>) -> Result<Duration> {
    let run = drive(what, command, limit)?;
    if let Err(error) = run.result {
        let skipped = run.output.len().saturating_sub(SHOWN_LINES);
        for line in &run.output[skipped..] {
            anstream::eprintln!("  {DIM}|{DIM:#} {line}");
        }
        return Err(error);
    }
    Ok(run.took)
}

/// The same for a step that has an alternative: a failure prints nothing, and the error quotes the program's own.
///
/// # Errors
/// As [`step`].
pub fn attempt(what: &str, command: Command, limit: Option<Duration>) -> Result<Duration> {
    let run = drive(what, command, limit)?;
    run.result.map(|()| run.took).map_err(|error| {
        let said = run.output.iter().find(|line| line.starts_with("error") || line.starts_with("E: "));
        said.map_or(error, |said| anyhow::anyhow!("{what}: {said}"))
    })
}

/// How a program ran, and what it printed.
struct Run {
    result: Result<()>,
    took: Duration,
    output: Vec<String>,
}

fn drive(what: &str, mut command: Command, limit: Option<Duration>) -> Result<Run> {
    let started = Instant::now();
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn(command).map_err(|error| missing(&name, error))?;
    let (sender, lines) = mpsc::channel();
    let readers = [
        child.stdout.take().map(|pipe| forward(pipe, sender.clone())),
        child.stderr.take().map(|pipe| forward(pipe, sender)),
    ];
    let mut output: Vec<String> = Vec::new();
    let mut sign = Life::new(what, started);
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => output.push(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if limit.is_some_and(|limit| started.elapsed() > limit) {
            sign.clear();
            // Best effort: the program may have ended by itself just now.
            let _ = child.kill();
            let _ = child.wait();
            bail!("{what}: no end after {} s", started.elapsed().as_secs());
        }
        sign.show(output.last().map_or("", String::as_str));
    }
    for reader in readers.into_iter().flatten() {
        // A reader only ends; it has nothing to fail with.
        let _ = reader.join();
    }
    let status = child.wait().with_context(|| format!("cannot wait for {name}"))?;
    sign.clear();
    let result = if status.success() { Ok(()) } else { Err(anyhow::anyhow!("{what}: {}", describe(&name, status))) };
    Ok(Run { result, took: started.elapsed(), output })
}

/// Runs a command on the caller's terminal.
///
/// # Errors
/// When the program is missing or fails.
pub fn visibly(what: &str, command: Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = spawn(command).and_then(|mut child| child.wait()).map_err(|error| missing(&name, error))?;
    if !status.success() {
        bail!("{what}: {}", describe(&name, status));
    }
    Ok(())
}

/// Runs a command and gives its stdout.
///
/// # Errors
/// When the program is missing or fails, with its stderr.
pub fn read(mut command: Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| missing(&name, error))?;
    if !output.status.success() {
        bail!("{}: {}", describe(&name, output.status), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed bytes that are not UTF-8"))
}

/// Whether a program can be started at all.
pub fn exists(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

fn missing(program: &str, error: std::io::Error) -> anyhow::Error {
    if error.kind() != std::io::ErrorKind::NotFound {
        return anyhow::Error::new(error).context(format!("cannot run {program}"));
    }
    match how_to_get(program) {
        Some(how) => anyhow::anyhow!("`{program}` is missing: {how}"),
        None => anyhow::anyhow!("`{program}` is missing"),
    }
}

fn how_to_get(program: &str) -> Option<&'static str> {
    match program {
        "python3" => Some("install it with pip (Debian: `apt-get install python3 python3-pip`)"),
        "npm" | "node" => Some("install Node.js with npm (Debian: `apt-get install nodejs npm`)"),
        "cargo" | "rustc" | "rustup" => Some("install Rust from https://rustup.rs"),
        "apt-get" | "dpkg-query" => Some("this is not a Debian machine; install Rust from https://rustup.rs instead"),
        _ => None,
    }
}

fn describe(program: &str, status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("{program} ended with status {code}"),
        None => format!("{program} was stopped by a signal"),
    }
}

fn forward(pipe: impl Read + Send + 'static, to: mpsc::Sender<String>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        // Some programs draw progress with carriage returns and bytes of any kind: split by line, read leniently.
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if !line.is_empty() && to.send(line).is_err() {
                return;
            }
        }
    })
}

/// The live line of a running step.
struct Life<'a> {
    what: &'a str,
    started: Instant,
    terminal: bool,
    shown: Instant,
}

impl<'a> Life<'a> {
    fn new(what: &'a str, started: Instant) -> Self {
        Self { what, started, terminal: std::io::stderr().is_terminal(), shown: started }
    }

    fn show(&mut self, last: &str) {
        let seconds = self.started.elapsed().as_secs();
        let last = last.rsplit('\r').next().unwrap_or_default().trim();
        let last: String = last.chars().filter(|character| !character.is_control()).take(56).collect();
        if self.terminal {
            if self.shown.elapsed() >= Duration::from_millis(100) {
                self.shown = Instant::now();
                let what = self.what;
                anstream::eprint!("\r\x1b[2K  … {what} {DIM}{seconds} s  {last}{DIM:#}");
                // A live line that cannot be shown is no reason to stop.
                let _ = std::io::stderr().flush();
            }
        } else if self.shown.elapsed() >= SIGN_OF_LIFE {
            self.shown = Instant::now();
            eprintln!("  … {} {seconds} s  {last}", self.what);
        }
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[2K");
        }
    }
}
