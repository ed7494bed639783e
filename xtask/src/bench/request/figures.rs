//! From blocks to figures: medians of what a variant takes more than no filter in the same round.
//!
//! A block in which Envoy was interrupted is left out: what it then pays for cold caches is not the filter's. Busy-polling
//! keeps Envoy working without a pause, so an interruption shows as time that is not processor time.

use std::time::Duration;

use serde_json::{Value, json};

use super::cores::Used;

/// Time by processor time from which on a block counts as interrupted, and what is always granted, per request.
const INTERRUPTED: f64 = 1.12;
const GRANTED: f64 = 1.5;
/// Rounds without an interruption that a figure needs; else all rounds are taken, and it is said.
const ENOUGH: f64 = 0.1;

/// One block of requests.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// What counts: processor time, or a median latency; µs a request.
    pub cost: f64,
    /// Time, µs a request; the cost again where an interruption cannot be seen by it.
    pub wall: f64,
    /// The part of the cost that is processor time of the server that Envoy asks.
    pub server: f64,
}

impl Block {
    /// Processor time, from the totals of `requests` requests.
    pub fn of(used: Used, requests: usize) -> Self {
        #[allow(clippy::cast_precision_loss)]
        let each = |time: Duration| time.as_secs_f64() * 1e6 / requests as f64;
        let Used { envoy, server, wall } = used;
        Self { cost: each(envoy + server), wall: each(wall), server: each(server) }
    }

    /// Processor time where Envoy waits now and then, so that time says nothing of interruptions.
    pub fn with_waits(used: Used, requests: usize) -> Self {
        let block = Self::of(used, requests);
        Self { wall: block.cost, ..block }
    }

    /// The median of latencies.
    pub fn latency(median: Duration) -> Self {
        let cost = median.as_secs_f64() * 1e6;
        Self { cost, wall: cost, server: 0.0 }
    }

    fn is_whole(self) -> bool {
        self.wall <= INTERRUPTED * self.cost + GRANTED
    }
}

/// A variant's figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Median of what it takes more than no filter, µs a request.
    pub over: f64,
    /// The part of it that is processor time of the server that Envoy asks.
    pub server: f64,
    /// Half of the differences lie between these.
    pub quartiles: (f64, f64),
    /// The median's own uncertainty: about 95 of 100 runs like this one lie within it.
    pub uncertainty: f64,
    /// Its total by that of no filter, a median.
    pub total_ratio: f64,
    /// Rounds that the figure rests on.
    pub rounds: usize,
    /// Whether interrupted blocks are among them, because there were too few others.
    pub rough: bool,
}

impl Figure {
    /// Compares two variants' blocks, round by round. `None` when there are no rounds.
    pub fn of(variant: &[Block], baseline: &[Block]) -> Option<Self> {
        let pairs: Vec<(Block, Block)> = variant.iter().copied().zip(baseline.iter().copied()).collect();
        let whole: Vec<_> = pairs.iter().copied().filter(|(one, other)| one.is_whole() && other.is_whole()).collect();
        #[allow(clippy::cast_precision_loss)]
        let rough = (whole.len() as f64) < ENOUGH * pairs.len() as f64;
        let taken = if rough { pairs } else { whole };
        let over = sorted(taken.iter().map(|(one, other)| one.cost - other.cost));
        let ratios = sorted(taken.iter().map(|(one, other)| one.cost / other.cost));
        let server = sorted(taken.iter().map(|(one, _)| one.server));
        let quartiles = (quantile(&over, 0.25)?, quantile(&over, 0.75)?);
        #[allow(clippy::cast_precision_loss)]
        // The notch of a box plot (McGill, Tukey and Larsen 1978).
        let uncertainty = 1.57 * (quartiles.1 - quartiles.0) / (over.len() as f64).sqrt();
        Some(Self {
            over: quantile(&over, 0.5)?,
            server: quantile(&server, 0.5)?,
            quartiles,
            uncertainty,
            total_ratio: quantile(&ratios, 0.5)?,
            rounds: over.len(),
            rough,
        })
    }

    /// For the JSON file.
    pub fn json(&self) -> Value {
        json!({
            "over_us": self.over,
            "server_us": self.server,
            "quartiles_us": [self.quartiles.0, self.quartiles.1],
            "uncertainty_us": self.uncertainty,
            "total_ratio": self.total_ratio,
            "rounds": self.rounds,
            "rough": self.rough,
        })
    }
}

/// Median of the cost of blocks that were not interrupted, or of all when each was.
pub fn total(blocks: &[Block]) -> Option<f64> {
    let whole = sorted(blocks.iter().filter(|block| block.is_whole()).map(|block| block.cost));
    quantile(&whole, 0.5).or_else(|| quantile(&sorted(blocks.iter().map(|block| block.cost)), 0.5))
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Interpolated between the two nearest; `None` when there are none.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    #[allow(clippy::cast_precision_loss)]
    let place = share * sorted.len().saturating_sub(1) as f64;
    // A count: it fits, and is not negative.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    let (low, high) = (sorted.get(below)?, sorted.get(above)?);
    Some(low + (high - low) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(cost: f64) -> Block {
        Block { cost, wall: cost, server: 0.0 }
    }

    #[test]
    fn a_drift_of_both_does_not_change_the_difference() {
        let baseline: Vec<_> = (0..100).map(|round| whole(40.0 + f64::from(round))).collect();
        let variant: Vec<_> = (0..100).map(|round| whole(50.0 + f64::from(round))).collect();
        let figure = Figure::of(&variant, &baseline).unwrap();
        assert!((figure.over - 10.0).abs() < 1e-9 && figure.uncertainty < 1e-9, "{figure:?}");
        assert_eq!((figure.rounds, figure.rough), (100, false));
    }

    #[test]
    fn an_interrupted_block_does_not_count() {
        let baseline = vec![whole(40.0); 5];
        let variant = [50.0, 50.0, 90.0, 90.0, 90.0];
        let variant: Vec<_> = variant
            .iter()
            .map(|cost| Block { wall: if *cost > 60.0 { 200.0 } else { *cost }, ..whole(*cost) })
            .collect();
        let figure = Figure::of(&variant, &baseline).unwrap();
        assert!((figure.over - 10.0).abs() < 1e-9 && (figure.total_ratio - 1.25).abs() < 1e-9, "{figure:?}");
        assert_eq!(figure.rounds, 2);
    }

    #[test]
    fn what_a_server_takes_is_part_of_the_cost() {
        let micros = Duration::from_micros;
        let used = Used { envoy: micros(1_000), server: micros(200), wall: micros(9_000) };
        let block = Block::with_waits(used, 10);
        assert_eq!((block.cost, block.server, block.is_whole()), (120.0, 20.0, true));
        assert!(!Block::of(used, 10).is_whole());
        let figure = Figure::of(&[block; 3], &[whole(40.0); 3]).unwrap();
        assert_eq!((figure.over, figure.server), (80.0, 20.0));
    }

    #[test]
    fn a_run_that_was_always_interrupted_says_so() {
        let interrupted = vec![Block { wall: 400.0, ..whole(40.0) }; 20];
        let figure = Figure::of(&interrupted, &interrupted).unwrap();
        assert!(figure.rough);
        assert_eq!(figure.rounds, 20);
        assert!(Figure::of(&[], &[]).is_none());
    }
}
