//! Loads: open (requests come when they come, however slow the answers) and closed (each client asks again when answered).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Latencies of one kind of request.
#[derive(Debug, Clone, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Sorts what was measured.
    pub fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self(latencies)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest that at least `share` (0 to 1) of all do not exceed; nothing when there is none.
    pub fn quantile(&self, share: f64) -> Duration {
        // A count: it fits, and is not negative.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.saturating_sub(1)).or(self.0.last()).copied().unwrap_or_default()
    }
}

/// Small, fast and the same in each run (`SplitMix64`): a load must be repeatable, not secret.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `choices`, which are not empty.
    pub fn pick<'a>(&mut self, choices: &'a [String]) -> &'a str {
        let place = self.roll() % choices.len() as u64;
        &choices[usize::try_from(place).unwrap_or_default()]
    }

    /// Between 0 (never) and 1.
    fn fraction(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let high = (self.roll() >> 11) as f64;
        (high + 1.0) / 2_f64.powi(53)
    }

    /// The times of a Poisson process: `rate` a second on average, for `length`. Callers who know nothing of one another come
    /// like this, sometimes several at once.
    pub fn arrivals(&mut self, rate: f64, length: Duration) -> Vec<Duration> {
        let (mut at, mut times) = (0.0, Vec::new());
        loop {
            at -= self.fraction().ln() / rate;
            if at >= length.as_secs_f64() {
                return times;
            }
            times.push(Duration::from_secs_f64(at));
        }
    }
}

/// Sends one request at each of `times`, and gives how long each took **from the time at which it was due**: a server that
/// stalls is charged for all who came meanwhile. `send` gets the request's number.
///
/// # Errors
/// When a request fails: a benchmark of refusals would mean nothing.
pub fn open(times: &[Duration], clients: usize, send: impl Fn(usize) -> Result<()> + Sync) -> Result<Vec<Duration>> {
    let next = AtomicUsize::new(0);
    let start = Instant::now() + Duration::from_millis(50);
    let measured: Vec<Result<Vec<(usize, Duration)>>> = std::thread::scope(|scope| {
        let client = || {
            let mut taken = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(due) = times.get(number).map(|time| start + *time) else { return Ok(taken) };
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if let Err(error) = send(number) {
                    // The others end soon, too.
                    next.store(times.len(), Ordering::Relaxed);
                    return Err(error);
                }
                taken.push((number, due.elapsed()));
            }
        };
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(join).collect()
    });
    let mut latencies = vec![Duration::ZERO; times.len()];
    for taken in measured {
        for (number, latency) in taken? {
            latencies[number] = latency;
        }
    }
    Ok(latencies)
}

/// Lets `clients` send one request after the other for `length`. Gives the latencies, and how long it took.
///
/// # Errors
/// When a request fails.
pub fn closed(
    length: Duration,
    clients: usize,
    send: impl Fn(usize) -> Result<()> + Sync,
) -> Result<(Vec<Duration>, Duration)> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let start = Instant::now();
    let measured: Vec<Result<Vec<Duration>>> = std::thread::scope(|scope| {
        let client = || {
            let mut taken = Vec::new();
            while start.elapsed() < length && !failed.load(Ordering::Relaxed) {
                let began = Instant::now();
                let result = send(next.fetch_add(1, Ordering::Relaxed));
                failed.fetch_or(result.is_err(), Ordering::Relaxed);
                result?;
                taken.push(began.elapsed());
            }
            Ok(taken)
        };
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        clients.into_iter().map(join).collect()
    });
    let took = start.elapsed();
    let mut latencies = Vec::new();
    for taken in measured {
        latencies.extend(taken?);
    }
    Ok((latencies, took))
}

fn join<T>(client: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    match client.join() {
        Ok(result) => result,
        Err(_) => bail!("a client of the load panicked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let latencies = Latencies::of((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(latencies.quantile(0.5), Duration::from_millis(100));
        assert_eq!(latencies.quantile(0.99), Duration::from_millis(198));
        assert_eq!(latencies.quantile(1.0), Duration::from_millis(200));
        assert_eq!(latencies.quantile(0.0), Duration::from_millis(1));
        assert_eq!(Latencies::default().quantile(0.5), Duration::ZERO);
    }

    #[test]
    fn arrivals_come_at_their_rate_and_the_same_in_each_run() {
        let times = Dice::new(7).arrivals(200.0, Duration::from_secs(100));
        assert!((19_000..21_000).contains(&times.len()), "{}", times.len());
        assert!(times.is_sorted());
        assert_eq!(times, Dice::new(7).arrivals(200.0, Duration::from_secs(100)));
    }

    #[test]
    fn a_stall_is_charged_to_all_who_came_meanwhile() {
        let times: Vec<_> = (0..10).map(Duration::from_millis).collect();
        let stall = Duration::from_millis(200);
        let send = |number| {
            if number == 0 {
                std::thread::sleep(stall);
            }
            Ok(())
        };
        let latencies = open(&times, 1, send).unwrap();
        assert!(latencies.iter().all(|latency| *latency > stall / 2), "{latencies:?}");
    }

    #[test]
    fn a_request_that_fails_fails_the_load() {
        let times = vec![Duration::ZERO; 100];
        let send = |number| if number == 50 { bail!("refused") } else { Ok(()) };
        assert!(open(&times, 4, send).is_err());
        assert!(closed(Duration::from_secs(5), 4, send).is_err());
    }
}
