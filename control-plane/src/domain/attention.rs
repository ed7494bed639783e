//! When something about an account's keys deserves a look: the bounds, in one place for lists, pages and texts.

use super::plan::Cap;
use super::time::DAY;
use std::time::Duration;

/// A key that was not used for so long may not be needed any more.
pub const UNUSED: Duration = days(30);
/// One that was not used for so long is most likely forgotten.
pub const LONG_UNUSED: Duration = days(90);
/// Whoever uses a key that ends within so long should be told.
pub const ENDING: Duration = days(30);
/// One that ends within so long is urgent.
pub const ENDING_SOON: Duration = days(7);

/// Fewer refusals in a day are noise.
const NOISE: u64 = 20;

const fn days(number: u64) -> Duration {
    Duration::from_secs(number * DAY.as_secs())
}

/// Whether the refusals of the last day stand out from those of the seven days before it: more than twice their average.
pub const fn is_rising(last_day: u64, week_before: u64) -> bool {
    last_day >= NOISE && last_day.saturating_mul(7) > week_before.saturating_mul(2)
}

/// Whether a project with so many keys has used most of what its plan allows: four fifths.
pub const fn is_near(cap: Cap, keys: u64) -> bool {
    match cap.number() {
        Some(most) => keys.saturating_mul(5) >= most as u64 * 4,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_rise_when_they_double_and_are_not_just_a_few() {
        assert!(is_rising(20, 0) && is_rising(21, 70) && !is_rising(20, 70));
        assert!(!is_rising(19, 0) && !is_rising(0, 0) && !is_rising(1_000, 7_000));
    }

    #[test]
    fn a_cap_is_near_from_four_fifths_on() {
        assert!(!is_near(Cap::Keys(2), 1) && is_near(Cap::Keys(2), 2));
        assert!(!is_near(Cap::Keys(10), 7) && is_near(Cap::Keys(10), 8));
        assert!(is_near(Cap::Keys(0), 0) && !is_near(Cap::Unlimited, u64::MAX));
    }
}
