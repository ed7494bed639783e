//! `GET /v1/audit`: a page as JSON, or all that fits as NDJSON for whoever keeps the log elsewhere.

use super::super::auth::Authenticated;
use super::super::problem::Problem;
use super::super::query::{Parameters, cursor, from, limit, to};
use super::objects::{AuditEntryObject, Page};
use super::texts::AuditCursorText;
use super::{field, id_field};
use crate::domain::actor::Actor;
use crate::domain::audit::{Action, Filter, Origin, Recorded};
use crate::domain::cursor::{AuditCursor, DEFAULT_LIMIT, Listing, MAX_LIMIT};
use crate::domain::id::{self, AccountId};
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::list_audit::list_audit;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use keyplane_contract::id::Id;
use serde::Deserialize;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// One JSON object a line, each line ended.
const NDJSON: &str = "application/x-ndjson";

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// Only what was done to the object of this id.
    #[param(value_type = Option<uuid::Uuid>)]
    object_id: Option<String>,
    /// Only what was done to objects of this kind, such as `key`.
    #[param(inline, value_type = Option<ObjectKindName>)]
    object_kind: Option<String>,
    /// Only what the key, admin key or user of this id did.
    #[param(value_type = Option<uuid::Uuid>)]
    actor_id: Option<String>,
    /// Only what such actors did: `admin_key`, `key`, `user` or `system`.
    #[param(inline, value_type = Option<ActorKindName>)]
    actor_kind: Option<String>,
    /// Only this, such as `key.revoke`.
    #[param(inline, value_type = Option<ActionName>)]
    action: Option<String>,
    /// Only what belongs to this account.
    #[param(value_type = Option<uuid::Uuid>)]
    account_id: Option<String>,
    /// Only from this time on, or from the begin of this day (UTC).
    #[param(value_type = Option<String>, format = DateTime, example = "2030-01-01T00:00:00Z")]
    from: Option<String>,
    /// Only before this time, or until the end of this day (UTC).
    #[param(value_type = Option<String>, format = DateTime, example = "2030-02-01T00:00:00Z")]
    to: Option<String>,
    /// The most entries on the page; of NDJSON the most of all, and without it there is no end but the last entry.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200, default = 50)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<AuditCursorText>)]
    cursor: Option<String>,
}

/// Declares a text that is one of certain words.
macro_rules! one_of {
    ($(#[$doc:meta] $name:ident = $words:expr;)*) => {$(
        #[$doc]
        struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().schema_type(Type::String).enum_values(Some($words)).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

one_of! {
    /// What was done.
    ActionName = Action::ALL.iter().map(|action| action.name());
    /// The kind of who acted.
    ActorKindName = Actor::KINDS;
    /// The kind of an object.
    ObjectKindName = Action::object_kinds();
}

/// What is asked for.
struct Request {
    account: Option<AccountId>,
    filter: Filter,
    cursor: Option<AuditCursor>,
    limit: Option<u32>,
}

/// Lists who did what, the newest first
///
/// A tenant sees what was done to its own account and to what belongs to it; whoever did it. With `Accept: application/x-ndjson` all
/// entries that fit come at once, one JSON object a line.
#[utoipa::path(
    get,
    path = "/v1/audit",
    operation_id = "list_audit",
    tag = "Audit",
    params(
        Query,
        ("accept" = Option<String>, Header, description = "`application/x-ndjson` for all entries at once, one a line"),
    ),
    responses((
        status = 200,
        description = "A page of the audit log",
        content((Page<AuditEntryObject> = "application/json"), (String = "application/x-ndjson")),
    ))
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    headers: HeaderMap,
    Parameters(query): Parameters<Query>,
) -> Result<Response, Problem> {
    let (by, request) = (by.origin(), parse(&query)?);
    if !wants_lines(&headers) {
        let Request { account, filter, cursor, limit } = request;
        let page = list_audit(&app, &by, account, &filter, cursor, limit.unwrap_or(DEFAULT_LIMIT)).await?;
        return Ok(Json(page.map(AuditEntryObject::from)).into_response());
    }
    // What refuses the request does so before the answer begins.
    let first = next(&app, &by, &request).await?;
    let rest = Export { app, by, request, page: Some(first) };
    let body = Body::from_stream(stream::try_unfold(rest, Export::lines));
    Ok(([(CONTENT_TYPE, NDJSON)], body).into_response())
}

/// An export that goes on: one page is in memory at a time, and the next is read when the caller has taken it.
struct Export {
    app: App,
    by: Origin,
    request: Request,
    page: Option<Listing<Recorded>>,
}

impl Export {
    /// The lines of the page, and what follows. A fault cuts the answer off, so that nobody takes it for whole.
    async fn lines(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        let page = match self.page.take() {
            Some(page) => page,
            None if self.request.cursor.is_some() => next(&self.app, &self.by, &self.request).await?,
            None => return Ok(None),
        };
        // With a limit the first page is all.
        let goes_on = self.request.limit.is_none();
        self.request.cursor = page.next_cursor.as_deref().filter(|_| goes_on).and_then(AuditCursor::parse);
        let mut lines = Vec::new();
        for entry in page.data {
            serde_json::to_writer(&mut lines, &AuditEntryObject::from(entry)).map_err(Error::internal)?;
            lines.push(b'\n');
        }
        Ok(Some((lines.into(), self)))
    }
}

async fn next(app: &App, by: &Origin, request: &Request) -> Result<Listing<Recorded>, Error> {
    let Request { account, filter, cursor, limit } = request;
    list_audit(app, by, *account, filter, *cursor, limit.unwrap_or(MAX_LIMIT)).await
}

/// Whether the caller names NDJSON among what it takes.
fn wants_lines(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = values.flat_map(|value| value.split(',')).filter_map(|range| range.split(';').next());
    types.any(|name| name.trim().eq_ignore_ascii_case(NDJSON))
}

fn parse(query: &Query) -> Result<Request, Error> {
    let mut errors = Vec::new();
    let filter = Filter {
        object_id: any_id("object_id", query.object_id.as_deref(), &mut errors),
        object_kind: known("object_kind", query.object_kind.as_deref(), Action::object_kinds(), &mut errors),
        actor_id: any_id("actor_id", query.actor_id.as_deref(), &mut errors),
        actor_kind: known("actor_kind", query.actor_kind.as_deref(), Actor::KINDS, &mut errors),
        action: known("action", query.action.as_deref(), Action::ALL.iter().map(|action| action.name()), &mut errors),
        from: from(query.from.as_deref(), &mut errors),
        to: to(query.to.as_deref(), &mut errors),
    };
    let request = Request {
        account: query.account_id.as_deref().and_then(|text| id_field("account_id", text, &mut errors)),
        filter,
        cursor: cursor(query.cursor.as_deref(), AuditCursor::parse, &mut errors),
        limit: query.limit.as_deref().map(|text| limit(Some(text), DEFAULT_LIMIT, MAX_LIMIT, &mut errors)),
    };
    if errors.is_empty() { Ok(request) } else { Err(Error::fields(Code::InvalidQuery, errors)) }
}

/// Reads the id of something of whatever kind.
fn any_id(name: &str, text: Option<&str>, errors: &mut Vec<FieldError>) -> Option<Id> {
    field(name, id::parse(text?).ok_or("must be an id, such as 01890a5d-ac96-774b-bcce-b302099a8057"), errors)
}

/// Reads a word that is one of `words`.
fn known(
    name: &str,
    text: Option<&str>,
    words: impl IntoIterator<Item = &'static str>,
    errors: &mut Vec<FieldError>,
) -> Option<&'static str> {
    let text = text?;
    let words: Vec<_> = words.into_iter().collect();
    let found = words.iter().copied().find(|word| *word == text);
    field(name, found.ok_or_else(|| format!("must be one of {}", words.join(", "))), errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn lines_are_for_who_names_them() {
        let wants = |text| wants_lines(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(text))]));
        assert!(wants("application/x-ndjson") && wants("application/json;q=0.1, Application/X-NDJSON; q=1"));
        assert!(!wants("*/*") && !wants("application/json") && !wants("") && !wants_lines(&HeaderMap::new()));
    }
}
