//! Who calls: from a credential to a [`Caller`] of the management API, or to a proxy.
//!
//! A credential is looked up by its digest. Someone who measures the look-up's time learns about digests only, and
//! cannot turn that into a credential.

use super::App;
use crate::domain::audit::Actor;
use crate::domain::id::{AdminKeyId, ProxyTokenId};
use crate::domain::secret::Secret;
use crate::error::{Code, Error};

/// Who calls the management API. Account keys, personal tokens and users come beside it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caller {
    /// The holder of an admin key: the operator, who may do everything.
    Admin(AdminKeyId),
}

impl Caller {
    /// The caller as the audit log names it.
    pub const fn actor(self) -> Actor {
        match self {
            Self::Admin(id) => Actor::AdminKey(id),
        }
    }
}

/// Finds out who presents `credential` to the management API.
pub async fn caller(app: &App, credential: &Secret) -> Result<Caller, Error> {
    let admin = app.store.admin_key(&credential.digest()).await?;
    admin.map(Caller::Admin).ok_or(Error::new(Code::CredentialInvalid))
}

/// Finds out whether `credential` is a proxy token.
pub async fn proxy(app: &App, credential: &Secret) -> Result<ProxyTokenId, Error> {
    let token = app.store.proxy_token(&credential.digest()).await?;
    token.ok_or_else(|| {
        Error::with_detail(
            Code::CredentialInvalid,
            "The proxy token is not valid. Proxies read it from the environment variable KEYPLANE_PROXY_TOKEN.",
        )
    })
}
