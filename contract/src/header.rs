//! Header names that more than one part uses. All lower case, as HTTP/2 and Envoy carry them.

/// The key's id, to the upstream.
pub const KEY_ID: &str = "x-keyplane-key-id";
/// The account's id, to the upstream.
pub const ACCOUNT: &str = "x-keyplane-account";
/// The project's id, to the upstream. Absent for a personal access token.
pub const PROJECT: &str = "x-keyplane-project";
/// `live` or `test`, to the upstream.
pub const ENVIRONMENT: &str = "x-keyplane-environment";
/// The user's id, to the upstream. Only for a personal access token.
pub const USER: &str = "x-keyplane-user";
/// The key's scopes joined by spaces, to the upstream. Absent when it has none.
pub const SCOPES: &str = "x-keyplane-scopes";

/// What every identity header begins with. The filter removes each request header that begins so, with `_` taken for `-`.
pub const OWNED_PREFIX: &str = "x-keyplane-";

/// The proxy's own name (Envoy's node id), in a sync request.
pub const PROXY: &str = "x-keyplane-proxy";
/// The worker's id (a UUID), in a sync request.
pub const WORKER: &str = "x-keyplane-worker";
/// The filter's version, in a sync request.
pub const FILTER_VERSION: &str = "x-keyplane-filter";

/// Media type of sync pages and usage batches.
pub const SYNC_MEDIA_TYPE: &str = "application/vnd.keyplane.sync";
