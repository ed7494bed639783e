//! Who calls, as Envoy's filter tells the service behind it.

#[cfg(feature = "axum")]
mod extract;
mod headers;
mod layer;
mod read;
mod refusal;

pub use headers::{PrincipalField, PrincipalHeaders};
pub use layer::{PrincipalFuture, PrincipalLayer, PrincipalService};
pub use refusal::{Refusal, RefusalReason};

use crate::environment::Environment;
use crate::id::{AccountId, KeyId, ProjectId, UserId};

/// Who calls: what the filter has found out about a request that it let pass.
///
/// It is read from the headers `x-keyplane-*`, the filter's preset `keyplane`, or from those that [`PrincipalHeaders`] names. They are what a key, a
/// personal access token or a JWT stands for; the credential itself does not get here.
///
/// # What it rests on
///
/// **That nobody but Envoy can reach the service.** The filter removes these headers from every request before it writes its own, so what comes
/// through Envoy is true. They are not signed: whoever reaches the service past Envoy can write into them what they like, and be any account, with
/// any scope. No check in this crate can tell. So let the service listen on loopback or a Unix socket beside Envoy, or have the network (a mesh with
/// mutual TLS and an `AuthorizationPolicy`, a network policy, a firewall) let nobody else in, and mind that this holds for debug ports and second
/// listeners of Envoy's without the filter, too.
///
/// What can be told is refused: no identity, a header that stands twice, a value that the filter never writes, half an identity.
///
/// # With axum
///
/// With the feature `axum` it is an extractor. `Option<Principal>` is for handlers that serve public paths too.
///
#[cfg_attr(feature = "axum", doc = "```")]
#[cfg_attr(not(feature = "axum"), doc = "```ignore")]
/// use axum::{Router, routing::get};
/// use keyplane_sdk::{Principal, PrincipalLayer, Refusal};
///
/// async fn list(principal: Principal) -> Result<String, Refusal> {
///     principal.require_scope("files:read")?;
///     Ok(format!("files of {}", principal.account().unwrap_or("nobody")))
/// }
///
/// let app: Router = Router::new()
///     .route("/v1/files", get(list))
///     .layer(PrincipalLayer::new());
/// ```
///
/// # With other servers
///
/// [`PrincipalLayer`] is a layer of tower, and [`Principal::from_headers`] needs the headers only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Principal {
    key_id: Option<KeyId>,
    account: Option<String>,
    project_id: Option<ProjectId>,
    environment: Option<Environment>,
    user: Option<String>,
    scopes: Vec<String>,
}

impl Principal {
    /// Reads the headers of a request, under the names of the preset `keyplane`; [`PrincipalHeaders::read`] does so under others.
    ///
    /// ```
    /// use keyplane_sdk::{Principal, RefusalReason};
    ///
    /// let mut headers = http::HeaderMap::new();
    /// assert_eq!(Principal::from_headers(&headers).unwrap_err().reason(), &RefusalReason::Missing);
    ///
    /// for (name, value) in [
    ///     ("x-keyplane-key-id", "01890a5d-ac96-774b-bcce-b302099a8057"),
    ///     ("x-keyplane-account", "01890a5d-ac96-774b-bcce-b302099a8058"),
    ///     ("x-keyplane-environment", "live"),
    ///     ("x-keyplane-scopes", "files:read files:write"),
    /// ] {
    ///     headers.insert(name, value.parse()?);
    /// }
    /// let principal = Principal::from_headers(&headers)?;
    /// assert!(principal.has_scope("files:write"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_headers(headers: &http::HeaderMap) -> Result<Self, Refusal> {
        PrincipalHeaders::keyplane().read(headers)
    }

    /// The key or personal access token; `None` for a JWT, and where the key's id has no header.
    pub const fn key_id(&self) -> Option<KeyId> {
        self.key_id
    }

    /// The account: the text of its id, or what a JWT names it. `None` for a JWT whose settings in the filter name no account.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The account, where its text is an id.
    pub fn account_id(&self) -> Option<AccountId> {
        self.account()?.parse().ok()
    }

    /// The project of the key; `None` for a personal access token or a JWT, and where the project has no header.
    pub const fn project_id(&self) -> Option<ProjectId> {
        self.project_id
    }

    /// Live or test. `None` for a JWT whose settings do not say, and where the environment has no header.
    pub const fn environment(&self) -> Option<Environment> {
        self.environment
    }

    /// The user: the text of its id, or what a JWT names it. `None` for a key, which is nobody's in person.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The user, where its text is an id.
    pub fn user_id(&self) -> Option<UserId> {
        self.user()?.parse().ok()
    }

    /// The scopes, as they were given to the key; empty when it has none.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Whether this is one of the scopes. Scopes are compared as they are: `files:*` is a name like any other.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|has| has == scope)
    }

    /// Refuses with 403 who does not have this scope.
    pub fn require_scope(&self, scope: &str) -> Result<(), Refusal> {
        if self.has_scope(scope) { Ok(()) } else { Err(Refusal::scope_missing(&[scope.to_owned()])) }
    }

    /// Refuses with 403 who has none of these scopes.
    pub fn require_any_scope(&self, scopes: &[&str]) -> Result<(), Refusal> {
        if scopes.iter().any(|scope| self.has_scope(scope)) {
            return Ok(());
        }
        Err(Refusal::scope_missing(&scopes.iter().map(|&scope| scope.to_owned()).collect::<Vec<_>>()))
    }

    /// Refuses with 403 who calls in the other environment, or in none.
    pub fn require_environment(&self, environment: Environment) -> Result<(), Refusal> {
        if self.environment == Some(environment) { Ok(()) } else { Err(Refusal::environment(environment)) }
    }
}
