//! When an issuer's keys are read again. Pure: it decides, [`super::issuer`] does.
//!
//! - Keys are fresh as long as the issuer's `Cache-Control: max-age` says, within bounds; then they are read again.
//! - If that fails they serve on for a day, so that an issuer that is down locks nobody out; they are tried again meanwhile, and no
//!   request waits for it.
//! - An unknown key id means that keys were rotated, or that somebody plays: it leads to one reading in [`REFRESH_INTERVAL`] at
//!   most, however many such tokens come.

use super::error::JwtError;
use super::keys::{KeySet, Lookup};
use super::settings::Algorithm;
use crate::domain::time::Time;
use jsonwebtoken::DecodingKey;
use std::sync::Arc;
use std::time::Duration;

/// The least time between two readings while there are keys.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(30);
/// The least time between two readings while there are none.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// How long keys are fresh when the issuer does not say.
const DEFAULT_AGE: Duration = Duration::from_mins(10);
/// The least and the most that an issuer may ask for.
const AGE_BOUNDS: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(24));
/// How long keys that are no longer fresh serve on while they cannot be read.
const MAX_STALE: Duration = Duration::from_hours(24);

/// An issuer's keys and the times of their reading.
#[derive(Debug, Default)]
pub struct Cache {
    held: Option<Held>,
    last_attempt: Option<Time>,
    failed: bool,
}

#[derive(Debug)]
struct Held {
    keys: Arc<KeySet>,
    fresh_until: Time,
    usable_until: Time,
}

/// What to do for a token.
#[derive(Debug)]
pub enum Plan {
    /// Verify with this key.
    Use(DecodingKey),
    /// Verify with this key, and read the keys anew without waiting.
    UseAndRefresh(DecodingKey),
    /// Read the keys, then ask again.
    Refresh,
    /// Refuse.
    Refuse(JwtError),
}

impl Cache {
    /// What to do for a token with this `kid` and `alg`.
    pub fn plan(&self, id: Option<&str>, algorithm: Algorithm, now: Time) -> Plan {
        let Some(held) = self.held.as_ref().filter(|held| now < held.usable_until) else {
            return if self.rested(RETRY_INTERVAL, now) {
                Plan::Refresh
            } else {
                Plan::Refuse(JwtError::KeysUnavailable)
            };
        };
        let rested = self.rested(REFRESH_INTERVAL, now);
        match held.keys.find(id, algorithm) {
            Lookup::Found(key) if now < held.fresh_until || !rested => Plan::Use(key),
            Lookup::Found(key) if self.failed => Plan::UseAndRefresh(key),
            Lookup::Unknown if !rested => Plan::Refuse(JwtError::UnknownKey),
            Lookup::Found(_) | Lookup::Unknown => Plan::Refresh,
            Lookup::Unfit => Plan::Refuse(JwtError::KeyMismatch),
        }
    }

    /// A reading begins.
    pub fn begin(&mut self, now: Time) {
        self.last_attempt = Some(now);
        // Until it ends well: so a reading that never comes back leaves the old keys in use.
        self.failed = true;
    }

    /// The reading that began at `began` brought keys; `max_age` is what the issuer said.
    pub fn succeed(&mut self, keys: KeySet, max_age: Option<Duration>, began: Time) {
        let age = max_age.unwrap_or(DEFAULT_AGE).clamp(AGE_BOUNDS.0, AGE_BOUNDS.1);
        let fresh_until = after(began, age);
        self.held = Some(Held { keys: Arc::new(keys), fresh_until, usable_until: after(fresh_until, MAX_STALE) });
        self.failed = false;
    }

    /// Whether the last attempt is far enough away, in either direction: a clock that was set back must not stop readings.
    fn rested(&self, interval: Duration, now: Time) -> bool {
        self.last_attempt.is_none_or(|last| u128::from(now.millis().abs_diff(last.millis())) >= interval.as_millis())
    }
}

fn after(time: Time, duration: Duration) -> Time {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Time::from_millis(time.millis().saturating_add(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::keys::tests::set;

    const DAY: i64 = 24 * 60 * 60;

    fn at(seconds: i64) -> Time {
        Time::from_millis((1_800_000_000 + seconds) * 1000)
    }

    fn plan(cache: &Cache, id: &str, seconds: i64) -> &'static str {
        match cache.plan(Some(id), Algorithm::EdDsa, at(seconds)) {
            Plan::Use(_) => "use",
            Plan::UseAndRefresh(_) => "use and refresh",
            Plan::Refresh => "refresh",
            Plan::Refuse(error) => error.reason(),
        }
    }

    fn filled(max_age: Option<u64>) -> Cache {
        let mut cache = Cache::default();
        cache.begin(at(0));
        cache.succeed(set("k"), max_age.map(Duration::from_secs), at(0));
        cache
    }

    #[test]
    fn keys_are_read_again_when_they_are_no_longer_fresh() {
        for (max_age, fresh) in [(None, 600), (Some(3600), 3600), (Some(0), 60), (Some(u64::MAX), DAY)] {
            let cache = filled(max_age);
            assert_eq!(plan(&cache, "k", fresh - 1), "use", "{max_age:?}");
            assert_eq!(plan(&cache, "k", fresh), "refresh", "{max_age:?}");
        }
    }

    #[test]
    fn while_the_issuer_is_down_known_keys_serve_on_for_a_day() {
        let mut cache = filled(None);
        cache.begin(at(600));
        assert_eq!(plan(&cache, "k", 600), "use");
        assert_eq!(plan(&cache, "k", 629), "use");
        assert_eq!(plan(&cache, "k", 630), "use and refresh");
        assert_eq!(plan(&cache, "k", 600 + DAY - 1), "use and refresh");
        assert_eq!(plan(&cache, "k", 600 + DAY), "refresh");
        cache.begin(at(600 + DAY));
        assert_eq!(plan(&cache, "k", 600 + DAY), "keys_unavailable");
        assert_eq!(plan(&cache, "k", 600 + DAY + 5), "refresh");
    }

    #[test]
    fn unknown_key_ids_lead_to_one_reading_in_an_interval() {
        let mut cache = filled(None);
        assert_eq!(plan(&cache, "x", 29), "unknown_key");
        assert_eq!(plan(&cache, "x", 30), "refresh");
        cache.begin(at(30));
        assert_eq!(plan(&cache, "x", 30), "unknown_key");
        cache.succeed(set("x"), None, at(30));
        assert_eq!(plan(&cache, "x", 31), "use");
        assert_eq!(plan(&cache, "k", 31), "unknown_key");
    }

    #[test]
    fn an_issuer_that_was_never_reached_is_tried_again_soon_but_not_always() {
        let mut cache = Cache::default();
        assert_eq!(plan(&cache, "k", 0), "refresh");
        cache.begin(at(0));
        assert_eq!(plan(&cache, "k", 4), "keys_unavailable");
        assert_eq!(plan(&cache, "k", 5), "refresh");
        assert_eq!(plan(&cache, "k", -5), "refresh");
    }
}
