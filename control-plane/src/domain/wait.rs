//! How long a caller waits for the proxies, as it is written: `5s` or `500ms`.

use std::time::Duration;

/// The longest wait: below the minute after which many networks drop a silent connection.
const LONGEST: Duration = Duration::from_secs(55);

/// A text is no wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a number and its unit, such as `5s` or `500ms`, and at most 55s")]
pub struct WaitError;

/// Reads a number and its unit, up to the longest wait.
pub fn parse(text: &str) -> Result<Duration, WaitError> {
    let (digits, longest, unit): (_, _, fn(u64) -> Duration) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 5, Duration::from_millis),
        None => (text.strip_suffix('s').ok_or(WaitError)?, 2, Duration::from_secs),
    };
    let plain = digits.len() <= longest && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).map(unit).filter(|wait| *wait <= LONGEST).ok_or(WaitError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_number_and_its_unit_within_the_bound() {
        for (text, millis) in [("0s", 0), ("5s", 5_000), ("55s", 55_000), ("500ms", 500), ("55000ms", 55_000)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "ms", "56s", "55001ms", "5 s", "+5s", "5m", "-1s", "1.5s", "005s", "5S", "5sms"] {
            assert_eq!(parse(text), Err(WaitError), "{text}");
        }
    }
}
