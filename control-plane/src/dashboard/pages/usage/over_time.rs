//! Requests by the day or hour, with a number for each of them, and how their times are written.

use crate::domain::time::Time;
use crate::domain::usage::{GroupValue, Range, Unit, UsageRow};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Requests of a day or an hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// When it begins.
    pub at: Time,
    /// Requests that passed.
    pub allowed: u64,
    /// Requests that did not.
    pub refused: u64,
}

/// Each day or hour of the range, also those without a request.
pub fn steps(range: Range, rows: &[UsageRow]) -> Vec<Step> {
    let mut rows = rows.iter().peekable();
    (range.first..range.end)
        .map(|number| {
            let at = range.unit.start(number);
            let mut step = Step { at, allowed: 0, refused: 0 };
            while let Some(row) = rows.next_if(|row| begin(row).is_some_and(|begin| begin <= at)) {
                if begin(row) == Some(at) {
                    step.allowed += row.allowed();
                    step.refused += row.refused();
                }
            }
            step
        })
        .collect()
}

fn begin(row: &UsageRow) -> Option<Time> {
    match row.groups.first() {
        Some(GroupValue::Day(time) | GroupValue::Hour(time)) => Some(*time),
        _ => None,
    }
}

/// `5 Jan`, `5 Jan, 14:00`.
pub fn label(unit: Unit, at: Time) -> String {
    let text = at.to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let month = part(5, 7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    let day = format!("{} {}", part(8, 10).trim_start_matches('0'), month.unwrap_or(&""));
    match unit {
        Unit::Day => day,
        Unit::Hour => format!("{day}, {}", part(11, 16)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyplane_contract::code::Reason;

    #[test]
    fn days_without_a_request_are_there_with_nothing() {
        let at = |text: &str| Time::parse_date(text).unwrap();
        let range = Range::over(Unit::Day, at("2026-01-01"), at("2026-01-04")).unwrap();
        let row = |day, counts: &[(Reason, u64)]| UsageRow {
            groups: vec![GroupValue::Day(at(day))],
            counts: counts.to_vec(),
        };
        let rows = [row("2026-01-02", &[(Reason::Allowed, 5), (Reason::Expired, 2), (Reason::Revoked, 1)])];
        let counts: Vec<_> = steps(range, &rows).iter().map(|step| (step.allowed, step.refused)).collect();
        assert_eq!(counts, [(0, 0), (5, 3), (0, 0)]);
    }

    #[test]
    fn times_are_written_for_people() {
        let at = Time::parse("2026-01-05T14:00:00Z").unwrap();
        assert_eq!((label(Unit::Day, at), label(Unit::Hour, at)), ("5 Jan".to_owned(), "5 Jan, 14:00".to_owned()));
    }
}
