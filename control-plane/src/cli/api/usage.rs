//! `keyplane usage`

use super::keys::EnvironmentName;
use super::table::Table;
use super::time::ago;
use super::{Remote, first, when};
use crate::cli::Failure;
use clap::ValueEnum;
use keyplane_sdk::{AccountId, KeyId, ListUsage, ProjectId, UsageRow};

/// Add up how often keys were allowed and refused
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  keyplane usage                                    the last 30 days, day by day (UTC)
  keyplane usage --by key --project $project        each key of a project
  keyplane usage --key $key --by hour,reason --since 24h")]
pub struct Usage {
    /// What to add up by, in this order; several as key,day or by giving it several times
    #[arg(long, value_name = "WHAT", value_enum, value_delimiter = ',', default_value = "day")]
    by: Vec<Group>,
    /// Only keys of this account
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Only keys of this project
    #[arg(long, value_name = "ID")]
    project: Option<ProjectId>,
    /// Only this key
    #[arg(long, value_name = "ID")]
    key: Option<KeyId>,
    /// Only keys of this environment
    #[arg(long, value_enum)]
    environment: Option<EnvironmentName>,
    /// From this time on: 7d for the last week, a date (2030-01-15, UTC), or a time. Without it the last 30 days
    #[arg(long, value_name = "TIME", value_parser = ago)]
    since: Option<jiff::Timestamp>,
    /// Up to this time, in the same forms
    #[arg(long, value_name = "TIME", value_parser = ago)]
    until: Option<jiff::Timestamp>,
    /// How many rows at most
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
enum Group {
    Account,
    Project,
    Environment,
    Key,
    Day,
    Hour,
    Reason,
}

impl Group {
    const fn name(self) -> &'static str {
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

    fn cell(self, row: &UsageRow) -> String {
        let text = match self {
            Self::Account => row.account_id.map(|id| id.to_string()),
            Self::Project => row.project_id.map(|id| id.to_string()),
            Self::Environment => row.environment.map(|environment| environment.to_string()),
            Self::Key => row.key_id.map(|id| id.to_string()),
            Self::Day => row.day.clone(),
            Self::Hour => row.hour.map(|hour| when(Some(hour))),
            Self::Reason => row.reason.clone(),
        };
        text.unwrap_or_else(|| "-".to_owned())
    }
}

impl Usage {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let mut list = ListUsage::new().group_by(self.by.iter().map(|group| group.name()));
        if let Some(id) = self.account {
            list = list.account(id);
        }
        if let Some(id) = self.project {
            list = list.project(id);
        }
        if let Some(id) = self.key {
            list = list.key(id);
        }
        if let Some(environment) = self.environment {
            list = list.environment(environment.into());
        }
        if let Some(time) = self.since {
            list = list.from(time);
        }
        if let Some(time) = self.until {
            list = list.to(time);
        }
        let (by, limit) = (self.by, self.limit);
        self.remote.run(async |client, show| {
            let rows = first(client.usage().all(list), limit).await?;
            if show.json {
                for row in rows {
                    println!("{}", serde_json::to_string(&row)?);
                }
            } else {
                print!("{}", table(&by, &rows));
                if rows.is_empty() {
                    println!("No request with such a key was counted in this time.");
                }
            }
            Ok(())
        })
    }
}

fn table(by: &[Group], rows: &[UsageRow]) -> Table {
    let groups: Vec<_> = by.iter().map(|group| group.name().to_uppercase()).collect();
    let mut columns: Vec<&str> = groups.iter().map(String::as_str).collect();
    columns.extend(["ALLOWED", "REFUSED"]);
    if !by.contains(&Group::Reason) {
        columns.push("REFUSED BECAUSE");
    }
    let mut table = Table::new(&columns);
    for row in rows {
        let mut cells: Vec<_> = by.iter().map(|group| group.cell(row)).collect();
        cells.extend([row.allowed.to_string(), row.refused.to_string()]);
        let reasons = row.by_reason.iter().flatten().map(|(reason, count)| format!("{reason} {count}"));
        cells.push(reasons.collect::<Vec<_>>().join(", "));
        table.push(cells);
    }
    table
}
