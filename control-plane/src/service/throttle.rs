//! Counts failed authentications by source address, and says when one has had too many.
//!
//! A token bucket for each source. Keys cannot be guessed (190 random bits), so the throttle is against the work and the noise of those
//! who try; a valid credential is therefore taken all the while, and nobody can lock out others who share an address. An
//! IPv6 source is its /64, which is what one customer has. Memory is bounded: when the table is full, sources whose
//! bucket has filled up again go first, then the ones that failed least recently.

use crate::domain::time::Time;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failures that a source may have in a row.
pub const BURST: u32 = 20;
/// How long it takes until one more is allowed.
pub const REFILL: Duration = Duration::from_secs(6);
/// The most sources that are remembered.
const CAPACITY: usize = 10_000;

/// Failures of one source: when its bucket will be full again.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    full_at: Time,
    failed_at: Time,
}

/// The failures of all sources.
#[derive(Debug, Default)]
pub struct Throttle {
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

impl Throttle {
    /// Counts a failure of `source`. `Err`: it had too many, and how long until it may have one more.
    pub fn fail(&self, source: IpAddr, now: Time) -> Result<(), Duration> {
        let source = network(source);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CAPACITY && !buckets.contains_key(&source) {
            make_room(&mut buckets, now);
        }
        let bucket = buckets.entry(source).or_insert(Bucket { full_at: now, failed_at: now });
        // The bucket is a time: each failure moves its being full one refill away.
        let full_at = bucket.full_at.max(now).after(REFILL);
        let latest = now.after(REFILL * BURST);
        bucket.failed_at = now;
        if full_at > latest {
            let wait = full_at.millis() - latest.millis();
            return Err(Duration::from_millis(wait.unsigned_abs()));
        }
        bucket.full_at = full_at;
        Ok(())
    }
}

fn make_room(buckets: &mut HashMap<IpAddr, Bucket>, now: Time) {
    buckets.retain(|_, bucket| bucket.full_at > now);
    if buckets.len() >= CAPACITY {
        // A tenth at once, so that a flood of sources does not search the whole table each time.
        let mut times: Vec<_> = buckets.values().map(|bucket| bucket.failed_at).collect();
        times.sort_unstable();
        let oldest = times.get(CAPACITY / 10).copied().unwrap_or(now);
        let mut left = CAPACITY / 10;
        buckets.retain(|_, bucket| {
            let goes = bucket.failed_at <= oldest && left > 0;
            left -= usize::from(goes);
            !goes
        });
    }
}

/// Who counts as one source.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Time {
        Time::from_millis(1_000_000 + millis)
    }

    fn source(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_has_a_burst_of_failures_and_then_one_for_each_refill() {
        let throttle = Throttle::default();
        for _ in 0..BURST {
            assert_eq!(throttle.fail(source("192.0.2.1"), at(0)), Ok(()));
        }
        assert_eq!(throttle.fail(source("192.0.2.1"), at(0)), Err(REFILL));
        assert_eq!(throttle.fail(source("192.0.2.2"), at(0)), Ok(()));
        assert_eq!(throttle.fail(source("192.0.2.1"), at(5_999)), Err(Duration::from_millis(1)));
        assert_eq!(throttle.fail(source("192.0.2.1"), at(6_000)), Ok(()));
        assert!(throttle.fail(source("192.0.2.1"), at(6_000)).is_err());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let throttle = Throttle::default();
        for host in 0..BURST {
            assert_eq!(throttle.fail(source(&format!("2001:db8::{host:x}")), at(0)), Ok(()));
        }
        assert!(throttle.fail(source("2001:db8::ffff"), at(0)).is_err());
        assert_eq!(throttle.fail(source("2001:db8:0:1::1"), at(0)), Ok(()));
    }

    #[test]
    fn invented_sources_take_a_bounded_amount_of_memory() {
        let throttle = Throttle::default();
        for number in 0..u32::try_from(CAPACITY).unwrap() + 5_000 {
            let _ = throttle.fail(IpAddr::V4(number.into()), at(i64::from(number) / 10));
        }
        assert!(throttle.buckets.lock().unwrap().len() <= CAPACITY);
    }
}
