//! `cargo xtask bench request`: what the filter adds to Envoy's work for one request.
//!
//! One Envoy with one worker on one core, a listener for each variant, and one generator on another core. The figure is
//! Envoy's processor time for a request, in blocks of a few hundred. The variants take turns, and each round goes through them
//! in the other direction, so that a machine that grows slower treats all alike; what counts is the difference to no filter
//! in the same round. All is measured twice: with requests one after the other, and with caches that are cold before each. What
//! callers wait for is measured beside it. A server that Envoy asks counts as if it were part of Envoy.

mod authz;
pub(super) mod bootstrap;
mod budget;
mod cold;
pub(super) mod cores;
mod empty;
pub(super) mod feed;
mod figures;
mod generator;
mod plan;
mod results;
mod rounds;
mod rules;
mod scenario;
mod variant;

use std::path::Path;
use std::time::{Duration, Instant};

use self::bootstrap::Envoy;
use self::cold::Cold;
use self::cores::{Cores, CpuClock};
use self::generator::Generator;
use self::plan::Plan;
pub use self::results::Results;
use self::rounds::{Run, credential};
use self::variant::Variant;
use super::report::machine;
use crate::parts::filter;
use crate::project::Project;
use crate::run;
use crate::stack::START_LIMIT;
use crate::stack::process::fresh_folder;
use anyhow::{Context, Result};

/// How long a variant may take that may be left out. Its listener is there, as that of the ones before.
const OPTIONAL: Duration = Duration::from_secs(5);
/// How long Envoy may take to end.
const STOP: Duration = Duration::from_secs(10);

/// What is measured, and how long.
#[derive(clap::Args, Debug, Clone)]
pub struct Options {
    /// Rounds. Each measures every variant once, for about a hundredth of a second.
    #[arg(long, default_value_t = 700)]
    pub rounds: usize,
    /// Requests of a variant in a round, one after the other.
    #[arg(long, default_value_t = 200)]
    pub block: usize,
    /// Requests of a variant in a round with cold caches.
    #[arg(long, default_value_t = 10)]
    pub cold: usize,
    /// Requests of a variant in a round on a single connection, whose latency is measured.
    #[arg(long, default_value_t = 20)]
    pub single: usize,
    /// Keys in the table; may be given several times.
    #[arg(long, default_values_t = [1_000, 100_000, 1_000_000])]
    pub keys: Vec<u64>,
    /// Another build of the filter to measure beside this clone's, as FILE or NAME=FILE; may be given several times.
    #[arg(long, value_name = "[NAME=]FILE")]
    pub wasm: Vec<String>,
    /// Another configuration of this clone's filter, as FILE or NAME=FILE (docs/performance.md); may be given several times.
    #[arg(long, value_name = "[NAME=]FILE")]
    pub plugin: Vec<String>,
    /// So many rules, of which the last one decides; may be given several times.
    #[arg(long)]
    pub rules: Vec<u32>,
    /// A few small rounds on any core: shows that it runs, and no figure that means something.
    #[arg(long)]
    pub quick: bool,
}

impl Options {
    /// What `--quick` measures.
    pub fn quick() -> Self {
        Self {
            rounds: 4,
            block: 40,
            cold: 2,
            single: 2,
            keys: vec![100],
            wasm: vec![],
            plugin: vec![],
            rules: vec![],
            quick: true,
        }
    }
}

/// Measures, prints tables, and writes `request.json` and plots to `target/bench/`.
///
/// # Errors
/// When something could not be measured. A missed goal is no error.
pub fn bench(project: &Project, options: &Options) -> Result<()> {
    let (wasm, envoy, authz) = (filter(project)?, crate::envoy::obtain(project)?, authz::obtain(project)?);
    let folder = project.target().join("bench");
    let run = folder.join("run-request");
    fresh_folder(&run)?;
    let machine = machine();
    let options = if options.quick {
        let Options { wasm, plugin, rules, .. } = options.clone();
        Options { wasm, plugin, rules, ..Options::quick() }
    } else {
        options.clone()
    };
    let results = measure(&wasm, &envoy, &authz, &run, &options)?;
    std::fs::remove_dir_all(&run).with_context(|| format!("cannot remove {}", run.display()))?;
    println!("\nWhat a request takes more than without a filter; {} rounds", options.rounds);
    print!("{}", results.text());
    let mut document = results.json();
    document["machine"] = machine;
    document["rounds"] = options.rounds.into();
    let file = folder.join("request.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&document)?)?;
    for (name, plot) in results.plots() {
        std::fs::write(folder.join(name), plot)?;
    }
    println!("\nwritten to {} and its plots beside it", project.shown(&file));
    Ok(())
}

/// Runs all variants, with `authz` as the server that `ext_authz` asks. Configurations and logs go to `folder`. Everything has
/// ended when it returns.
pub fn measure(wasm: &Path, envoy: &Path, authz: &Path, folder: &Path, options: &Options) -> Result<Results> {
    // Elsewhere than on a quiet machine of one's own, being bound to a core only makes a test slower.
    let cores = if options.quick { None } else { Some(Cores::choose()?) };
    let started = Instant::now();
    let mut plan = Plan::make(options, wasm, authz, folder)?;
    let mut envoy = Envoy::start(envoy, &plan.listeners, folder)?;
    let (process, server) = (envoy.process.id(), plan.authz.process.id());
    let mut variants = Vec::new();
    for variant in std::mem::take(&mut plan.variants) {
        let ready = make_ready(&mut envoy, &plan, &variant);
        if variant.optional && ready.is_err() {
            eprintln!("  left out, because this build does otherwise: {}", variant.name);
        } else {
            ready?;
            variants.push(variant);
        }
    }
    plan.variants = variants;
    run::done(&format!("started Envoy with {} listeners", plan.listeners.len()), started.elapsed());
    let cold = Cold::start(cores.map(|cores| cores.envoy))?;
    let run = Run { plan: &plan, envoy: CpuClock::of(process)?, server: CpuClock::of(server)?, options, cold };
    let measured = std::thread::scope(|scope| {
        // A thread of its own: it stays bound to its core.
        let thread = scope.spawn(|| {
            if let Some(cores) = cores {
                cores::bind_process(process, cores.envoy)?;
                cores::bind_process(server, cores.server)?;
                cores::bind_this_thread(cores.generator)?;
            }
            run.rounds()
        });
        thread.join().map_err(|_| anyhow::anyhow!("the generator panicked"))?
    });
    let measured = measured.with_context(|| format!("Envoy's log is {}", envoy.process.log().display()))?;
    envoy.process.stop(STOP)?;
    plan.authz.process.stop(STOP)?;
    Ok(Results { variants: plan.variants, measured })
}

/// Waits until a variant gets its answer: the table is there.
fn make_ready(envoy: &mut Envoy, plan: &Plan, variant: &Variant) -> Result<()> {
    let port = plan.listeners[variant.listener].port;
    let ready = || {
        let Ok(mut generator) = Generator::connect(port, 1, true) else { return false };
        generator.block(&variant.template, &credential(plan, variant), 1, variant.status).is_ok()
    };
    let limit = if variant.optional { OPTIONAL } else { START_LIMIT };
    envoy.process.wait_until(limit, ready).with_context(|| format!("\"{}\"", variant.name))
}
