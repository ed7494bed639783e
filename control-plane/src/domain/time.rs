//! Time as the API shows it and the store keeps it: whole milliseconds since 1970 UTC.
//!
//! The text form is RFC 3339 in UTC with exactly three decimals (`2024-01-15T10:30:00.000Z`), so that texts sort as
//! times do. The clock is an argument.

use core::fmt;
use jiff::Timestamp;
use std::time::Duration;

/// The last millisecond of the year 9998: the last whole year of jiff's range, and four digits.
const MAX_MILLIS: i64 = 253_370_764_799_999;

/// An hour.
pub const HOUR: Duration = Duration::from_hours(1);
/// A day.
pub const DAY: Duration = Duration::from_hours(24);

/// Milliseconds of an hour and of a day.
const HOUR_MILLIS: i64 = 60 * 60 * 1000;
const DAY_MILLIS: i64 = 24 * HOUR_MILLIS;

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z, never before it and never after the year 9998.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Time(i64);

/// A text is no time that Keyplane takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a time in RFC 3339 with an offset, from 1970 to 9998, such as 2030-01-15T10:30:00.000Z")]
pub struct TimeError;

impl Time {
    /// Takes milliseconds since 1970 UTC; what lies outside the range becomes its nearest end.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < 0 {
            Self(0)
        } else if millis > MAX_MILLIS {
            Self(MAX_MILLIS)
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since 1970 UTC.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970 UTC, as the wire carries them.
    pub const fn unsigned_millis(self) -> u64 {
        self.0.unsigned_abs()
    }

    /// Hours since 1970 UTC.
    pub const fn hour(self) -> i64 {
        self.0 / HOUR_MILLIS
    }

    /// Days since 1970 UTC.
    pub const fn day(self) -> i64 {
        self.0 / DAY_MILLIS
    }

    /// Reads an RFC 3339 time. What is finer than a millisecond is cut off.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        // The parser also takes forms outside RFC 3339 (`20240115T1030Z`, a zone in brackets).
        let bytes = text.as_bytes();
        let strict = bytes.len() >= 20
            && bytes.get(4) == Some(&b'-')
            && bytes.get(7) == Some(&b'-')
            && bytes.get(13) == Some(&b':')
            && bytes.get(16) == Some(&b':')
            && bytes.first().is_some_and(u8::is_ascii_digit)
            && !text.contains('[');
        let timestamp: Timestamp = if strict { text.parse().map_err(|_| TimeError)? } else { return Err(TimeError) };
        let millis = timestamp.as_millisecond();
        if (0..=MAX_MILLIS).contains(&millis) { Ok(Self(millis)) } else { Err(TimeError) }
    }

    /// Reads a date (`2024-01-15`): its begin in UTC.
    pub fn parse_date(text: &str) -> Result<Self, TimeError> {
        Self::parse(&format!("{text}T00:00:00Z"))
    }

    /// The date in UTC, as `2024-01-15`.
    pub fn date(self) -> String {
        let mut text = self.to_string();
        text.truncate("2024-01-15".len());
        text
    }

    /// The time `duration` after this one, or the end of the year 9998.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// The time `duration` before this one, or 1970.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }

    /// The time that has passed since `earlier`; none if that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        let passed = self.0.saturating_sub(earlier.0);
        if passed < 0 { Duration::ZERO } else { Duration::from_millis(passed.unsigned_abs()) }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            // The range of the type lies inside jiff's.
            Err(_) => Err(fmt::Error),
        }
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Time {
        Time::from_millis(Timestamp::now().as_millisecond())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_written_in_utc_with_three_decimals() {
        assert_eq!(Time::parse("2024-01-15T10:30:00Z").unwrap().to_string(), "2024-01-15T10:30:00.000Z");
        assert_eq!(Time::parse("2024-01-15T12:30:00.0129+02:00").unwrap().to_string(), "2024-01-15T10:30:00.012Z");
        assert_eq!(Time::from_millis(i64::MAX).to_string(), "9998-12-31T23:59:59.999Z");
    }

    #[test]
    fn what_is_no_rfc_3339_time_is_refused() {
        for text in [
            "",
            "2024-01-15",
            "2024-01-15T10:30:00",
            "20240115T103000Z",
            "2024-01-15T10:30:00Z[UTC]",
            "2024-13-15T10:30:00Z",
            "1969-12-31T23:59:59Z",
            "+002024-01-15T10:30:00Z",
            "9999-12-31T23:59:59Z",
            "tomorrow",
        ] {
            assert_eq!(Time::parse(text), Err(TimeError), "{text}");
        }
    }

    #[test]
    fn a_date_is_its_begin_in_utc() {
        let time = Time::parse_date("2024-01-15").unwrap();
        assert_eq!((time.to_string().as_str(), time.date().as_str()), ("2024-01-15T00:00:00.000Z", "2024-01-15"));
        assert_eq!(time.after(DAY).date(), "2024-01-16");
        for text in ["", "2024-1-15", "2024-02-30", "2024-01-15T10:30:00Z", "20240115"] {
            assert_eq!(Time::parse_date(text), Err(TimeError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_reads_back_from_its_text(millis in 0..=MAX_MILLIS) {
            let time = Time::from_millis(millis);
            prop_assert_eq!(Time::parse(&time.to_string()), Ok(time));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = Time::parse(&text);
        }
    }
}
