//! Counts invalid credentials by source address, and says when a source had too many.
//!
//! Keys cannot be guessed (190 random bits), so this is against the work and the noise of those who try. A valid key of the same source always passes, so
//! nobody can lock out others who share an address (a NAT, a company's proxy); that is why a caller only reaches this with a credential that is refused anyway.
//!
//! A token bucket for each source (the virtual scheduling of ITU-T I.371, GCRA): at most `failures` in a row, and over time as many as `failures` in `seconds`.
//! Memory is bounded: [`SOURCES`] buckets in sets of [`WAYS`]. A new source takes the place of the least guilty one of its set, so a flood of addresses
//! lets go those that did least. The set is chosen by a hash with a seed of the worker's, so that nobody can aim at one.

use crate::config::{ConfigError, in_range};
use serde::Deserialize;
use std::net::Ipv6Addr;

/// The most sources that one worker remembers.
pub const SOURCES: usize = SETS * WAYS;
const SETS: usize = 1 << SET_BITS;
const SET_BITS: u32 = 10;
/// Places of a set.
pub const WAYS: usize = 4;
/// All whose address the proxy does not know, together. No address has this prefix (it would be multicast).
const UNKNOWN: u64 = u64::MAX;

/// How many invalid credentials a source may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limit {
    /// Invalid credentials in a row, and in `seconds`, at most 65536. 0: no limit.
    pub failures: u32,
    /// How long it takes until as many are allowed again, 1 to 3600.
    pub seconds: u32,
}

impl Default for Limit {
    fn default() -> Self {
        Self { failures: 100, seconds: 60 }
    }
}

impl Limit {
    /// Refuses what is out of range.
    pub fn check(self) -> Result<(), ConfigError> {
        in_range("guessing.failures", self.failures, 0, 65_536)?;
        in_range("guessing.seconds", self.seconds, 1, 3_600)
    }

    /// When a source that is above the limit may have one more, in whole seconds: what `Retry-After` says.
    #[must_use]
    pub const fn retry_after_seconds(self) -> u32 {
        match self.seconds.checked_div(self.failures) {
            None | Some(0) => 1,
            Some(_) => self.seconds.div_ceil(self.failures),
        }
    }

    /// A time as buckets have it: in milliseconds times `failures`, so that a failure takes a whole number.
    fn scaled(self, milliseconds: u64) -> u64 {
        milliseconds.saturating_mul(u64::from(self.failures))
    }

    /// When a bucket that is empty now is full again.
    fn full_after_all(self, now: u64) -> u64 {
        self.scaled(now.saturating_add(u64::from(self.seconds) * 1_000))
    }

    /// When a bucket is full again if one failure more is taken out of it; `None` if it is empty.
    fn full_after_one(self, full_at: u64, now: u64) -> Option<u64> {
        let full_at = full_at.max(self.scaled(now)).saturating_add(u64::from(self.seconds) * 1_000);
        (full_at <= self.full_after_all(now)).then_some(full_at)
    }
}

/// The bucket of one source, as the time when it will be full again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    source: u64,
    /// As [`Limit::scaled`] has it.
    full_at: u64,
}

const FREE: Bucket = Bucket { source: 0, full_at: 0 };

/// Failures by source.
#[derive(Debug)]
pub struct Guessing {
    limit: Limit,
    seed: u64,
    /// Empty until the first failure.
    sets: Vec<[Bucket; WAYS]>,
}

impl Guessing {
    /// Nobody has failed yet. `seed` comes from the host's random source.
    #[must_use]
    pub const fn new(limit: Limit, seed: u64) -> Self {
        Self { limit, seed: seed | 1, sets: Vec::new() }
    }

    /// The limit.
    #[must_use]
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// Whether anything is limited: without a limit nobody need ask for the address.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.limit.failures > 0
    }

    /// Whether one more failure of `source` would be too many. `None` for an address that the proxy does not know. `now` in milliseconds.
    #[must_use]
    pub fn is_over(&self, source: Option<Ipv6Addr>, now: u64) -> bool {
        let source = network(source);
        let set = self.sets.get(self.set_of(source));
        let bucket = set.and_then(|set| set.iter().find(|bucket| bucket.source == source));
        self.is_on() && bucket.is_some_and(|bucket| self.limit.full_after_one(bucket.full_at, now).is_none())
    }

    /// Counts a failure of `source`. `true`: it had too many.
    pub fn fail(&mut self, source: Option<Ipv6Addr>, now: u64) -> bool {
        if !self.is_on() {
            return false;
        }
        if self.sets.is_empty() {
            self.sets = vec![[FREE; WAYS]; SETS];
        }
        let source = network(source);
        let (at, limit) = (self.set_of(source), self.limit);
        let Some(set) = self.sets.get_mut(at) else { return false };
        let known = set.iter().position(|bucket| bucket.source == source);
        let place = known.or_else(|| (0..WAYS).min_by_key(|at| set.get(*at).map(|bucket| bucket.full_at)));
        let Some(bucket) = place.and_then(|place| set.get_mut(place)) else { return false };
        if known.is_none() {
            *bucket = Bucket { source, full_at: 0 };
        }
        // After the clock was set back the bucket would stay empty for as long.
        bucket.full_at = bucket.full_at.min(limit.full_after_all(now));
        let Some(full_at) = limit.full_after_one(bucket.full_at, now) else { return true };
        bucket.full_at = full_at;
        false
    }

    fn set_of(&self, source: u64) -> usize {
        let mixed = (source ^ (source >> 32)).wrapping_mul(self.seed);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        usize::try_from(mixed >> (u64::BITS - SET_BITS)).unwrap_or(0)
    }
}

/// Who counts as one source: an IPv4 address, or an IPv6 /64, which is what one customer has.
#[must_use]
pub fn network(source: Option<Ipv6Addr>) -> u64 {
    let Some(source) = source else { return UNKNOWN };
    match source.to_ipv4_mapped() {
        // As a /64 this would lie in ::/8, which nobody has.
        Some(address) => 0xffff_0000_0000 | u64::from(address.to_bits()),
        None => u64::try_from(source.to_bits() >> 64).unwrap_or(UNKNOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, VecDeque};

    const NOW: u64 = 1_700_000_000_000;

    fn guessing(failures: u32, seconds: u32) -> Guessing {
        Guessing::new(Limit { failures, seconds }, 0x1234_5678_9abc_def1)
    }

    fn source(text: &str) -> Option<Ipv6Addr> {
        text.parse().ok()
    }

    /// Failures that count until the source is over its limit.
    fn allowed(guessing: &mut Guessing, source: Option<Ipv6Addr>, now: u64) -> usize {
        (0..100_000).take_while(|_| !guessing.fail(source, now)).count()
    }

    #[test]
    fn as_many_as_the_limit_in_a_row_and_then_at_its_rate() {
        let mut guessing = guessing(100, 60);
        let me = source("::ffff:192.0.2.1");
        assert!(!guessing.is_over(me, NOW));
        assert_eq!(allowed(&mut guessing, me, NOW), 100);
        assert!(guessing.is_over(me, NOW));
        assert_eq!(allowed(&mut guessing, me, NOW + 599), 0);
        assert_eq!(allowed(&mut guessing, me, NOW + 600), 1);
        assert_eq!(allowed(&mut guessing, me, NOW + 30_000), 49);
        assert_eq!(allowed(&mut guessing, me, NOW + 3_600_000), 100);
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_network() {
        let mut guessing = guessing(3, 60);
        assert_eq!(allowed(&mut guessing, source("2001:db8:1:2::1"), NOW), 3);
        assert!(guessing.is_over(source("2001:db8:1:2:ffff::9"), NOW));
        for other in ["2001:db8:1:3::1", "::ffff:192.0.2.1", "::ffff:192.0.2.2", "::1"] {
            assert_eq!(allowed(&mut guessing, source(other), NOW), 3, "{other}");
        }
        // All whose address is unknown are one.
        assert_eq!(allowed(&mut guessing, None, NOW), 3);
        assert!(guessing.is_over(None, NOW));
    }

    #[test]
    fn without_a_limit_nobody_is_over_it() {
        let mut guessing = guessing(0, 60);
        assert!(!guessing.is_on());
        assert_eq!(allowed(&mut guessing, None, NOW), 100_000);
        assert!(!guessing.is_over(None, NOW) && guessing.sets.is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_throttle_for_long() {
        let mut guessing = guessing(10, 60);
        let me = source("::ffff:192.0.2.1");
        assert_eq!(allowed(&mut guessing, me, NOW), 10);
        let earlier = NOW - 86_400_000;
        assert_eq!(allowed(&mut guessing, me, earlier), 0);
        assert_eq!(allowed(&mut guessing, me, earlier + 60_000), 10);
    }

    #[test]
    fn retry_after_is_when_one_more_is_allowed() {
        for (failures, seconds, expected) in [(100, 60, 1), (0, 60, 1), (60, 60, 1), (7, 60, 9), (1, 3_600, 3_600)] {
            assert_eq!(Limit { failures, seconds }.retry_after_seconds(), expected);
        }
    }

    #[test]
    fn a_flood_of_addresses_takes_no_more_memory_and_frees_no_guilty_one() {
        let mut guessing = guessing(100, 60);
        let guilty: Vec<_> = (1..=200_u32).map(|n| source(&format!("2001:db8:{n:x}::"))).collect();
        for source in &guilty {
            assert_eq!(allowed(&mut guessing, *source, NOW), 100);
        }
        // Each of a million addresses fails once.
        for n in 0..1_000_000_u64 {
            let address = Ipv6Addr::from_bits(u128::from(0x2002_0000_0000_0000 + n) << 64);
            guessing.fail(Some(address), NOW + n / 1_000);
        }
        assert_eq!(guessing.sets.len() * WAYS, SOURCES);
        assert_eq!(size_of::<Bucket>() * SOURCES, 64 * 1024);
        let still = guilty.iter().filter(|source| guessing.is_over(**source, NOW + 1)).count();
        // Only where five or more of the guilty share a set is one of them forgotten.
        assert!(still >= 199, "{still}");
    }

    /// Failures of a few sources: which one, and how long after the one before.
    fn history() -> impl Strategy<Value = Vec<(u8, u64)>> {
        proptest::collection::vec((0_u8..3, prop_oneof![Just(0), 0_u64..50, 0_u64..4_000]), 1..400)
    }

    proptest! {
        /// Nobody below the limit is throttled, and nobody gets more through than the limit and its rate allow.
        #[test]
        fn the_limit_is_kept_from_both_sides(history in history(), failures in 1_u32..20, seconds in 1_u32..5) {
            let mut guessing = guessing(failures, seconds);
            let window = u64::from(seconds) * 1_000;
            let (mut tried, mut passed) = (HashMap::<_, VecDeque<u64>>::new(), HashMap::<_, Vec<u64>>::new());
            let mut now = NOW;
            for (who, pause) in history {
                now += pause;
                let recent = tried.entry(who).or_default();
                recent.retain(|at| now - at < window);
                recent.push_back(now);
                let below = recent.len() <= failures as usize;
                let address = Some(Ipv6Addr::new(0x2001, 0xdb8, 0, u16::from(who), 0, 0, 0, 1));
                let over = guessing.is_over(address, now);
                prop_assert_eq!(guessing.fail(address, now), over);
                prop_assert!(!(over && below), "throttled below the limit");
                if !over {
                    passed.entry(who).or_default().push(now);
                }
            }
            for times in passed.values() {
                for (at, from) in times.iter().enumerate() {
                    for (count, until) in times[at..].iter().enumerate() {
                        let bound = u64::from(failures) * (window + until - from) / window;
                        prop_assert!((count as u64) < bound.max(1), "{} passed in {} ms", count + 1, until - from);
                    }
                }
            }
        }

        #[test]
        fn no_input_makes_it_panic(failures: u32, seconds: u32, sources: Vec<Option<[u8; 16]>>, times: Vec<u64>) {
            let mut guessing = guessing(failures, seconds);
            for (source, now) in sources.into_iter().zip(times) {
                let source = source.map(Ipv6Addr::from);
                let over = guessing.is_over(source, now);
                prop_assert!(guessing.fail(source, now) || !over);
            }
        }
    }
}
