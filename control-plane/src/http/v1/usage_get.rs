//! `GET /v1/usage`

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::{Parameters, from, limit, to};
use super::objects::EnvironmentName;
use super::texts::CursorText;
use super::{environment_field, field, id_field};
use crate::domain::id::{AccountId, KeyId, ProjectId};
use crate::domain::time::Time;
use crate::domain::usage::{DEFAULT_LIMIT, Group, GroupValue, Groups, MAX_LIMIT, UsageCursor, UsageRow};
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::report_usage::{UsageQuery, report_usage};
use axum::Json;
use axum::extract::State;
use keyplane_contract::code::Reason;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// From when on: a time (RFC 3339), or a date in UTC. Without it 30 days before `to`, or one day when it goes by the hour.
    #[param(value_type = Option<String>, format = DateTime, example = "2030-01-01T00:00:00Z")]
    from: Option<String>,
    /// Up to when, not included: a time, or a date, whose whole day counts. Without it now.
    #[param(value_type = Option<String>, format = DateTime, example = "2030-02-01T00:00:00Z")]
    to: Option<String>,
    /// What to add up by, separated by commas; rows are ordered by it as it is given. Without it everything is one row. `hour` only
    /// while usage is kept by the hour: 14 days unless the operator set it otherwise.
    #[param(inline, value_type = Option<Vec<GroupName>>, style = Form, explode = false)]
    group_by: Option<String>,
    /// Only keys of this account, and personal access tokens of its users.
    #[param(value_type = Option<uuid::Uuid>)]
    account_id: Option<String>,
    /// Only keys of this project.
    #[param(value_type = Option<uuid::Uuid>)]
    project_id: Option<String>,
    /// Only this key.
    #[param(value_type = Option<uuid::Uuid>)]
    key_id: Option<String>,
    /// Only keys of this environment.
    #[param(value_type = Option<EnvironmentName>)]
    environment: Option<String>,
    /// The most rows.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    limit: Option<String>,
    /// The `next_cursor` of the rows before, with the same `group_by`.
    #[param(value_type = Option<CursorText>)]
    cursor: Option<String>,
}

/// What usage is added up by.
#[derive(ToSchema)]
#[schema(as = UsageGroup, rename_all = "snake_case")]
#[expect(dead_code, reason = "says what the domain's type looks like")]
enum GroupName {
    Account,
    Project,
    Environment,
    Key,
    Day,
    Hour,
    Reason,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Usage)]
pub struct Answer {
    /// Begin of the range, widened to whole days (UTC) or hours: finer is not kept.
    #[schema(value_type = String, format = DateTime)]
    from: Time,
    /// End of the range, not included.
    #[schema(value_type = String, format = DateTime)]
    to: Time,
    data: Vec<RowObject>,
    /// The `cursor` of the rows after; null on the last.
    #[schema(value_type = Option<CursorText>, required)]
    next_cursor: Option<String>,
}

/// Requests with known keys. The fields of what they are grouped by come first, and only those.
#[derive(Serialize, ToSchema, Default)]
#[schema(as = UsageRow)]
struct RowObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    account_id: Option<AccountId>,
    /// Null for personal access tokens, which belong to no project.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    #[expect(clippy::option_option, reason = "absent when not asked for, null when there is none")]
    project_id: Option<Option<ProjectId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<EnvironmentName>)]
    environment: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    key_id: Option<KeyId>,
    /// The day in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = Date)]
    day: Option<String>,
    /// Begin of the hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    hour: Option<Time>,
    /// What became of the requests: `allowed`, or why they were refused, as in `by_reason`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// Requests that were let pass.
    allowed: u64,
    /// Requests that were refused.
    refused: u64,
    /// Refused requests by reason, such as `revoked`, `expired` and `disabled`. Absent when grouped by reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_reason: Option<BTreeMap<&'static str, u64>>,
}

impl RowObject {
    fn of(row: &UsageRow, groups: &Groups) -> Self {
        let mut object = Self { allowed: row.allowed(), refused: row.refused(), ..Self::default() };
        if !groups.all().contains(&Group::Reason) {
            let refused = row.counts.iter().filter(|(reason, _)| *reason != Reason::Allowed);
            object.by_reason = Some(refused.map(|(reason, count)| (reason.name(), *count)).collect());
        }
        for value in &row.groups {
            match value {
                GroupValue::Account(id) => object.account_id = Some(*id),
                GroupValue::Project(id) => object.project_id = Some(*id),
                GroupValue::Environment(environment) => object.environment = Some(environment.name()),
                GroupValue::Key(id) => object.key_id = Some(*id),
                GroupValue::Day(start) => object.day = Some(start.date()),
                GroupValue::Hour(start) => object.hour = Some(*start),
                GroupValue::Reason(reason) => object.reason = Some(reason.name()),
            }
        }
        object
    }
}

/// Adds up usage: how many requests were allowed and refused
///
/// Counts are of requests in which a key was recognised. Proxies report them within seconds. They are kept by the day for 400 days, and by the
/// hour too for 14, unless the operator set it otherwise.
#[utoipa::path(
    get,
    path = "/v1/usage",
    operation_id = "get_usage",
    tag = "Usage",
    params(Query),
    responses((status = 200, description = "The sums", body = Answer))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Answer>, Problem> {
    let mut errors = Vec::new();
    let query = read(&query, &mut errors);
    let Some(query) = query.filter(|_| errors.is_empty()) else {
        return Err(Error::fields(Code::InvalidQuery, errors).into());
    };
    let groups = query.groups.clone();
    let report = report_usage(&app, &by.origin(), query).await?;
    Ok(Json(Answer {
        from: report.range.from(),
        to: report.range.to(),
        data: report.rows.iter().map(|row| RowObject::of(row, &groups)).collect(),
        next_cursor: report.next.map(|cursor| cursor.to_string()),
    }))
}

/// Reads the parameters into domain types; what is wrong is added to `errors`.
fn read(query: &Query, errors: &mut Vec<FieldError>) -> Option<UsageQuery> {
    let groups = field("group_by", Groups::parse(query.group_by.as_deref().unwrap_or_default()), errors);
    let (from, to) = (from(query.from.as_deref(), errors), to(query.to.as_deref(), errors));
    let account = query.account_id.as_deref().and_then(|text| id_field("account_id", text, errors));
    let project = query.project_id.as_deref().and_then(|text| id_field("project_id", text, errors));
    let key = query.key_id.as_deref().and_then(|text| id_field("key_id", text, errors));
    let environment = query.environment.as_deref().and_then(|text| environment_field("environment", text, errors));
    let limit = limit(query.limit.as_deref(), DEFAULT_LIMIT, MAX_LIMIT, errors);
    let groups = groups?;
    let cursor = query.cursor.as_deref().map(|text| UsageCursor::parse(text, &groups));
    if cursor == Some(None) {
        errors
            .push(FieldError::new("cursor", "must be the next_cursor of an answer with the same group_by, unchanged"));
    }
    Some(UsageQuery { from, to, groups, account, project, key, environment, cursor: cursor.flatten(), limit })
}
