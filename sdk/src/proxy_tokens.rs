//! Proxy tokens, with which proxies read the feed: `/v1/proxy_tokens`.

use crate::api_key::ApiKey;
use crate::error::Error;
use crate::id::ProxyTokenId;
use crate::page::{Page, Pager, Range, one_page};
use crate::transport::{Call, Transport};
use crate::version::{Version, Versioned};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const PATH: &[&str] = &["v1", "proxy_tokens"];

/// The operations on proxy tokens; see [`Client::proxy_tokens`](crate::Client::proxy_tokens).
#[derive(Clone, Copy)]
pub struct ProxyTokens<'a> {
    pub(crate) transport: &'a Arc<Transport>,
}

impl ProxyTokens<'_> {
    /// Creates a proxy token, the successor of the one in use: two may be valid at once. The answer holds the secret, which
    /// cannot be read again.
    pub async fn create(self, name: impl Into<String>) -> Result<CreatedProxyToken, Error> {
        self.transport.send(Call::post(PATH, &Named { name: name.into() })).await
    }

    /// The proxy token with this id.
    pub async fn get(self, id: ProxyTokenId) -> Result<ProxyToken, Error> {
        self.transport.send(Call::get(&["v1", "proxy_tokens", &id.to_string()])).await
    }

    /// The proxy token with this id, and its version, for an edit that is done only if nobody edited it meanwhile.
    pub async fn get_versioned(self, id: ProxyTokenId) -> Result<Versioned<ProxyToken>, Error> {
        self.transport.send_versioned(Call::get(&["v1", "proxy_tokens", &id.to_string()])).await
    }

    /// One page of proxy tokens.
    pub async fn list(self, list: ListProxyTokens) -> Result<Page<ProxyToken>, Error> {
        one_page(self.transport, PATH, list.into()).await
    }

    /// All proxy tokens of the list, read page by page.
    pub fn all(self, list: ListProxyTokens) -> Pager<ProxyToken> {
        Pager::new(Arc::clone(self.transport), PATH, list.into())
    }

    /// Gives the token another name.
    pub async fn rename(self, id: ProxyTokenId, name: impl Into<String>) -> Result<ProxyToken, Error> {
        self.transport.send(Call::patch(&["v1", "proxy_tokens", &id.to_string()], &Named { name: name.into() })).await
    }

    /// Gives the token another name as [`rename`](Self::rename) does, if it still has this version. Otherwise the answer is
    /// [`Error::Changed`].
    pub async fn rename_if(
        self,
        id: ProxyTokenId,
        name: impl Into<String>,
        version: &Version,
    ) -> Result<ProxyToken, Error> {
        let call = Call::patch(&["v1", "proxy_tokens", &id.to_string()], &Named { name: name.into() });
        self.transport.send(call.if_version(Some(version))).await
    }

    /// Revokes the token for good. Proxies that have no other hear of no change from then on.
    pub async fn revoke(self, id: ProxyTokenId) -> Result<ProxyToken, Error> {
        self.transport.send(Call::delete(&["v1", "proxy_tokens", &id.to_string()])).await
    }

    /// Revokes the token as [`revoke`](Self::revoke) does, if it still has this version. Otherwise the answer is [`Error::Changed`].
    pub async fn revoke_if(self, id: ProxyTokenId, version: &Version) -> Result<ProxyToken, Error> {
        let call = Call::delete(&["v1", "proxy_tokens", &id.to_string()]);
        self.transport.send(call.if_version(Some(version))).await
    }
}

/// A proxy token, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ProxyToken {
    /// The token's id.
    pub id: ProxyTokenId,
    /// Its name, for people.
    pub name: String,
    /// The mask: what may be shown of the token.
    pub key_prefix: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was revoked; `None` while it is valid.
    pub revoked_at: Option<Timestamp>,
}

/// A proxy token that was just created.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct CreatedProxyToken {
    /// The token.
    #[serde(flatten)]
    pub token: ProxyToken,
    /// The secret, this once.
    #[serde(rename = "key")]
    pub secret: ApiKey,
}

#[derive(Serialize)]
struct Named {
    name: String,
}

/// Which proxy tokens to list, and how many at a time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListProxyTokens {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl ListProxyTokens {
    /// All of them, the revoked ones too, in pages of the server's usual size.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most objects on a page.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Begins where an earlier page ended: its [`next_cursor`](Page::next_cursor).
    #[must_use]
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }
}

impl From<ListProxyTokens> for Range {
    fn from(list: ListProxyTokens) -> Self {
        let filters = [list.limit.map(|limit| ("limit", limit.to_string()))];
        Self { filters: filters.into_iter().flatten().collect(), cursor: list.cursor }
    }
}
