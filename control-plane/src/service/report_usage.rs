//! Adds up usage: over a range of time, of chosen keys, by chosen groups.

use super::App;
use super::read::account_within;
use crate::domain::audit::Origin;
use crate::domain::id::{AccountId, KeyId, ProjectId};
use crate::domain::rights::{Resource, Right};
use crate::domain::time::{DAY, Time};
use crate::domain::usage::{Groups, Range, Unit, UsageCursor, UsageRow};
use crate::error::{Code, Error, FieldError};
use crate::store::UsageFilter;
use keyplane_contract::sync::Environment;
use std::time::Duration;

/// How far back an answer goes when the caller does not say; by the hour, a day.
const DEFAULT_DAYS: Duration = Duration::from_hours(30 * 24);

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageQuery {
    /// From when on; `None` for the last 30 days, or the last day when it goes by the hour.
    pub from: Option<Time>,
    /// Until when; `None` for now.
    pub to: Option<Time>,
    /// What to add up by.
    pub groups: Groups,
    /// Only of this account.
    pub account: Option<AccountId>,
    /// Only of this project.
    pub project: Option<ProjectId>,
    /// Only of this key.
    pub key: Option<KeyId>,
    /// Only of this environment.
    pub environment: Option<Environment>,
    /// Begin after this row.
    pub cursor: Option<UsageCursor>,
    /// The most rows.
    pub limit: u32,
}

/// Sums, and what they are of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageReport {
    /// The range, widened to whole days or hours.
    pub range: Range,
    /// The sums.
    pub rows: Vec<UsageRow>,
    /// Where the next rows begin.
    pub next: Option<UsageCursor>,
}

/// Adds up usage: a tenant sees that of its own account.
pub async fn report_usage(app: &App, by: &Origin, query: UsageQuery) -> Result<UsageReport, Error> {
    let reach = by.may(Right::read(Resource::Usage))?;
    let range = range(app, &query)?;
    let account = account_within(app, reach, query.account).await?;
    let project = match query.project {
        Some(id) => {
            let found = app.store.project(id).await?.filter(|project| reach.covers(project.account));
            Some(found.ok_or_else(|| Error::not_found_in("project", "project_id"))?.no)
        }
        None => None,
    };
    if let Some(id) = query.key {
        let found = app.store.key(id).await?.filter(|stored| reach.covers(stored.account));
        found.ok_or_else(|| Error::not_found_in("key", "key_id"))?;
    }
    let filter = UsageFilter { account, project, key: query.key, environment: query.environment };
    let mut rows = app.store.usage(filter, range, &query.groups, query.cursor.as_ref(), query.limit + 1).await?;
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(UsageCursor::after);
    Ok(UsageReport { range, rows, next })
}

fn range(app: &App, query: &UsageQuery) -> Result<Range, Error> {
    let (now, unit) = (app.now(), query.groups.unit());
    let refused = |message: String| Error::fields(Code::InvalidQuery, vec![FieldError::new("from", message)]);
    let to = query.to.unwrap_or_else(|| now.after(Duration::from_millis(1)));
    let back = if unit == Unit::Hour { DAY } else { DEFAULT_DAYS };
    let from = query.from.unwrap_or_else(|| to.before(back));
    let range = Range::over(unit, from, to).ok_or_else(|| refused("must lie before `to`".to_owned()))?;
    let kept = unit.start(unit.number(now.before(app.usage_hourly_retention)));
    if unit == Unit::Hour && range.from() < kept {
        let message =
            format!("lies before {kept}, and by the hour usage is kept only since then; group by day instead");
        return Err(refused(message));
    }
    Ok(range)
}
