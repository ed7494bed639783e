//! `PATCH /v1/accounts/{id}`

use super::super::auth::Authenticated;
use super::super::body::{JsonBody, given};
use super::super::etag::{IfMatch, etag};
use super::super::problem::{Document, Problem};
use super::super::query::Parameters;
use super::objects::{AccountObject, AccountStatusName};
use super::receipts::{WaitQuery, receipt_of};
use super::texts::{ForeignText, NameText, PlanText};
use super::{PathId, field};
use crate::domain::account::{AccountStatus, ExternalId};
use crate::domain::id::AccountId;
use crate::domain::name::Name;
use crate::error::{Code, Error, FieldError};
use crate::service::App;
use crate::service::update_account::{AccountChange, ChangedAccount, update_account};
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UpdateAccount, min_properties = 1)]
#[expect(clippy::option_option, reason = "left out, null and a text are three answers")]
pub struct Body {
    /// For people.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = NameText, required = false)]
    name: Option<String>,
    /// One of the operator's plans. Keys beyond a lower cap work on; there are just no new ones.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = PlanText, required = false)]
    plan: Option<String>,
    /// A suspended account's keys are refused by every proxy, and nobody of it may call.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = AccountStatusName, required = false)]
    status: Option<String>,
    /// What issuers of JWTs call it; null for nothing.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<ForeignText>, required = false)]
    external_id: Option<Option<String>>,
}

/// Edits an account
///
/// What is left out stays as it is. Only the operator changes plan, status and external id. With `wait` the answer holds a receipt: how many
/// proxies have the change by now, and which lag.
#[utoipa::path(
    patch,
    path = "/v1/accounts/{id}",
    operation_id = "update_account",
    tag = "Accounts",
    params(
        ("id" = uuid::Uuid, Path, description = "Id of the account"),
        ("if-match" = Option<String>, Header, description = "The ETag of an earlier answer: the account is changed only if nobody edited it since"),
        WaitQuery,
    ),
    request_body = Body,
    responses(
        (status = 200, description = "The account", body = AccountObject, headers(("etag" = String, description = "The version of what can be edited"))),
        (status = 409, description = "Another account has the external id", body = Document, content_type = "application/problem+json"),
        (status = 412, description = "Somebody edited the account meanwhile", body = Document, content_type = "application/problem+json"),
    )
)]
pub async fn handle(
    State(app): State<App>,
    by: Authenticated,
    PathId(id): PathId<AccountId>,
    IfMatch(expected): IfMatch,
    Parameters(query): Parameters<WaitQuery>,
    JsonBody(body): JsonBody<Body>,
) -> Result<impl IntoResponse, Problem> {
    let wait = query.parse()?;
    let ChangedAccount { account, revision } = update_account(&app, &by.origin(), id, &expected, parse(body)?).await?;
    let receipt = receipt_of(&app, &by, revision, wait).await;
    Ok((etag(account.version()), Json(AccountObject::from(account).with(receipt))))
}

fn parse(body: Body) -> Result<AccountChange, Error> {
    let mut errors = Vec::new();
    let name = body.name.and_then(|text| field("name", Name::parse(&text), &mut errors));
    let status = body.status.and_then(|text| {
        field("status", AccountStatus::from_name(&text).ok_or("must be `active` or `suspended`"), &mut errors)
    });
    let external_id =
        body.external_id.map(|text| text.and_then(|text| field("external_id", ExternalId::parse(&text), &mut errors)));
    let change = AccountChange { name, plan: body.plan, status, external_id };
    if errors.is_empty() && change == AccountChange::default() {
        errors.push(FieldError::new("body", "must have at least one of name, plan, status and external_id"));
    }
    if errors.is_empty() { Ok(change) } else { Err(Error::fields(Code::InvalidRequest, errors)) }
}
