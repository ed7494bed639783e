//! The control plane's promises, kept by the real routes on a real database file, and by the real binary where the promise is
//! about a process. One binary, so that it links once.

#[path = "api/support.rs"]
mod support;

#[allow(dead_code, reason = "the tests of verification use all of it")]
#[path = "jwt/issuer.rs"]
mod issuer;

#[path = "api/admin_keys.rs"]
mod admin_keys;
#[path = "api/audit.rs"]
mod audit;
#[path = "api/auth.rs"]
mod auth;
#[path = "api/calls.rs"]
mod calls;
#[path = "api/dashboard.rs"]
mod dashboard;
#[path = "api/dashboard_audit.rs"]
mod dashboard_audit;
#[path = "api/dashboard_overview.rs"]
mod dashboard_overview;
#[path = "api/dashboard_projects.rs"]
mod dashboard_projects;
#[path = "api/dashboard_proxies.rs"]
mod dashboard_proxies;
#[path = "api/dashboard_roles.rs"]
mod dashboard_roles;
#[path = "api/dashboard_rotate.rs"]
mod dashboard_rotate;
#[path = "api/dashboard_sessions.rs"]
mod dashboard_sessions;
#[path = "api/dashboard_settings.rs"]
mod dashboard_settings;
#[path = "api/dashboard_sign_in.rs"]
mod dashboard_sign_in;
#[path = "api/dashboard_team.rs"]
mod dashboard_team;
#[path = "api/dashboard_tokens.rs"]
mod dashboard_tokens;
#[path = "api/dashboard_usage.rs"]
mod dashboard_usage;
#[path = "api/every_route.rs"]
mod every_route;
#[path = "api/feed.rs"]
mod feed;
#[path = "api/filter.rs"]
mod filter;
#[path = "api/idempotency.rs"]
mod idempotency;
#[path = "api/input.rs"]
mod input;
#[path = "api/jwt_callers.rs"]
mod jwt_callers;
#[path = "api/keys.rs"]
mod keys;
#[path = "api/lists.rs"]
mod lists;
#[path = "api/matrix.rs"]
mod matrix;
#[path = "api/migration.rs"]
mod migration;
#[cfg(unix)]
#[path = "api/process.rs"]
mod process;
#[path = "api/proxy_tokens.rs"]
mod proxy_tokens;
#[path = "api/receipts.rs"]
mod receipts;
#[path = "api/retiring.rs"]
mod retiring;
#[path = "api/store.rs"]
mod store;
#[path = "api/tenants.rs"]
mod tenants;
#[path = "api/tokens.rs"]
mod tokens;
#[path = "api/told.rs"]
mod told;
#[path = "api/usage.rs"]
mod usage;
#[path = "api/usage_report.rs"]
mod usage_report;
#[path = "api/visitor.rs"]
mod visitor;
