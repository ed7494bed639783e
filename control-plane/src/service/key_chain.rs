//! The keys before and after a key: what it was made to replace, and what took its place.

use super::App;
use super::permit::visible;
use crate::domain::audit::Origin;
use crate::domain::id::KeyId;
use crate::domain::key::{Key, KeyKind};
use crate::domain::rights::{Resource, Right};
use crate::error::Error;

/// A key's neighbours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyChain {
    /// The key that it replaces.
    pub before: Option<Key>,
    /// The key that took its place.
    pub after: Option<Key>,
}

/// Looks up the neighbours of a key.
pub async fn key_chain(app: &App, by: &Origin, id: KeyId) -> Result<KeyChain, Error> {
    let reach = by.may(Right::read(Resource::Keys))?;
    let key = visible(app.store.key(id).await?, KeyKind::Key, reach)?.key;
    let neighbour = async |id: Option<KeyId>| -> Result<Option<Key>, Error> {
        let Some(id) = id else { return Ok(None) };
        Ok(visible(app.store.key(id).await?, KeyKind::Key, reach).ok().map(|stored| stored.key))
    };
    let before = neighbour(app.store.replaced_key(id).await?).await?;
    Ok(KeyChain { before, after: neighbour(key.replaced_by).await? })
}
