//! Sums of `usage_daily` and `usage_hourly`.
//!
//! The keys come first if any are named, and each leads to its own rows by the primary key; else the range of days does. So an
//! answer costs what it adds up and not what others used.

use super::row::{environment, id, number};
use super::{Store, StoreError};
use crate::domain::id::{AccountId, KeyId, ProjectId};
use crate::domain::usage::{Group, GroupValue, Groups, Range, Unit, UsageCursor, UsageRow};
use keyplane_contract::code::Reason;
use keyplane_contract::sync::Environment;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

/// Whose usage is added up. All that is set must hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UsageFilter {
    /// Keys of the account with this number, its users' personal access tokens included.
    pub account: Option<u32>,
    /// Keys of the project with this number.
    pub project: Option<u32>,
    /// This key.
    pub key: Option<KeyId>,
    /// Keys of this environment.
    pub environment: Option<Environment>,
}

impl Store {
    /// At most `limit` rows in the order of `groups`, after `cursor`. Without groups there is exactly one row.
    pub async fn usage(
        &self,
        filter: UsageFilter,
        range: Range,
        groups: &Groups,
        cursor: Option<&UsageCursor>,
        limit: u32,
    ) -> Result<Vec<UsageRow>, StoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        for (at, group) in groups.all().iter().enumerate() {
            query.push(format_args!("{} AS g{at}, ", column(*group, range.unit)));
        }
        for reason in Reason::ALL {
            let number = reason as u8;
            let comma = if number == 0 { "" } else { ", " };
            query
                .push(format_args!("{comma}coalesce(sum(u.count) FILTER (WHERE u.reason = {number}), 0) AS r{number}"));
        }
        let (table, unit) = match range.unit {
            Unit::Day => ("usage_daily", "day"),
            Unit::Hour => ("usage_hourly", "hour"),
        };
        // A cross join is made in the order in which it is written.
        if filter == (UsageFilter { environment: filter.environment, ..UsageFilter::default() }) {
            query.push(format_args!(" FROM {table} u CROSS JOIN keys k ON k.no = u.key"));
        } else {
            query.push(format_args!(" FROM keys k CROSS JOIN {table} u ON u.key = k.no"));
        }
        query.push(" LEFT JOIN projects p ON p.no = k.project JOIN accounts a ON a.no = k.account");
        query.push(format_args!(" WHERE u.{unit} >= ")).push_bind(range.first);
        query.push(format_args!(" AND u.{unit} < ")).push_bind(range.end);
        match filter.account.map(i64::from) {
            // Each half walks an index of its own; one condition for both would walk none.
            Some(account) if filter.project.is_none() && filter.key.is_none() => {
                query.push(" AND ((k.project IS NOT NULL AND k.account = ").push_bind(account);
                query.push(") OR (k.user IS NOT NULL AND k.account = ").push_bind(account).push("))");
            }
            Some(account) => drop(query.push(" AND +k.account = ").push_bind(account)),
            None => {}
        }
        if let Some(project) = filter.project {
            query.push(" AND k.project = ").push_bind(i64::from(project));
        }
        if let Some(key) = filter.key {
            query.push(" AND k.id = ").push_bind(key.as_bytes().to_vec());
        }
        if let Some(environment) = filter.environment {
            query.push(" AND +k.environment = ").push_bind(environment as i64);
        }
        if !groups.all().is_empty() {
            if let Some(cursor) = cursor {
                let columns: Vec<_> = groups.all().iter().map(|group| column(*group, range.unit)).collect();
                query.push(format_args!(" AND ({}) > (", columns.join(", ")));
                for (at, value) in cursor.values().iter().enumerate() {
                    query.push(if at == 0 { "" } else { ", " });
                    bind(&mut query, *value);
                }
                query.push(")");
            }
            let names: Vec<_> = (0..groups.all().len()).map(|at| format!("g{at}")).collect();
            let names = names.join(", ");
            query.push(format_args!(" GROUP BY {names} ORDER BY {names} LIMIT ")).push_bind(i64::from(limit));
        }
        let rows = query.build().fetch_all(&self.readers).await?;
        rows.iter().map(|row| usage_row(row, groups)).collect()
    }
}

/// What rows of a group have in common, in SQL. No column is ever null, so that all have an order.
const fn column(group: Group, unit: Unit) -> &'static str {
    match group {
        Group::Account => "a.id",
        Group::Project => "coalesce(p.id, x'')",
        Group::Environment => "k.environment",
        Group::Key => "k.id",
        Group::Day => match unit {
            Unit::Day => "u.day",
            Unit::Hour => "u.hour / 24",
        },
        // Makes the unit an hour.
        Group::Hour => "u.hour",
        Group::Reason => "u.reason",
    }
}

fn bind(query: &mut QueryBuilder<Sqlite>, value: GroupValue) {
    match value {
        GroupValue::Account(id) => query.push_bind(id.as_bytes().to_vec()),
        GroupValue::Project(id) => query.push_bind(id.map(|id| id.as_bytes().to_vec()).unwrap_or_default()),
        GroupValue::Key(id) => query.push_bind(id.as_bytes().to_vec()),
        GroupValue::Environment(environment) => query.push_bind(environment as i64),
        GroupValue::Day(time) => query.push_bind(time.day()),
        GroupValue::Hour(time) => query.push_bind(time.hour()),
        GroupValue::Reason(reason) => query.push_bind(reason as i64),
    };
}

fn usage_row(row: &SqliteRow, groups: &Groups) -> Result<UsageRow, StoreError> {
    let mut values = Vec::with_capacity(groups.all().len());
    for (at, group) in groups.all().iter().enumerate() {
        values.push(group_value(row, NAMES.get(at).copied().unwrap_or_default(), *group)?);
    }
    let mut counts = Vec::new();
    for (at, reason) in Reason::ALL.into_iter().enumerate() {
        let sum: i64 = row.try_get(groups.all().len() + at)?;
        let sum = u64::try_from(sum).map_err(|_| StoreError::Corrupt { column: "count" })?;
        if sum > 0 {
            counts.push((reason, sum));
        }
    }
    Ok(UsageRow { groups: values, counts })
}

/// Names of the groups' columns.
const NAMES: [&str; Group::ALL.len()] = ["g0", "g1", "g2", "g3", "g4", "g5", "g6"];

fn group_value(row: &SqliteRow, name: &'static str, group: Group) -> Result<GroupValue, StoreError> {
    Ok(match group {
        Group::Account => GroupValue::Account(AccountId(id(row, name)?)),
        Group::Project => {
            let none = row.try_get::<&[u8], _>(name)?.is_empty();
            GroupValue::Project(if none { None } else { Some(ProjectId(id(row, name)?)) })
        }
        Group::Environment => GroupValue::Environment(environment(row, name)?),
        Group::Key => GroupValue::Key(KeyId(id(row, name)?)),
        Group::Day => GroupValue::Day(Unit::Day.start(row.try_get(name)?)),
        Group::Hour => GroupValue::Hour(Unit::Hour.start(row.try_get(name)?)),
        Group::Reason => {
            let reason = Reason::from_number(number(row, name)?);
            GroupValue::Reason(reason.ok_or(StoreError::Corrupt { column: "reason" })?)
        }
    })
}
