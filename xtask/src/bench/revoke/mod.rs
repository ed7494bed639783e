//! `cargo xtask bench revoke`: how long a revoked key is still accepted, by the last of all workers of all proxies.
//!
//! One real control plane. Most proxies are simulated: a worker is then a connection that polls, takes each page whole and polls
//! again. A few are real Envoys with the real filter, asked with the key all the time. For each revocation what counts is the last
//! of all. Another section has far more polls waiting, and tells what they cost the control plane.
//!
//! Everything shares this machine and its cores, so the figures hold the load's own cost too.

mod answer;
mod poller;
mod pollers;
mod proxies;
mod results;
mod waiting;

use std::path::{Path, PathBuf};
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use keyplane_contract::digest::Digest;
use secrecy::{ExposeSecret, SecretString};

use self::pollers::Pollers;
use self::proxies::{Proxies, Worker};
pub use self::results::Results;
use super::database::Binaries;
use super::load::{self, Dice};
use super::report::machine;
use crate::parts::filter;
use crate::project::Project;
use crate::run;
use crate::stack::ports::free as free_port;
use crate::stack::process::fresh_folder;
use crate::stack::{Api, Client, ControlPlane};

/// How long anything may take before it counts as never.
const LIMIT: Duration = Duration::from_mins(1);
/// Clients that make keys.
const CREATORS: usize = 8;
/// Revocations before those that are measured: connections and caches are there then, as in a server that runs.
const WARM_UP: usize = 5;
/// Between two revocations at least, and at most so much more: no rhythm may arise.
const PAUSE: (Duration, u64) = (Duration::from_millis(30), 20);

/// How much is measured.
#[derive(clap::Args, Debug, Clone)]
pub struct Options {
    /// Simulated proxies, with one worker each.
    #[arg(long, default_value_t = 98)]
    pub pollers: usize,
    /// Real Envoys, with two workers each.
    #[arg(long, default_value_t = 2)]
    pub envoys: usize,
    /// Revocations.
    #[arg(long, default_value_t = 200)]
    pub revokes: usize,
    /// Keys in the database beside those that are revoked.
    #[arg(long, default_value_t = 1_000)]
    pub keys: usize,
    /// Waiting polls of the other section; 0 leaves it out.
    #[arg(long, default_value_t = 2_000)]
    pub polls: usize,
    /// Seconds for which they are left alone. The usual ones let each poll come back once.
    #[arg(long = "idle-seconds", default_value = "25", value_parser = seconds)]
    pub idle: Duration,
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    Ok(Duration::from_secs(text.parse::<u64>()?.max(1)))
}

/// What a run is made of.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The control plane's binary.
    pub keyplane: PathBuf,
    /// The filter.
    pub wasm: PathBuf,
    /// Envoy.
    pub envoy: PathBuf,
    /// For databases, configurations and logs.
    pub folder: &'a Path,
}

/// Measures, prints a table, and writes `revoke.json` and `revoke.svg` to `target/bench/`.
///
/// # Errors
/// When something could not be measured. A missed goal is no error.
pub fn bench(project: &Project, options: &Options) -> Result<()> {
    let (wasm, envoy) = (filter(project)?, crate::envoy::obtain(project)?);
    let Binaries { keyplane, .. } = Binaries::obtain(project)?;
    let folder = project.target().join("bench");
    let run = folder.join("run-revoke");
    fresh_folder(&run)?;
    let machine = machine();
    let results = Bench { keyplane, wasm, envoy, folder: &run }.measure(options)?;
    std::fs::remove_dir_all(&run).with_context(|| format!("cannot remove {}", run.display()))?;
    let Options { pollers, envoys, revokes, keys, .. } = options;
    println!("\n{revokes} revocations, {pollers} simulated proxies and {envoys} real ones, {keys} other keys\n");
    print!("{}", results.text());
    let mut document = results.json();
    document["machine"] = machine;
    document["keys"] = (*keys).into();
    std::fs::write(folder.join("revoke.svg"), results.plot())?;
    let file = folder.join("revoke.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&document)?)?;
    println!("\nwritten to {} and revoke.svg beside it", project.shown(&file));
    Ok(())
}

impl Bench<'_> {
    /// Measures both sections. Everything has ended when it returns.
    pub fn measure(&self, options: &Options) -> Result<Results> {
        raise_file_limit();
        let (revoked, faults) = self.revocations(options)?;
        let waiting = if options.polls > 0 { Some(waiting::measure(self, options)?) } else { None };
        Ok(Results { pollers: options.pollers, envoys: options.envoys, revoked, faults, waiting })
    }

    /// Each revocation, and the polls that were answered with an error.
    fn revocations(&self, options: &Options) -> Result<(Vec<Revoked>, usize)> {
        let mut plane = self.control_plane("revocations", options.keys, options.revokes + WARM_UP)?;
        let mut pollers = Pollers::start(options.pollers, plane.sync_port, &plane.token())?;
        let folder = self.folder.join("revocations");
        let mut proxies =
            Proxies::start(options.envoys, &self.envoy, &self.wasm, &plane.server, plane.sync_port, &folder)?;
        pollers.wait_for_keys(plane.keys_in_all, LIMIT)?;
        let mut revoked = Vec::with_capacity(options.revokes);
        for (number, key) in std::mem::take(&mut plane.to_revoke).iter().enumerate() {
            proxies.wait_for_key(key.secret.expose_secret())?;
            pause(number);
            let one = revoke_one(&plane, key, &mut pollers, proxies.workers())?;
            if number >= WARM_UP {
                revoked.push(one);
            }
        }
        proxies.stop()?;
        let faults = pollers.faults();
        pollers.stop()?;
        plane.server.stop()?;
        Ok((revoked, faults))
    }

    /// A control plane with a database of its own: `keys` that stay, and others to revoke.
    fn control_plane(&self, name: &str, keys: usize, to_revoke: usize) -> Result<Plane> {
        let folder = self.folder.join(name);
        fresh_folder(&folder)?;
        let started = Instant::now();
        let (api_port, sync_port) = (free_port()?, free_port()?);
        let server = ControlPlane::create(&self.keyplane, &folder, api_port, sync_port)?;
        let client = Client::keeping(api_port, CREATORS).bearer(server.admin_key().clone());
        let api = Api::new(client);
        let account = api.create_account("Benchmark")?;
        let project = api.create_project(&account, "Benchmark", "uk_live", "uk_test")?;
        let made = Mutex::new(Vec::new());
        let keys_in_all = keys + to_revoke;
        load::open(&vec![Duration::ZERO; keys_in_all], CREATORS, |number| {
            let key = api.create_key(&project, &format!("key {number}"))?;
            if number < to_revoke {
                let key = Key { id: key.id, secret: key.secret };
                made.lock().unwrap_or_else(PoisonError::into_inner).push(key);
            }
            Ok(())
        })?;
        run::done(&format!("started a control plane with {keys_in_all} keys"), started.elapsed());
        let to_revoke = made.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Plane { server, api, sync_port, keys_in_all, to_revoke })
    }
}

/// A running control plane and its keys.
struct Plane {
    server: ControlPlane,
    api: Api,
    sync_port: u16,
    keys_in_all: usize,
    to_revoke: Vec<Key>,
}

impl Plane {
    fn token(&self) -> String {
        self.server.proxy_token().expose_secret().to_owned()
    }
}

/// A key that is going to be revoked.
struct Key {
    id: String,
    secret: SecretString,
}

/// What became of one revocation: times since it was sent.
#[derive(Debug, Clone, Copy)]
pub struct Revoked {
    /// It was answered.
    pub answered: Duration,
    /// The last simulated worker had applied it.
    pub simulated: Duration,
    /// The last worker of a real Envoy refused the key.
    pub real: Duration,
}

impl Revoked {
    /// The last of all.
    pub fn last(&self) -> Duration {
        self.simulated.max(self.real)
    }
}

/// Revokes a key while all workers of real Envoys are asked with it, and waits until the last of all refuses it.
fn revoke_one(plane: &Plane, key: &Key, pollers: &mut Pollers, workers: &mut [Worker]) -> Result<Revoked> {
    let secret = key.secret.expose_secret();
    let start = Barrier::new(workers.len() + 1);
    std::thread::scope(|scope| {
        let ask = |worker| {
            let start = &start;
            scope.spawn(move || -> Result<Instant> {
                start.wait();
                Worker::ask_until(worker, 401, secret)
            })
        };
        let asked: Vec<_> = workers.iter_mut().map(ask).collect();
        start.wait();
        let sent = Instant::now();
        plane.api.revoke_key(&key.id)?;
        let answered = sent.elapsed();
        let simulated = pollers.refused(Digest::of(secret.as_bytes()), LIMIT)?.into_iter().max();
        let mut real = None;
        for worker in asked {
            let refused = worker.join().map_err(|_| anyhow::anyhow!("a thread that asks Envoy panicked"))??;
            real = real.max(Some(refused));
        }
        let since = |last: Option<Instant>| last.map_or(Duration::ZERO, |last| last.saturating_duration_since(sent));
        Ok(Revoked { answered, simulated: since(simulated), real: since(real) })
    })
}

/// Lets all come to rest.
fn pause(number: usize) {
    let (least, more) = PAUSE;
    let roll = Dice::new(number as u64).roll() % more;
    std::thread::sleep(least + Duration::from_millis(roll));
}

/// Each poll is an open file, here and in the control plane, which inherits the limit and raises its own.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Where it fails, opening too many connections says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
