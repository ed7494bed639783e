//! What texts of the API look like: for the description, and so for whoever generates a client or test data from it. They
//! say what the domain's parsers check; a text that fits is accepted, one that does not is refused.

#![expect(dead_code, reason = "these types only describe")]

use utoipa::ToSchema;

/// For people: need not be unique. White space around it is taken off.
// Not only white space, and without what `domain::name` calls a control character.
#[derive(ToSchema)]
#[schema(
    as = Name,
    value_type = String,
    min_length = 1,
    max_length = 100,
    pattern = r"^[^\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]*[^\s\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069][^\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]*$",
    example = "Production server"
)]
pub struct NameText(String);

/// What a key may be used for, in your own words.
#[derive(ToSchema)]
#[schema(as = Scope, value_type = String, max_length = 64, pattern = "^[a-z0-9][a-z0-9_.:*-]*$", example = "jobs:read")]
pub struct ScopeText(String);

/// What keys begin with. `kp_admin` and `kp_proxy` are Keyplane's own.
#[derive(ToSchema)]
#[schema(as = Prefix, value_type = String, max_length = 16, pattern = "^[a-z]([a-z0-9_]*[a-z0-9])?$")]
pub struct PrefixText(String);

/// A `next_cursor` of an earlier answer, unchanged. It means nothing else to you.
#[derive(ToSchema)]
#[schema(as = Cursor, value_type = String, format = "cursor")]
pub struct CursorText(String);

/// One of the operator's plans.
#[derive(ToSchema)]
#[schema(as = PlanName, value_type = String, min_length = 1, format = "plan", example = "free")]
pub struct PlanText(String);

/// A network in CIDR notation, or a single address.
#[derive(ToSchema)]
#[schema(as = Network, value_type = String, max_length = 43, format = "cidr", example = "203.0.113.0/24")]
pub struct NetworkText(String);

/// A mail address.
#[derive(ToSchema)]
#[schema(as = Email, value_type = String, max_length = 254, format = "email", example = "ada@example.com")]
pub struct EmailText(String);

/// What another system calls it.
#[derive(ToSchema)]
#[schema(as = ForeignId, value_type = String, min_length = 1, max_length = 255, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
pub struct ForeignText(String);

/// Why a key is revoked, in a line. White space around it is taken off.
#[derive(ToSchema)]
#[schema(
    as = RevokeReason,
    value_type = String,
    min_length = 1,
    max_length = 200,
    pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
)]
pub struct ReasonText(String);

/// How long an answer may wait, at most 55 seconds.
#[derive(ToSchema)]
#[schema(
    as = Wait,
    value_type = String,
    pattern = "^(([0-4]?[0-9]|5[0-5])s|([0-4]?[0-9]{1,4}|5[0-4][0-9]{3}|55000)ms)$",
    example = "5s"
)]
pub struct WaitText(String);

/// A `next_cursor` of an earlier answer of the audit log, unchanged. It means nothing else to you.
#[derive(ToSchema)]
#[schema(as = AuditCursor, value_type = String, format = "audit-cursor")]
pub struct AuditCursorText(String);
