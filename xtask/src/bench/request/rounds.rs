//! The rounds: all variants in turn, each measured in every way.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Options;
use super::cold::Cold;
use super::cores::{self, CpuClock, Used};
use super::figures::Block;
use super::generator::{CONNECTIONS, Credential, Generator};
use super::plan::Plan;
use super::variant::{self, Role, Variant};

/// Requests of a variant before it is measured.
const WARM_UP: usize = 1_000;
const PROGRESS: Duration = Duration::from_secs(15);

/// What is needed to measure.
pub struct Run<'a> {
    /// The variants.
    pub plan: &'a Plan,
    /// Of Envoy.
    pub envoy: CpuClock,
    /// Of the server that `ext_authz` asks.
    pub server: CpuClock,
    /// How much is sent.
    pub options: &'a Options,
    /// Makes Envoy's caches cold.
    pub cold: Cold,
}

/// The blocks of each variant.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Processor time of requests one after the other.
    pub hot: Vec<Vec<Block>>,
    /// Processor time with cold caches.
    pub cold: Vec<Vec<Block>>,
    /// Latency on a single connection.
    pub single: Vec<Vec<Block>>,
    /// Latency on several connections at once.
    pub several: Vec<Vec<Block>>,
}

/// The connections of a variant.
struct Generators {
    several: Generator,
    single: Generator,
}

/// What a variant's requests carry.
pub fn credential<'a>(plan: &'a Plan, variant: &Variant) -> Credential<'a> {
    match variant.credential {
        variant::Credential::Of(feed) => Credential::Of(&plan.feeds[feed].secrets),
        variant::Credential::Unknown => Credential::Unknown,
    }
}

impl Run<'_> {
    /// Measures all rounds.
    pub fn rounds(mut self) -> Result<Measured> {
        let Options { rounds, block, cold, single, .. } = *self.options;
        let variants = &self.plan.variants;
        let connect = |variant: &Variant| {
            let port = self.plan.listeners[variant.listener].port;
            // On a single connection all wait alike. On several only those give way that must: others then wait less busily.
            let several = Generator::connect(port, CONNECTIONS, variant.role == Role::Authz)?;
            Ok(Generators { several, single: Generator::connect(port, 1, true)? })
        };
        let mut generators = variants.iter().map(connect).collect::<Result<Vec<_>>>()?;
        for (variant, generator) in variants.iter().zip(&mut generators) {
            self.send(variant, &mut generator.several, WARM_UP.min(block * rounds))?;
            self.send(variant, &mut generator.single, single)?;
        }
        let none = vec![Vec::with_capacity(rounds); variants.len()];
        let mut measured = Measured { hot: none.clone(), cold: none.clone(), single: none.clone(), several: none };
        let mut said = Instant::now();
        for round in 0..rounds {
            let mut order: Vec<usize> = (0..variants.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for number in order {
                let (variant, Generators { several, single: one }) = (&variants[number], &mut generators[number]);
                measured.hot[number].push(self.hot(variant, several, block)?);
                measured.several[number].push(Block::latency(several.median()));
                measured.cold[number].push(self.cold(variant, several, cold)?);
                self.send(variant, one, single)?;
                measured.single[number].push(Block::latency(one.median()));
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
        let used = self.send(variant, generator, requests)?;
        // Envoy waits for the server.
        let block = if variant.role == Role::Authz { Block::with_waits } else { Block::of };
        Ok(block(used, requests))
    }

    /// Single requests, each with cold caches. Envoy rests between them, so an interruption does not show.
    fn cold(&mut self, variant: &Variant, generator: &mut Generator, requests: usize) -> Result<Block> {
        let mut sum = Used::default();
        for _ in 0..requests {
            self.cold.chill()?;
            let used = self.send(variant, generator, 1)?;
            sum.envoy += used.envoy;
            sum.server += used.server;
        }
        Ok(Block::with_waits(sum, requests))
    }

    fn send(&self, variant: &Variant, generator: &mut Generator, requests: usize) -> Result<Used> {
        let credential = credential(self.plan, variant);
        let server = (variant.role == Role::Authz).then_some(self.server);
        let send = || generator.block(&variant.template, &credential, requests, variant.status);
        cores::used(self.envoy, server, send).with_context(|| format!("\"{}\"", variant.name))
    }
}
