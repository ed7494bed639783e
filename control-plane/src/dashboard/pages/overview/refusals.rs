//! Requests of the last 24 hours, and whether refusals rise against the seven days before.

use super::super::super::view::View;
use crate::domain::attention::is_rising;
use crate::domain::rights::{Resource, Right};
use crate::domain::time::{DAY, HOUR, Time};
use crate::domain::usage::{Group, Groups, Unit, UsageRow};
use crate::error::Error;
use crate::service::App;
use crate::service::report_usage::{UsageQuery, report_usage};
use keyplane_contract::code::Reason;

/// The most rows: hours of a day times reasons, and more.
const ROWS: u32 = 1_000;

/// Requests of the last 24 hours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastDay {
    /// Those that passed.
    pub allowed: u64,
    /// Those that did not.
    pub refused: u64,
    /// Why most of those did not, and how many.
    pub most: Option<(Reason, u64)>,
    /// Refused in the seven days before.
    pub week_before: u64,
}

impl LastDay {
    /// Whether more are refused than before, by far.
    pub const fn is_rising(&self) -> bool {
        is_rising(self.refused, self.week_before)
    }
}

/// Adds up; `None` for who may not see usage, and where hours are not kept for a day.
pub async fn last_day(app: &App, view: &View) -> Result<Option<LastDay>, Error> {
    if !view.may(Right::read(Resource::Usage)) || app.usage_hourly_retention < DAY {
        return Ok(None);
    }
    let account = view.account.as_ref().map(|account| account.id);
    let query = |from: Time, to: Option<Time>, groups: &str| -> Result<UsageQuery, Error> {
        Ok(UsageQuery {
            from: Some(from),
            to,
            groups: Groups::parse(groups).map_err(Error::internal)?,
            account,
            project: None,
            key: None,
            environment: None,
            cursor: None,
            limit: ROWS,
        })
    };
    // The running hour and the 23 before it; and seven whole days before those, which costs less by the day.
    let since = view.now.before(HOUR * 23);
    let midnight = Unit::Day.start(since.day());
    let today = query(since, None, Group::Hour.name())?;
    let week = query(midnight.before(DAY * 7), Some(midnight), Group::Day.name())?;
    let (today, week) =
        tokio::try_join!(report_usage(app, view.origin(), today), report_usage(app, view.origin(), week))?;
    Ok(Some(added_up(&today.rows, &week.rows)))
}

fn added_up(today: &[UsageRow], week: &[UsageRow]) -> LastDay {
    let sum = |rows: &[UsageRow], of: fn(&UsageRow) -> u64| rows.iter().map(of).fold(0, u64::saturating_add);
    let count = |reason: Reason| {
        let counts = today.iter().flat_map(|row| &row.counts).filter(|(found, _)| *found == reason);
        counts.map(|(_, count)| *count).fold(0, u64::saturating_add)
    };
    let reasons = Reason::ALL.into_iter().filter(|reason| *reason != Reason::Allowed);
    let most = reasons.map(|reason| (reason, count(reason))).max_by_key(|(_, count)| *count);
    LastDay {
        allowed: sum(today, UsageRow::allowed),
        refused: sum(today, UsageRow::refused),
        most: most.filter(|(_, count)| *count > 0),
        week_before: sum(week, UsageRow::refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_most_refusals_is_named() {
        let row = |counts: &[(Reason, u64)]| UsageRow { groups: Vec::new(), counts: counts.to_vec() };
        let today =
            [row(&[(Reason::Allowed, 9), (Reason::Expired, 4)]), row(&[(Reason::Expired, 4), (Reason::Revoked, 7)])];
        let day = added_up(&today, &[row(&[(Reason::Allowed, 100), (Reason::Network, 3)])]);
        assert_eq!(day, LastDay { allowed: 9, refused: 15, most: Some((Reason::Expired, 8)), week_before: 3 });
        assert_eq!(added_up(&[row(&[(Reason::Allowed, 1)])], &[]).most, None);
    }
}
