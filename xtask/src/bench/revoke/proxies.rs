//! Real Envoys, and a connection that is kept to each of their workers.
//!
//! A worker is told by Envoy's own counters: connections are opened one by one, and the worker whose count rises has got it. So each
//! worker is asked for sure, where new connections for each question would meet some more often than others.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use super::answer::Answer;
use crate::stack::ports::free as free_port;
use crate::stack::{ControlPlane, Envoy, EnvoySettings};

/// Workers of each Envoy.
pub const WORKERS: u32 = 2;
/// Between an answer and the next question: how exactly a refusal is seen. Without it the questions would take the processor from
/// what they ask about.
pub const PAUSE: Duration = Duration::from_millis(1);
/// Connections that are opened at most to meet all workers of one Envoy.
const CONNECTIONS: usize = 200;
/// How long a worker may take to do what it must.
const LIMIT: Duration = Duration::from_secs(20);

/// Envoys with the filter.
#[derive(Debug)]
pub struct Proxies {
    /// First, so that they are closed first.
    workers: Vec<Worker>,
    envoys: Vec<Envoy>,
}

/// The connection to one worker.
#[derive(Debug)]
pub struct Worker {
    stream: TcpStream,
    name: String,
}

impl Proxies {
    /// Starts so many as `examples/envoy/envoy.yaml` has them, but without an application: Envoy itself answers what is allowed.
    pub fn start(
        count: usize,
        binary: &Path,
        wasm: &Path,
        control_plane: &ControlPlane,
        sync_port: u16,
        folder: &Path,
    ) -> Result<Self> {
        let (mut workers, mut envoys) = (Vec::new(), Vec::new());
        for number in 0..count {
            let settings = EnvoySettings {
                binary: binary.into(),
                wasm: wasm.into(),
                proxy_token: control_plane.proxy_token().clone(),
                // All questions come from one address, and the revoked keys among them are no guesses.
                plugin: json!({ "control_plane": { "cluster": "keyplane" }, "guessing": { "failures": 0 } }),
                workers: WORKERS,
                trusted_hops: 0,
                proxy_port: free_port()?,
                admin_port: free_port()?,
                sync_port,
                upstream_port: free_port()?,
            };
            let direct = "direct_response: { status: 200, body: { inline_string: \"ok\" } }".to_owned();
            let changes = [("route: { cluster: upstream }", direct)];
            let name = format!("envoy-{number}");
            let envoy = Envoy::start_with(settings, &changes, folder, &name)?;
            workers.extend(meet(&envoy, &name)?);
            envoys.push(envoy);
        }
        Ok(Self { workers, envoys })
    }

    /// The connections, one to each worker.
    pub fn workers(&mut self) -> &mut [Worker] {
        &mut self.workers
    }

    /// Waits until every worker allows this key.
    pub fn wait_for_key(&mut self, key: &str) -> Result<()> {
        for worker in &mut self.workers {
            worker.ask_until(200, key)?;
        }
        Ok(())
    }

    /// Ends them.
    pub fn stop(mut self) -> Result<()> {
        drop(self.workers);
        // All are stopped even when one fails; the first failure is told.
        let stopped: Vec<_> = self.envoys.iter_mut().map(Envoy::stop).collect();
        stopped.into_iter().collect()
    }
}

/// A connection to each worker of an Envoy.
fn meet(envoy: &Envoy, name: &str) -> Result<Vec<Worker>> {
    let port = envoy.settings().proxy_port;
    let mut met = BTreeMap::new();
    let mut others = Vec::new();
    for _ in 0..CONNECTIONS {
        let before = connections(envoy)?;
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("cannot connect to Envoy")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut worker = Worker { stream, name: String::new() };
        // Once it has answered, the connection is surely counted.
        ensure!(worker.ask(None)? == 401, "{name} allows requests without a key");
        let after = connections(envoy)?;
        let risen = after.into_iter().find(|(name, count)| before.get(name).is_none_or(|before| before < count));
        match risen.map(|(name, _)| name) {
            Some(number) if !met.contains_key(&number) => {
                worker.name = format!("{name} {number}");
                met.insert(number, worker);
            }
            // Kept open: when one is closed, the count goes down later.
            _ => others.push(worker),
        }
        if met.len() == WORKERS as usize {
            return Ok(met.into_values().collect());
        }
    }
    bail!("{CONNECTIONS} connections to {name} met {} of {WORKERS} workers", met.len())
}

/// Connections of the listener, by worker.
fn connections(envoy: &Envoy) -> Result<BTreeMap<String, u64>> {
    let listener = format!("listener.127.0.0.1_{}.", envoy.settings().proxy_port);
    let stats = envoy.stats(&listener)?;
    let of_worker = |name: &str| {
        let worker = name.strip_prefix(&listener)?.strip_suffix(".downstream_cx_active")?;
        worker.starts_with("worker_").then(|| worker.to_owned())
    };
    Ok(stats.iter().filter_map(|(name, count)| Some((of_worker(name)?, *count))).collect())
}

impl Worker {
    /// One question; gives the status.
    fn ask(&mut self, key: Option<&str>) -> Result<u16> {
        let key = key.map(|key| format!("x-api-key: {key}\r\n")).unwrap_or_default();
        let request = format!("GET /v1/hello HTTP/1.1\r\nhost: api.example.com\r\n{key}\r\n");
        self.stream.write_all(request.as_bytes()).with_context(|| format!("cannot ask {}", self.name))?;
        let mut received = Vec::new();
        loop {
            let mut buffer = [0; 4_096];
            let length = self.stream.read(&mut buffer).with_context(|| format!("no answer of {}", self.name))?;
            ensure!(length > 0, "{} closed the connection", self.name);
            received.extend_from_slice(&buffer[..length]);
            if let Some(answer) = Answer::parse(&received)? {
                return Ok(answer.status);
            }
        }
    }

    /// Asks until the answer has this status, which must be 200 or 401; gives the time at which it came.
    pub fn ask_until(&mut self, wanted: u16, key: &str) -> Result<Instant> {
        let started = Instant::now();
        loop {
            let status = self.ask(Some(key))?;
            if status == wanted {
                return Ok(Instant::now());
            }
            ensure!(matches!(status, 200 | 401), "{} answered {status}", self.name);
            ensure!(started.elapsed() < LIMIT, "{} still answers {status}, not {wanted}, after {LIMIT:?}", self.name);
            std::thread::sleep(PAUSE);
        }
    }
}
