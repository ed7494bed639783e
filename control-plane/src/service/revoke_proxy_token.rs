//! Revokes a proxy token: at once, and for good.

use super::create_proxy_token::told;
use super::{App, audit};
use crate::domain::audit::{Action, Origin};
use crate::domain::credential::ProxyToken;
use crate::domain::id::ProxyTokenId;
use crate::domain::rights::{Resource, Right};
use crate::domain::version::Expected;
use crate::error::{Code, Error};
use std::sync::Arc;

/// Revokes a proxy token, if it is as `expected`. Its waiting polls end. The last one may go too: then no proxy hears of changes, and each
/// goes on with the table that it has. One that is revoked already stays as it is.
pub async fn revoke_proxy_token(
    app: &App,
    by: &Origin,
    id: ProxyTokenId,
    expected: &Expected,
) -> Result<ProxyToken, Error> {
    by.may(Right::write(Resource::ProxyTokens))?;
    let now = app.now();
    let mut tx = app.store.write().await?;
    let token = tx.proxy_token(id).await?.ok_or_else(|| Error::not_found("proxy token"))?;
    if token.revoked_at.is_some() {
        // The revoking that was seen here may not be on the disk yet.
        tx.commit().await?;
        return Ok(token);
    }
    if !expected.allows(token.version()) {
        return Err(Error::new(Code::PreconditionFailed));
    }
    let token = ProxyToken { revoked_at: Some(now), ..token };
    tx.update_proxy_token(&token).await?;
    tx.append_audit(&audit(now, by, Action::RevokeProxyToken, id.0, None, told(&token))).await?;
    let (known, workers) = (Arc::clone(&app.proxy_tokens), Arc::clone(&app.workers));
    // To its end, also if who asked goes away meanwhile: what is revoked on the disk must not be known as valid here.
    let revoking = tokio::spawn(async move {
        let committed = tx.commit().await;
        known.forget();
        workers.tell_of_revocation();
        committed
    });
    revoking.await.map_err(Error::internal)??;
    Ok(token)
}
