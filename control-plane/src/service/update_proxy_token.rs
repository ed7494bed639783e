//! Gives a proxy token another name.

use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::credential::ProxyToken;
use crate::domain::id::ProxyTokenId;
use crate::domain::name::Name;
use crate::domain::rights::{Resource, Right};
use crate::domain::version::Expected;
use crate::error::{Code, Error};
use serde_json::json;

/// Renames a proxy token, if it is as `expected`. What is so already changes nothing.
pub async fn update_proxy_token(
    app: &App,
    by: &Origin,
    id: ProxyTokenId,
    expected: &Expected,
    name: Name,
) -> Result<ProxyToken, Error> {
    by.may(Right::write(Resource::ProxyTokens))?;
    let now = app.now();
    let mut tx = app.store.write().await?;
    let old = tx.proxy_token(id).await?.ok_or_else(|| Error::not_found("proxy token"))?;
    if !expected.allows(old.version()) {
        return Err(Error::new(Code::PreconditionFailed));
    }
    if name == old.name {
        // The name that was seen here may not be on the disk yet.
        tx.commit().await?;
        return Ok(old);
    }
    let detail = json!({ "from": old.name, "to": name });
    let token = ProxyToken { name, ..old };
    tx.update_proxy_token(&token).await?;
    tx.append_audit(&audit(now, by, Action::RenameProxyToken, id.0, None, detail)).await?;
    tx.commit().await?;
    Ok(token)
}
