//! What the page is about, as the address says it. What it cannot mean is taken as not said.

use super::super::super::link::with_query;
use super::super::super::view::View;
use crate::domain::id::{KeyId, ProjectId};
use crate::domain::time::{DAY, HOUR, Time};
use crate::domain::usage::{Group, Unit};
use keyplane_contract::sync::Environment;
use std::time::Duration;

/// Presets of the range: by value and name, in days.
pub const RANGES: [(&str, &str, u32); 5] = [
    ("24h", "Last 24 hours", 1),
    ("7d", "Last 7 days", 7),
    ("", "Last 30 days", 30),
    ("90d", "Last 90 days", 90),
    ("365d", "Last year", 365),
];

/// By value and name.
pub const UNITS: [(&str, &str); 2] = [("", "By day"), ("hour", "By hour")];

/// By value, name and what it is.
pub const GROUPS: [(&str, &str, Group); 4] = [
    ("", "Reason", Group::Reason),
    ("key", "Key", Group::Key),
    ("project", "Project", Group::Project),
    ("environment", "Environment", Group::Environment),
];

/// By value, name and what it is.
const ENVIRONMENTS: [(&str, &str, Option<Environment>); 3] =
    [("", "Live and test", None), ("live", "Live", Some(Environment::Live)), ("test", "Test", Some(Environment::Test))];

/// The longest range that is drawn by the hour, in days.
const MOST_BY_HOUR: u32 = 7;

/// What the page is about.
#[derive(Clone, Debug)]
pub struct Filters {
    pub range: &'static str,
    pub unit: &'static str,
    pub group: &'static str,
    pub environment: &'static str,
    pub project: Option<ProjectId>,
    pub key: Option<KeyId>,
}

impl Filters {
    /// Reads the address.
    pub fn of(view: &View) -> Self {
        Self {
            range: known(RANGES.iter().map(|(value, ..)| *value), view.asked("range")),
            unit: known(UNITS.iter().map(|(value, _)| *value), view.asked("by")),
            group: known(GROUPS.iter().map(|(value, ..)| *value), view.asked("group")),
            environment: known(ENVIRONMENTS.iter().map(|(value, ..)| *value), view.asked("environment")),
            project: ProjectId::parse(view.asked("project")),
            key: KeyId::parse(view.asked("key")),
        }
    }

    /// Whether something is said that leaves keys out.
    pub fn narrow(&self) -> bool {
        self.project.is_some() || self.key.is_some() || !self.environment.is_empty()
    }

    /// The environment.
    pub fn environment(&self) -> Option<Environment> {
        ENVIRONMENTS.iter().find(|(value, ..)| *value == self.environment).and_then(|(.., meaning)| *meaning)
    }

    /// What the requests are told apart by.
    pub fn group(&self) -> Group {
        GROUPS.iter().find(|(value, ..)| *value == self.group).map_or(Group::Reason, |(.., group)| *group)
    }

    /// What the range is called.
    pub fn range_name(&self) -> &'static str {
        RANGES.iter().find(|(value, ..)| *value == self.range).map_or("", |(_, name, _)| name)
    }

    fn days(&self) -> u32 {
        RANGES.iter().find(|(value, ..)| *value == self.range).map_or(30, |(.., days)| *days)
    }

    /// How fine the plot is. By the hour only as long as hours are kept and can be told apart.
    pub fn unit(&self, hours_are_kept_for: Duration) -> Unit {
        let days = self.days();
        let wanted = days == 1 || (self.unit == "hour" && days <= MOST_BY_HOUR);
        if wanted && DAY * days <= hours_are_kept_for { Unit::Hour } else { Unit::Day }
    }

    /// Since when, so that the running day or hour is the last of the range.
    pub fn from(&self, unit: Unit, now: Time) -> Time {
        let days = self.days();
        match unit {
            Unit::Day => now.before(DAY * days.saturating_sub(1)),
            Unit::Hour => now.before(HOUR * (days * 24).saturating_sub(1)),
        }
    }

    /// The address of the same page with one of its parameters changed.
    pub fn address(&self, path: &str, name: &str, value: &str) -> String {
        let own = [
            ("range", self.range.to_owned()),
            ("by", self.unit.to_owned()),
            ("environment", self.environment.to_owned()),
            ("project", self.project.map(|id| id.to_string()).unwrap_or_default()),
            ("key", self.key.map(|id| id.to_string()).unwrap_or_default()),
            ("group", self.group.to_owned()),
        ];
        with_query(path, own.map(|(own, text)| (own, if own == name { value.to_owned() } else { text })))
    }
}

/// Values and names, for a `select`.
pub fn environments() -> Vec<(String, String)> {
    ENVIRONMENTS.iter().map(|(value, label, _)| ((*value).to_owned(), (*label).to_owned())).collect()
}

fn known(mut all: impl Iterator<Item = &'static str>, asked: &str) -> &'static str {
    all.find(|value| *value == asked).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(range: &'static str, unit: &'static str) -> Filters {
        Filters { range, unit, group: "", environment: "", project: None, key: None }
    }

    #[test]
    fn the_running_day_or_hour_is_the_last_of_the_range() {
        let now = Time::parse("2026-01-10T12:30:00Z").unwrap();
        let from = |range, unit| filters(range, "").from(unit, now).to_string();
        assert_eq!(from("24h", Unit::Hour), "2026-01-09T13:30:00.000Z");
        assert_eq!(from("7d", Unit::Day), "2026-01-04T12:30:00.000Z");
    }

    #[test]
    fn it_goes_by_the_hour_only_where_hours_are_kept_and_can_be_told_apart() {
        let kept = DAY * 14;
        assert_eq!(filters("24h", "").unit(kept), Unit::Hour);
        assert_eq!(filters("7d", "hour").unit(kept), Unit::Hour);
        assert_eq!(filters("7d", "").unit(kept), Unit::Day);
        assert_eq!(filters("", "hour").unit(kept), Unit::Day);
        assert_eq!(filters("7d", "hour").unit(DAY * 3), Unit::Day);
    }
}
