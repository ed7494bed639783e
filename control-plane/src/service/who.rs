//! Tells a caller who they are: the first thing that people try with a key.

use super::App;
use crate::domain::actor::Actor;
use crate::domain::audit::Origin;
use crate::domain::id::AdminKeyId;
use crate::domain::key::Key;
use crate::domain::name::Name;
use crate::domain::rights::Access;
use crate::domain::user::User;
use crate::error::{Code, Error};

/// Who calls.
#[derive(Clone, Debug)]
pub enum Who {
    /// The operator, by this admin key.
    AdminKey {
        /// Its id.
        id: AdminKeyId,
        /// Its name.
        name: Name,
        /// Whether it may change things.
        access: Access,
    },
    /// An account's key.
    Key(Box<Key>),
    /// A person.
    User(Box<User>),
}

/// Says who calls. It takes no right: who gets here is somebody.
pub async fn who(app: &App, by: &Origin) -> Result<Who, Error> {
    // Each can have gone since the credential was looked at.
    let gone = || Error::new(Code::CredentialInvalid);
    match by.actor {
        Actor::AdminKey { id, access } => {
            let key = app.store.admin_key(id).await?.filter(|key| key.revoked_at.is_none()).ok_or_else(gone)?;
            Ok(Who::AdminKey { id, name: key.name, access })
        }
        Actor::Key { id, .. } => Ok(Who::Key(Box::new(app.store.key(id).await?.ok_or_else(gone)?.key))),
        Actor::User { id, .. } => Ok(Who::User(Box::new(app.store.user(id).await?.ok_or_else(gone)?))),
        Actor::System => Err(Error::internal("the system asks who it is")),
    }
}
