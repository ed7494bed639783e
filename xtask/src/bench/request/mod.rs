//! `cargo xtask bench request`: what the filter adds to Envoy's work for one request.
//!
//! One Envoy with one worker on one core, a listener for each variant, and one generator on another core. The figure is
//! Envoy's processor time for a request, in blocks of a few hundred. The variants take turns, and each round goes through them
//! in the other direction, so that a machine that grows slower treats all alike; what counts is the difference to no filter
//! in the same round. All is measured twice: with requests one after the other, and with caches that are cold before each.

mod bootstrap;
mod cold;
mod cores;
mod empty;
mod feed;
mod figures;
mod generator;
mod plan;
mod results;
mod rules;
mod scenario;

use std::path::Path;
use std::time::{Duration, Instant};

use self::bootstrap::Envoy;
use self::cold::Cold;
use self::cores::{Cores, CpuClock};
use self::figures::Block;
use self::generator::{Credential, Generator};
use self::plan::{Plan, Variant};
pub use self::results::Results;
use super::report::machine;
use crate::parts::filter;
use crate::project::Project;
use crate::run;
use crate::stack::START_LIMIT;
use crate::stack::process::fresh_folder;
use anyhow::{Context, Result};

/// Requests of a variant before it is measured.
const WARM_UP: usize = 1_000;
const PROGRESS: Duration = Duration::from_secs(15);
/// How long a variant may take that may be left out. Its listener is there, as that of the ones before.
const OPTIONAL: Duration = Duration::from_secs(5);
/// How long Envoy may take to end.
const STOP: Duration = Duration::from_secs(10);

/// What is measured, and how long.
#[derive(clap::Args, Debug, Clone)]
pub struct Options {
    /// Rounds. Each measures every variant once, for about a hundredth of a second.
    #[arg(long, default_value_t = 1_000)]
    pub rounds: usize,
    /// Requests of a variant in a round, one after the other.
    #[arg(long, default_value_t = 200)]
    pub block: usize,
    /// Requests of a variant in a round with cold caches.
    #[arg(long, default_value_t = 10)]
    pub cold: usize,
    /// Keys in the table; may be given several times.
    #[arg(long, default_values_t = [1_000, 100_000])]
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
            keys: vec![100],
            wasm: vec![],
            plugin: vec![],
            rules: vec![],
            quick: true,
        }
    }
}

/// Measures, prints a table, and writes `request.json` and `request.svg` to `target/bench/`.
///
/// # Errors
/// When something could not be measured. A missed goal is no error.
pub fn bench(project: &Project, options: &Options) -> Result<()> {
    let (wasm, envoy) = (filter(project)?, crate::envoy::obtain(project)?);
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
    let results = measure(&wasm, &envoy, &run, &options)?;
    std::fs::remove_dir_all(&run).with_context(|| format!("cannot remove {}", run.display()))?;
    println!("\nEnvoy's processor time for a request, more than without a filter; {} rounds", options.rounds);
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

/// Runs all variants. Configuration and log of Envoy go to `folder`. Everything has ended when it returns.
pub fn measure(wasm: &Path, envoy: &Path, folder: &Path, options: &Options) -> Result<Results> {
    // Elsewhere than on a quiet machine of one's own, being bound to a core only makes a test slower.
    let cores = if options.quick { None } else { Some(Cores::choose()?) };
    let started = Instant::now();
    let mut plan = Plan::make(options, wasm, folder)?;
    let mut envoy = Envoy::start(envoy, &plan.listeners, folder)?;
    let process = envoy.process.id();
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
    let run = Run { plan: &plan, clock: CpuClock::of(process)?, options, cold };
    let measured = std::thread::scope(|scope| {
        // A thread of its own: it stays bound to its core.
        let thread = scope.spawn(|| {
            if let Some(cores) = cores {
                cores::bind_process(process, cores.envoy)?;
                cores::bind_this_thread(cores.generator)?;
            }
            run.rounds()
        });
        thread.join().map_err(|_| anyhow::anyhow!("the generator panicked"))?
    });
    let measured = measured.with_context(|| format!("Envoy's log is {}", envoy.process.log().display()))?;
    envoy.process.stop(STOP)?;
    let Measured { hot, cold } = measured;
    Ok(Results { variants: plan.variants, hot, cold })
}

/// Waits until a variant gets its answer: the table is there.
fn make_ready(envoy: &mut Envoy, plan: &Plan, variant: &Variant) -> Result<()> {
    let port = plan.listeners[variant.listener].port;
    let ready = || {
        let Ok(mut generator) = Generator::connect(port) else { return false };
        generator.block(&variant.template, &credential(plan, variant), 1, variant.status).is_ok()
    };
    let limit = if variant.optional { OPTIONAL } else { START_LIMIT };
    envoy.process.wait_until(limit, ready).with_context(|| format!("\"{}\"", variant.name))
}

fn credential<'a>(plan: &'a Plan, variant: &Variant) -> Credential<'a> {
    match variant.credential {
        plan::Credential::Of(feed) => Credential::Of(&plan.feeds[feed].secrets),
        plan::Credential::Unknown => Credential::Unknown,
    }
}

struct Run<'a> {
    plan: &'a Plan,
    clock: CpuClock,
    options: &'a Options,
    cold: Cold,
}

/// The blocks of each variant.
struct Measured {
    hot: Vec<Vec<Block>>,
    cold: Vec<Vec<Block>>,
}

impl Run<'_> {
    fn rounds(mut self) -> Result<Measured> {
        let Options { rounds, block, cold, .. } = *self.options;
        let variants = &self.plan.variants;
        let connect = |variant: &Variant| Generator::connect(self.plan.listeners[variant.listener].port);
        let mut generators = variants.iter().map(connect).collect::<Result<Vec<_>>>()?;
        for (variant, generator) in variants.iter().zip(&mut generators) {
            self.hot(variant, generator, WARM_UP.min(block * rounds))?;
        }
        let mut measured = Measured { hot: vec![Vec::new(); variants.len()], cold: vec![Vec::new(); variants.len()] };
        let mut said = Instant::now();
        for round in 0..rounds {
            let mut order: Vec<usize> = (0..variants.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for number in order {
                let (variant, generator) = (&variants[number], &mut generators[number]);
                measured.hot[number].push(self.hot(variant, generator, block)?);
                measured.cold[number].push(self.cold(variant, generator, cold)?);
            }
            if said.elapsed() > PROGRESS {
                eprintln!("  … round {} of {rounds}", round + 1);
                said = Instant::now();
            }
        }
        Ok(measured)
    }

    /// Requests one after the other.
    fn hot(&self, variant: &Variant, generator: &mut Generator, requests: usize) -> Result<Block> {
        let (cpu, wall) = self.send(variant, generator, requests)?;
        Ok(Block::of(cpu, wall, requests))
    }

    /// Single requests, each with cold caches. Envoy rests between them, so an interruption does not show.
    fn cold(&mut self, variant: &Variant, generator: &mut Generator, requests: usize) -> Result<Block> {
        let mut cpu = Duration::ZERO;
        for _ in 0..requests {
            self.cold.chill()?;
            cpu += self.send(variant, generator, 1)?.0;
        }
        Ok(Block::of(cpu, cpu, requests))
    }

    fn send(&self, variant: &Variant, generator: &mut Generator, requests: usize) -> Result<(Duration, Duration)> {
        let credential = credential(self.plan, variant);
        let send = || generator.block(&variant.template, &credential, requests, variant.status);
        cores::used(self.clock, send).with_context(|| format!("\"{}\"", variant.name))
    }
}
