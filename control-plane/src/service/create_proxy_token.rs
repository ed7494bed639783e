//! Makes a proxy token, the successor of the one in use. This is the only time that its secret leaves.

use super::pending::Pending;
use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::credential::{MAX_PROXY_TOKENS, ProxyToken};
use crate::domain::id::ProxyTokenId;
use crate::domain::name::Name;
use crate::domain::rights::{Resource, Right};
use crate::domain::secret::{PROXY_PREFIX, Secret};
use crate::error::{Code, Error};
use keyplane_contract::key::Prefix;
use serde_json::{Value, json};

/// A new proxy token and its secret.
#[derive(Debug)]
pub struct CreatedProxyToken {
    /// The token.
    pub token: ProxyToken,
    /// The full token.
    pub secret: Secret,
}

/// Makes a proxy token, unless two are valid.
pub async fn create_proxy_token(app: &App, by: &Origin, name: Name) -> Result<Pending<CreatedProxyToken>, Error> {
    by.may(Right::write(Resource::ProxyTokens))?;
    let now = app.now();
    let id = ProxyTokenId::generate(now, &*app.random)?;
    let secret = Secret::generate(&Prefix::parse(PROXY_PREFIX).map_err(Error::internal)?, &*app.random)?;
    let token = ProxyToken { id, name, mask: secret.mask(), created_at: now, revoked_at: None };
    let mut tx = app.store.write().await?;
    let valid = tx.valid_proxy_tokens().await?;
    if let Some(oldest) = valid.first().filter(|_| valid.len() >= MAX_PROXY_TOKENS) {
        let detail = format!(
            "Two proxy tokens are valid already. Once all proxies have the newer one, revoke the older: `{}` ({}, id {}).",
            oldest.name, oldest.mask, oldest.id
        );
        return Err(Error::with_detail(Code::ProxyTokenLimit, detail));
    }
    tx.insert_proxy_token(&token, &secret.digest()).await?;
    tx.append_audit(&audit(now, by, Action::CreateProxyToken, id.0, None, told(&token))).await?;
    Ok(Pending::new(CreatedProxyToken { token, secret }, tx))
}

/// What the audit log tells of a proxy token.
pub(super) fn told(token: &ProxyToken) -> Value {
    json!({ "name": token.name, "key_prefix": token.mask })
}
