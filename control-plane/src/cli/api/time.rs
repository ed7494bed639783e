//! Times on the command line: as people say them, or to the millisecond.

use crate::domain::time::{Clock as _, SystemClock};
use crate::domain::wait::{self, WaitError};
use crate::settings::Retention;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::time::Duration;

const HELP: &str =
    "give a time such as 2030-01-15T10:30:00Z, a date such as 2030-01-15 (UTC), or how long, such as 24h or 30d";

/// A time in the past: how long ago, or when.
pub fn ago(text: &str) -> Result<Timestamp, &'static str> {
    moment(text, now(), |now, length| now - length)
}

/// A time to come: how long from now, or when.
pub fn ahead(text: &str) -> Result<Timestamp, &'static str> {
    moment(text, now(), |now, length| now + length)
}

/// A length of time, such as `24h`.
pub fn length(text: &str) -> Result<Duration, &'static str> {
    Retention::try_from(text.to_owned()).map(|length| length.0)
}

/// How long to wait for an answer, such as `5s` or `500ms`.
pub fn wait(text: &str) -> Result<Duration, WaitError> {
    wait::parse(text)
}

fn now() -> Timestamp {
    Timestamp::from_millisecond(SystemClock.now().millis()).unwrap_or_default()
}

fn moment(text: &str, now: Timestamp, shift: fn(Timestamp, Duration) -> Timestamp) -> Result<Timestamp, &'static str> {
    // The longest length has 2^32 days, beyond the calendar.
    const MOST: Duration = Duration::from_hours(24 * 366 * 100);
    if let Ok(length) = length(text) {
        return if length <= MOST { Ok(shift(now, length)) } else { Err(HELP) };
    }
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let date: Date = text.parse().map_err(|_| HELP)?;
    Ok(date.to_zoned(TimeZone::UTC).map_err(|_| HELP)?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_length_a_date_or_a_time() {
        let read =
            |text, shift| moment(text, "2030-03-01T12:00:00Z".parse().unwrap(), shift).map(|time| time.to_string());
        assert_eq!(read("2d", |now, length| now - length).unwrap(), "2030-02-27T12:00:00Z");
        assert_eq!(read("90m", |now, length| now + length).unwrap(), "2030-03-01T13:30:00Z");
        assert_eq!(ago("2030-01-15").unwrap().to_string(), "2030-01-15T00:00:00Z");
        assert_eq!(ago("2030-01-15T10:30:00+02:00").unwrap().to_string(), "2030-01-15T08:30:00Z");
        for text in ["", "d", "yesterday", "-1d", "4000000000d", "2030-13-01"] {
            assert_eq!(ago(text), Err(HELP), "{text}");
        }
    }
}
