//! When a call is sent again, and after how long. Pure: the clock and the random bytes are arguments.
//!
//! The delay is "full jitter": anything between nothing and a bound that doubles, so that clients which failed together do
//! not come back together (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
//! A `Retry-After` is a floor under it: the server knows better, but its callers still must not come back as one.

use jiff::Timestamp;
use std::time::Duration;

/// How often, and how long after one another, a call that failed for a passing reason is sent again.
///
/// A call is sent again after 429, 502, 503 and 504, and after a fault of the connection. Calls that create something carry an
/// `Idempotency-Key`, by which the server knows them again and does nothing twice. Calls that change something are sent
/// again only where it is certain that nothing happened: after 429, and when no connection was made.
///
/// ```
/// use keyplane_sdk::{Client, RetryPolicy};
/// use std::time::Duration;
///
/// let builder = Client::builder().retry(RetryPolicy::default().max_retries(5).longest_delay(Duration::from_secs(10)));
/// # let _ = builder;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryPolicy {
    max_retries: u32,
    first_delay: Duration,
    longest_delay: Duration,
    longest_retry_after: Duration,
}

impl Default for RetryPolicy {
    /// 3 retries; delays up to 200 ms, then 400 ms, then 800 ms, never above 5 s; a `Retry-After` of up to 60 s is waited for.
    fn default() -> Self {
        Self {
            max_retries: 3,
            first_delay: Duration::from_millis(200),
            longest_delay: Duration::from_secs(5),
            longest_retry_after: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// Every call is sent once.
    #[must_use]
    pub fn never() -> Self {
        Self::default().max_retries(0)
    }

    /// How often a call is sent again, besides the first time.
    #[must_use]
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// The bound of the delay before the first retry; it doubles with each further one.
    #[must_use]
    pub fn first_delay(mut self, delay: Duration) -> Self {
        self.first_delay = delay;
        self
    }

    /// The bound that doubling does not pass.
    #[must_use]
    pub fn longest_delay(mut self, delay: Duration) -> Self {
        self.longest_delay = delay;
        self
    }

    /// The longest `Retry-After` that is waited for. A longer one ends the call, with
    /// [`ApiError::retry_after`](crate::ApiError::retry_after) saying how long.
    #[must_use]
    pub fn longest_retry_after(mut self, wait: Duration) -> Self {
        self.longest_retry_after = wait;
        self
    }

    /// How long to wait before retry number `retry` (from 0); `None` when the call has failed for good.
    pub(crate) fn delay(
        &self,
        retry: u32,
        repeat: Repeat,
        fault: Fault,
        retry_after: Option<Duration>,
        random: Option<[u8; 16]>,
    ) -> Option<Duration> {
        let floor = retry_after.unwrap_or_default();
        if retry >= self.max_retries || !fault.passes(repeat) || floor > self.longest_retry_after {
            return None;
        }
        let doubled = self.first_delay.saturating_mul(1_u32.checked_shl(retry).unwrap_or(u32::MAX));
        Some(floor.saturating_add(fraction(doubled.min(self.longest_delay), random)))
    }
}

/// Between nothing and `bound`, evenly. Without random bytes, the bound: later is the harmless side.
fn fraction(bound: Duration, random: Option<[u8; 16]>) -> Duration {
    let Some([a, b, c, d, ..]) = random else { return bound };
    // In 128 bits nothing overflows: the longest duration takes 94 of them.
    let nanos = bound.as_nanos() * u128::from(u32::from_be_bytes([a, b, c, d])) / u128::from(u32::MAX);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Whether sending a call twice does no harm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Repeat {
    /// Reading, revoking, and what the server knows again: twice is as good as once.
    Harmless,
    /// Only when it is certain that the first one did nothing.
    OnlyIfNothingHappened,
}

/// How a call failed, as far as sending it again is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// An answer with this status.
    Status(u16),
    /// No connection: nothing was sent.
    NotSent,
    /// The connection failed, or time ran out, with the request under way: the server may have acted on it.
    Interrupted,
}

impl Fault {
    /// Whether the server, or one behind it, may have acted on the call all the same.
    pub(crate) fn may_have_acted(self) -> bool {
        matches!(self, Self::Interrupted | Self::Status(502..=504))
    }

    /// Whether it is worth and allowed to try again.
    fn passes(self, repeat: Repeat) -> bool {
        match self {
            // 429 is a refusal before anything was done.
            Self::NotSent | Self::Status(429) => true,
            Self::Interrupted | Self::Status(502..=504) => repeat == Repeat::Harmless,
            Self::Status(_) => false,
        }
    }
}

/// The value of a `Retry-After` header (RFC 9110, section 10.2.3): seconds, or a date. What it cannot read is `None`.
pub(crate) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    // A date that has passed means now.
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEAST: Option<[u8; 16]> = Some([0; 16]);
    const MOST: Option<[u8; 16]> = Some([0xff; 16]);

    fn millis(retry: u32, random: Option<[u8; 16]>) -> Option<u128> {
        RetryPolicy::default()
            .max_retries(10)
            .delay(retry, Repeat::Harmless, Fault::Status(503), None, random)
            .map(|delay| delay.as_millis())
    }

    #[test]
    fn the_delay_is_anything_between_nothing_and_a_bound_that_doubles_up_to_a_limit() {
        assert_eq!([millis(0, LEAST), millis(7, LEAST)], [Some(0), Some(0)]);
        assert_eq!([millis(0, MOST), millis(1, MOST), millis(4, MOST)], [Some(200), Some(400), Some(3200)]);
        assert_eq!([millis(5, MOST), millis(9, MOST), millis(10, MOST)], [Some(5000), Some(5000), None]);
        assert_eq!(millis(0, None), Some(200));
    }

    #[test]
    fn a_call_that_changes_something_is_sent_again_only_if_nothing_happened() {
        let again = |repeat, fault| RetryPolicy::default().delay(0, repeat, fault, None, LEAST).is_some();
        for fault in [Fault::NotSent, Fault::Status(429)] {
            assert!(again(Repeat::Harmless, fault) && again(Repeat::OnlyIfNothingHappened, fault), "{fault:?}");
        }
        for fault in [Fault::Interrupted, Fault::Status(502), Fault::Status(503), Fault::Status(504)] {
            assert!(again(Repeat::Harmless, fault) && !again(Repeat::OnlyIfNothingHappened, fault), "{fault:?}");
        }
        for fault in [400, 401, 403, 404, 409, 422, 500, 501, 301].map(Fault::Status) {
            assert!(!again(Repeat::Harmless, fault), "{fault:?}");
        }
    }

    #[test]
    fn retry_after_is_a_floor_and_too_long_a_one_ends_the_call() {
        let policy = RetryPolicy::default();
        let delay =
            |after| policy.delay(0, Repeat::Harmless, Fault::Status(429), Some(Duration::from_secs(after)), MOST);
        assert_eq!(delay(2), Some(Duration::from_millis(2200)));
        assert_eq!(delay(60), Some(Duration::from_millis(60_200)));
        assert_eq!(delay(61), None);
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now: Timestamp = "1994-11-06T08:49:07Z".parse().unwrap();
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        for unreadable in ["", "-1", "soon", "1.5", "99999999999999999999999"] {
            assert_eq!(retry_after(unreadable, now), None, "{unreadable}");
        }
    }

    proptest! {
        #[test]
        fn no_setting_and_no_answer_makes_the_delay_panic(
            retry: u32,
            first: u64,
            longest: u64,
            after: u64,
            random: [u8; 16],
        ) {
            let policy = RetryPolicy::default()
                .max_retries(u32::MAX)
                .first_delay(Duration::from_secs(first))
                .longest_delay(Duration::from_secs(longest))
                .longest_retry_after(Duration::MAX);
            let after = Some(Duration::from_secs(after));
            let _ = policy.delay(retry, Repeat::Harmless, Fault::Status(429), after, Some(random));
        }

        #[test]
        fn no_header_makes_the_parser_panic(value: String) {
            let _ = retry_after(&value, Timestamp::UNIX_EPOCH);
        }
    }
}
