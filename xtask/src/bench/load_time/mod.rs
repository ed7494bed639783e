//! `cargo xtask bench load`: from the start of a proxy to right answers, with a thousand to a million keys.
//!
//! An Envoy with one worker is started anew for each number of keys: once with Keyplane, whose keys come by the sync protocol, and twice with Envoy's own
//! `api_key_auth`, whose keys stand in the configuration, as YAML and as JSON. What counts is the time until a key is let through and an unknown one refused, and the memory
//! that the process took. The single steps are timed in the test host (`keyplane-load-steps`), because they cannot be told apart from outside.

mod asker;
mod results;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use self::asker::Asker;
pub use self::results::Results;
use super::report::machine;
use super::request::bootstrap::{Envoy, Filter, Form, Listener};
use super::request::feed::{Feed, Keys};
use crate::parts::filter;
use crate::project::Project;
use crate::run;
use crate::stack::Client;
use crate::stack::ports::free as free_port;
use crate::stack::process::fresh_folder;

/// How long is looked on after the answers are right.
const REST: Duration = Duration::from_secs(1);
/// How long Envoy may take to end.
const STOP: Duration = Duration::from_secs(30);
/// The program that times single steps.
const STEPS: &str = "keyplane-load-steps";

/// What is measured, and how long.
#[derive(clap::Args, Debug, Clone)]
pub struct Options {
    /// Keys; may be given several times.
    #[arg(long, default_values_t = [1_000, 100_000, 1_000_000])]
    pub keys: Vec<u64>,
    /// Seconds that an Envoy may take until its answers are right.
    #[arg(long, default_value_t = 180)]
    pub limit: u64,
}

/// One start of an Envoy.
#[derive(Debug, Clone)]
pub struct Start {
    /// From the start of the process to right answers.
    pub ready: Duration,
    /// The most memory that it ever took, in bytes.
    pub peak: u64,
    /// What it takes afterwards.
    pub rest: u64,
    /// The longest that a request of another listener had to wait meanwhile.
    pub longest: Option<Duration>,
}

/// What became of an Envoy that was started.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Its answers were right.
    Right(Start),
    /// They were not within this time, and it was ended.
    TooLate(Duration),
}

/// What was measured with so many keys.
#[derive(Debug)]
pub struct Run {
    /// How many.
    pub keys: u64,
    /// With Keyplane.
    pub keyplane: Start,
    /// With `api_key_auth`, configured in YAML.
    pub native_yaml: Outcome,
    /// With `api_key_auth`, configured in JSON.
    pub native_json: Outcome,
    /// What the test host says of single steps.
    pub steps: Value,
}

/// Measures, prints a table, and writes `load.json`, `load-time.svg` and `load-memory.svg` to `target/bench/`.
///
/// # Errors
/// When something could not be measured. A missed goal is no error.
pub fn bench(project: &Project, options: &Options) -> Result<()> {
    let (wasm, envoy) = (filter(project)?, crate::envoy::obtain(project)?);
    let build = project.cargo(["build", "--package", "keyplane-tests", "--bin", STEPS]);
    run::done("built the test host", run::step("building the test host", build, None)?);
    let folder = project.target().join("bench");
    let run = folder.join("run-load");
    fresh_folder(&run)?;
    let machine = machine();
    let results = measure(&wasm, &envoy, &project.target().join("debug").join(STEPS), &run, options)?;
    std::fs::remove_dir_all(&run).with_context(|| format!("cannot remove {}", run.display()))?;
    println!("\nFrom the start of a proxy to right answers, one worker\n\n{}", results.text());
    let mut document = results.json();
    document["machine"] = machine;
    let file = folder.join("load.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&document)?)?;
    for (name, plot) in results.plots() {
        std::fs::write(folder.join(name), plot)?;
    }
    println!("written to {} and its plots beside it", project.shown(&file));
    Ok(())
}

/// Measures all numbers of keys. `steps` is the program that times single steps. Everything has ended when it returns.
///
/// # Errors
/// When something could not be measured.
pub fn measure(wasm: &Path, envoy: &Path, steps: &Path, folder: &Path, options: &Options) -> Result<Results> {
    let limit = Duration::from_secs(options.limit);
    let bench = Bench { wasm, envoy, folder, limit };
    let empty = bench.must_start(Filter::None, None)?;
    let mut runs = Vec::new();
    for &keys in &options.keys {
        let started = Instant::now();
        let feed = Feed::start(&Keys { count: keys, scopes: String::new() })?;
        let key = feed.secrets.last().context("there are no keys to load")?.clone();
        run::done(&format!("made {keys} keys"), started.elapsed());
        let module = wasm.display().to_string();
        let keyplane = Filter::Keyplane { module, plugin: Map::new(), feed: feed.port };
        let keyplane = bench.must_start(keyplane, Some(&key))?;
        let native = |form| bench.start(Filter::Native { secrets: feed.secrets.clone() }, form, Some(&key));
        let (native_yaml, native_json) = (native(Form::Yaml)?, native(Form::Json)?);
        let mut command = Command::new(steps);
        command.arg(keys.to_string()).env("KEYPLANE_WASM", wasm);
        let steps = serde_json::from_str(&run::read(command)?).context("what the test host prints is no JSON")?;
        runs.push(Run { keys, keyplane, native_yaml, native_json, steps });
    }
    Ok(Results { empty, runs })
}

struct Bench<'a> {
    wasm: &'a Path,
    envoy: &'a Path,
    folder: &'a Path,
    limit: Duration,
}

impl Bench<'_> {
    /// Starts an Envoy whose answers must be right in time.
    fn must_start(&self, filter: Filter, key: Option<&str>) -> Result<Start> {
        match self.start(filter, Form::Json, key)? {
            Outcome::Right(start) => Ok(start),
            Outcome::TooLate(limit) => {
                bail!("no right answers within {} s, filter {}", limit.as_secs(), self.wasm.display())
            }
        }
    }

    /// Starts an Envoy with this filter, and a listener without one beside it. `key` must be let through, and another refused.
    fn start(&self, filter: Filter, form: Form, key: Option<&str>) -> Result<Outcome> {
        let what = match (&filter, form) {
            (Filter::None, _) => "without a filter",
            (Filter::Keyplane { .. }, _) => "with Keyplane",
            (_, Form::Yaml) => "with api_key_auth, YAML",
            (_, Form::Json) => "with api_key_auth, JSON",
        };
        let began = Instant::now();
        // The native filter loads before anything listens, so there is nothing to ask meanwhile.
        let asks = !matches!(filter, Filter::Native { .. });
        let (bare, guarded) = (free_port()?, free_port()?);
        let mut listeners = vec![Listener { port: guarded, filter }];
        if asks {
            listeners.push(Listener { port: bare, filter: Filter::None });
        }
        let asker = asks.then(|| Asker::start(bare));
        let started = Envoy::start_within(self.limit, self.envoy, &listeners, form, self.folder);
        drop(listeners);
        let started = started.and_then(|mut envoy| {
            let client = Client::new(guarded);
            let status = |key: &str| client.get("/", &[("x-api-key", key)]).map_or(0, |answer| answer.status);
            let left = self.limit.saturating_sub(envoy.started.elapsed());
            let right = || key.is_none_or(|key| status(key) == 200 && status("uk_live_nobody") == 401);
            envoy.process.wait_until(left, right)?;
            Ok((envoy.started.elapsed(), envoy))
        });
        let (ready, mut envoy) = match started {
            Ok(started) => started,
            Err(error) => {
                asker.map(Asker::longest).transpose()?;
                if began.elapsed() >= self.limit {
                    run::done(&format!("ended Envoy {what}: too late"), began.elapsed());
                    return Ok(Outcome::TooLate(self.limit));
                }
                return Err(error).with_context(|| format!("an Envoy {what}, filter {}", self.wasm.display()));
            }
        };
        std::thread::sleep(REST);
        let longest = asker.map(Asker::longest).transpose()?;
        let [peak, rest] = memory(envoy.process.id())?;
        envoy.process.stop(STOP)?;
        run::done(&format!("started Envoy {what}"), ready);
        Ok(Outcome::Right(Start { ready, peak, rest, longest }))
    }
}

/// The most resident memory that a process ever had, and what it has now, in bytes.
fn memory(process: u32) -> Result<[u64; 2]> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}; this needs Linux"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).map(|kib| kib * 1_024)
    };
    match (field("VmHWM:"), field("VmRSS:")) {
        (Some(peak), Some(rest)) => Ok([peak, rest]),
        _ => bail!("{path} does not tell the memory"),
    }
}
