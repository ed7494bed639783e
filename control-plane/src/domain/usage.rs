//! Questions about usage: over which time, of which keys, added up by what.
//!
//! Usage is kept by the day (UTC) for long and by the hour for days, so a range is widened to whole days or hours.

use super::id::{AccountId, KeyId, ProjectId};
use super::time::{DAY, HOUR, Time};
use keyplane_contract::code::Reason;
use keyplane_contract::id::Id;
use keyplane_contract::sync::Environment;
use std::time::Duration;

/// What uses are added up by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    /// By account.
    Account,
    /// By project.
    Project,
    /// By environment.
    Environment,
    /// By key.
    Key,
    /// By day, UTC.
    Day,
    /// By hour.
    Hour,
    /// By what became of the request.
    Reason,
}

impl Group {
    /// Every one.
    pub const ALL: [Self; 7] =
        [Self::Account, Self::Project, Self::Environment, Self::Key, Self::Day, Self::Hour, Self::Reason];

    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Project => "project",
            Self::Environment => "environment",
            Self::Key => "key",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Reason => "reason",
        }
    }
}

/// Groups, each once. Rows are ordered by them as they stand here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Groups(Vec<Group>);

/// A text lists something that is no group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("must be a list, separated by commas, of account, project, environment, key, day, hour and reason")]
pub struct GroupsError;

impl Groups {
    /// Reads a list separated by commas. One that is named twice counts once; an empty text is no group.
    pub fn parse(text: &str) -> Result<Self, GroupsError> {
        let mut groups = Vec::new();
        for name in text.split(',').filter(|_| !text.is_empty()) {
            let group = Group::ALL.into_iter().find(|group| group.name() == name).ok_or(GroupsError)?;
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        Ok(Self(groups))
    }

    /// The groups in order.
    pub fn all(&self) -> &[Group] {
        &self.0
    }

    /// How fine the counts have to be.
    pub fn unit(&self) -> Unit {
        if self.0.contains(&Group::Hour) { Unit::Hour } else { Unit::Day }
    }
}

/// How fine counts are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// By the day.
    Day,
    /// By the hour.
    Hour,
}

impl Unit {
    /// Its length.
    pub const fn duration(self) -> Duration {
        match self {
            Self::Day => DAY,
            Self::Hour => HOUR,
        }
    }

    /// The number of the unit that `time` is in, since 1970.
    pub const fn number(self, time: Time) -> i64 {
        match self {
            Self::Day => time.day(),
            Self::Hour => time.hour(),
        }
    }

    /// When the unit of this number begins.
    pub fn start(self, number: i64) -> Time {
        let millis = i64::try_from(self.duration().as_millis()).unwrap_or(i64::MAX);
        Time::from_millis(number.saturating_mul(millis))
    }
}

/// Whole days or hours, the last one not included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// Days or hours.
    pub unit: Unit,
    /// Number of the first.
    pub first: i64,
    /// Number of the one after the last.
    pub end: i64,
}

impl Range {
    /// The units that `from` up to, and without, `to` lies in; `None` when there is nothing between them.
    pub fn over(unit: Unit, from: Time, to: Time) -> Option<Self> {
        let last = Time::from_millis(to.millis().checked_sub(1).filter(|last| *last >= 0)?);
        (from < to).then(|| Self { unit, first: unit.number(from), end: unit.number(last) + 1 })
    }

    /// When it begins.
    pub fn from(&self) -> Time {
        self.unit.start(self.first)
    }

    /// When it ends.
    pub fn to(&self) -> Time {
        self.unit.start(self.end)
    }
}

/// What the rows of one group have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupValue {
    /// This account.
    Account(AccountId),
    /// This project; `None` for personal access tokens, which belong to none.
    Project(Option<ProjectId>),
    /// This environment.
    Environment(Environment),
    /// This key.
    Key(KeyId),
    /// The day that begins then.
    Day(Time),
    /// The hour that begins then.
    Hour(Time),
    /// This reason.
    Reason(Reason),
}

/// One row of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageRow {
    /// One value for each group asked for.
    pub groups: Vec<GroupValue>,
    /// Requests by reason; only reasons that occurred.
    pub counts: Vec<(Reason, u64)>,
}

impl UsageRow {
    /// Requests that were let pass.
    pub fn allowed(&self) -> u64 {
        self.counts.iter().filter(|(reason, _)| *reason == Reason::Allowed).map(|(_, count)| count).sum()
    }

    /// Requests that were refused.
    pub fn refused(&self) -> u64 {
        self.counts.iter().filter(|(reason, _)| *reason != Reason::Allowed).map(|(_, count)| count).sum()
    }
}

/// How many rows an answer has when the caller does not say.
pub const DEFAULT_LIMIT: u32 = 100;
/// The most rows of an answer.
pub const MAX_LIMIT: u32 = 1_000;

/// Leads a cursor's text.
const MARK: &str = "u1";

/// The place after a row: its values in the order of the groups. Rows added meanwhile move no others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageCursor(Vec<GroupValue>);

impl UsageCursor {
    /// The place after this row.
    pub fn after(row: &UsageRow) -> Self {
        Self(row.groups.clone())
    }

    /// Reads what `to_string` wrote for these groups; `None` for anything else.
    pub fn parse(text: &str, groups: &Groups) -> Option<Self> {
        let mut parts = text.strip_prefix(MARK)?.split('-').skip(1);
        let id = |text: &str| (text.len() == 2 * Id::LEN).then(|| Id::parse(text.as_bytes())).flatten();
        let mut values = Vec::with_capacity(groups.0.len());
        for group in &groups.0 {
            let part = parts.next()?;
            values.push(match group {
                Group::Account => GroupValue::Account(AccountId(id(part)?)),
                Group::Project if part.is_empty() => GroupValue::Project(None),
                Group::Project => GroupValue::Project(Some(ProjectId(id(part)?))),
                Group::Key => GroupValue::Key(KeyId(id(part)?)),
                Group::Environment => GroupValue::Environment(Environment::from_number(part.parse().ok()?)?),
                Group::Day => GroupValue::Day(Time::from_millis(part.parse().ok()?)),
                Group::Hour => GroupValue::Hour(Time::from_millis(part.parse().ok()?)),
                Group::Reason => GroupValue::Reason(Reason::from_number(part.parse().ok()?)?),
            });
        }
        let cursor = Self(values);
        (!cursor.0.is_empty() && cursor.to_string() == text).then_some(cursor)
    }

    /// The last row's values.
    pub fn values(&self) -> &[GroupValue] {
        &self.0
    }
}

impl core::fmt::Display for UsageCursor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let hex = |id: Id| id.to_string().replace('-', "");
        f.write_str(MARK)?;
        self.0.iter().try_for_each(|value| match value {
            GroupValue::Account(AccountId(id)) | GroupValue::Key(KeyId(id)) => write!(f, "-{}", hex(*id)),
            GroupValue::Project(project) => {
                write!(f, "-{}", project.map(|project| hex(project.0)).unwrap_or_default())
            }
            GroupValue::Environment(environment) => write!(f, "-{}", *environment as u8),
            GroupValue::Day(time) | GroupValue::Hour(time) => write!(f, "-{}", time.millis()),
            GroupValue::Reason(reason) => write!(f, "-{}", *reason as u8),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Time {
        Time::parse(text).unwrap()
    }

    #[test]
    fn a_range_is_widened_to_whole_days_or_hours() {
        let over = |unit, from, to| Range::over(unit, at(from), at(to)).map(|range| (range.from(), range.to()));
        let (from, to) = ("2026-01-01T10:20:00Z", "2026-01-02T00:00:00Z");
        let midnight = at("2026-01-02T00:00:00Z");
        assert_eq!(over(Unit::Day, from, to), Some((at("2026-01-01T00:00:00Z"), midnight)));
        assert_eq!(over(Unit::Hour, from, to), Some((at("2026-01-01T10:00:00Z"), midnight)));
        assert_eq!(over(Unit::Day, from, "2026-01-02T00:00:00.001Z").unwrap().1, at("2026-01-03T00:00:00Z"));
        assert_eq!(over(Unit::Day, to, from), None);
        assert_eq!(over(Unit::Day, from, from), None);
    }

    #[test]
    fn groups_are_read_in_their_order_and_once() {
        let groups = |text| Groups::parse(text).map(|groups| groups.0);
        assert_eq!(groups("key,day,key"), Ok(vec![Group::Key, Group::Day]));
        assert_eq!(groups(""), Ok(vec![]));
        for bad in [",", "key,", "keys", "Key", "key day"] {
            assert_eq!(groups(bad), Err(GroupsError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_cursor_reads_back_for_its_own_groups(id: [u8; 16], millis in 0_i64..1 << 47, project: bool, reason in 0_u8..11) {
            let groups = Groups(Group::ALL.to_vec());
            let (id, time) = (Id(id), Time::from_millis(millis));
            let values = vec![
                GroupValue::Account(AccountId(id)),
                GroupValue::Project(project.then_some(ProjectId(id))),
                GroupValue::Environment(Environment::Test),
                GroupValue::Key(KeyId(id)),
                GroupValue::Day(time),
                GroupValue::Hour(time),
                GroupValue::Reason(Reason::from_number(reason).unwrap()),
            ];
            let cursor = UsageCursor(values);
            prop_assert_eq!(UsageCursor::parse(&cursor.to_string(), &groups), Some(cursor.clone()));
            prop_assert_eq!(UsageCursor::parse(&cursor.to_string(), &Groups(vec![Group::Key])), None);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = UsageCursor::parse(&text, &Groups(Group::ALL.to_vec()));
            let _ = UsageCursor::parse(&format!("u1-{text}"), &Groups(vec![Group::Day]));
            let _ = Groups::parse(&text);
        }
    }
}
