//! How old the table may become before the operator's choice applies.
//!
//! The age is the time since the table was last known to be at the control plane's revision. No request reads a clock for it: whoever owns the table lets
//! [`Age::observe`] see the time at each tick and each answered poll, and a request only looks at what came of it. So a table counts as too old at most a
//! tick late, and as fresh again at once.

use crate::config::ConfigError;
use serde::Deserialize;

/// What a poll may take beyond the wait that it asked for; a healthy table can be as old as both together.
const GRACE_SECONDS: u32 = 5;
/// The most that may be chosen: a year.
const MAX_SECONDS: u32 = 366 * 24 * 3_600;

/// What becomes of a request whose key would be decided by a table that is too old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenStale {
    /// It is answered 503.
    Deny,
    /// It is decided by the table that is there.
    Serve,
}

/// The operator's choice. Without it a table serves for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staleness {
    /// From this age on the table is too old, in seconds.
    pub max_seconds: u32,
    /// What happens then, where no rule says otherwise.
    #[serde(default = "deny")]
    pub then: WhenStale,
}

const fn deny() -> WhenStale {
    WhenStale::Deny
}

impl Staleness {
    /// Refuses a bound that a healthy table would pass: a poll may wait so long for news.
    pub fn check(self, wait_seconds: u32) -> Result<(), ConfigError> {
        let least = wait_seconds + GRACE_SECONDS + 1;
        if (least..=MAX_SECONDS).contains(&self.max_seconds) {
            return Ok(());
        }
        let message = format!(
            "{} is out of range; it must be {least} to {MAX_SECONDS}: a poll may wait {wait_seconds} s for news \
             (`control_plane.wait_seconds`) and take {GRACE_SECONDS} s more, and a table without news is not old",
            self.max_seconds
        );
        Err(ConfigError::new("staleness.max_seconds", message))
    }

    /// The greatest age that still counts as fresh, in milliseconds.
    #[must_use]
    pub fn max_milliseconds(self) -> u64 {
        u64::from(self.max_seconds) * 1_000
    }
}

/// The age of a table, in the host's time. The host's clock may be set back: the age then stays what it was and grows on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Age {
    fresh_at: Option<u64>,
    seen: u64,
}

impl Age {
    /// Lets time pass. `now` in milliseconds.
    pub fn observe(&mut self, now: u64) {
        if let Some(fresh_at) = &mut self.fresh_at {
            *fresh_at = fresh_at.saturating_sub(self.seen.saturating_sub(now));
        }
        self.seen = now;
    }

    /// The table is known to be at the control plane's revision.
    pub fn refresh(&mut self, now: u64) {
        *self = Self { fresh_at: Some(now), seen: now };
    }

    /// When the table was fresh, by the host's clock as it is set now.
    #[must_use]
    pub const fn fresh_at(&self) -> Option<u64> {
        self.fresh_at
    }

    /// The age as of the last observation, in milliseconds; `None` while there is no table.
    #[must_use]
    pub fn milliseconds(&self) -> Option<u64> {
        self.fresh_at.map(|fresh_at| self.seen.saturating_sub(fresh_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bound_that_a_healthy_table_would_pass_is_refused() {
        let check = |max_seconds, wait| Staleness { max_seconds, then: WhenStale::Deny }.check(wait);
        assert!(check(31, 25).is_ok() && check(7, 1).is_ok() && check(MAX_SECONDS, 55).is_ok());
        let error = check(30, 25).unwrap_err().to_string();
        assert!(error.contains("`staleness.max_seconds`: 30 is out of range; it must be 31 to"), "{error}");
        assert!(error.contains("a poll may wait 25 s for news"), "{error}");
        assert!(check(0, 1).is_err() && check(MAX_SECONDS + 1, 25).is_err());
    }

    #[test]
    fn the_age_grows_until_the_table_is_fresh_again() {
        let mut age = Age::default();
        age.observe(5_000);
        assert_eq!(age.milliseconds(), None);
        age.refresh(6_000);
        age.observe(9_500);
        assert_eq!(age.milliseconds(), Some(3_500));
        age.refresh(9_600);
        assert_eq!(age.milliseconds(), Some(0));
    }

    proptest! {
        /// Whatever jumps the clock makes backwards, the age is the time that passed forwards.
        #[test]
        fn a_clock_that_is_set_back_makes_no_table_young(steps in proptest::collection::vec((any::<bool>(), 0_u64..10_000), 0..50)) {
            let mut age = Age::default();
            let (mut now, mut passed) = (1_000_000_u64, 0);
            age.refresh(now);
            for (back, step) in steps {
                if back { now -= step } else { (now, passed) = (now + step, passed + step) }
                age.observe(now);
                prop_assert_eq!(age.milliseconds(), Some(passed));
            }
        }
    }
}
