//! Asks whether an actor may do what an operation does. Each operation begins with it.

use crate::domain::actor::Reach;
use crate::domain::audit::Origin;
use crate::domain::key::KeyKind;
use crate::domain::rights::{Right, Rights};
use crate::domain::scope::Scopes;
use crate::error::{Code, Error};
use crate::store::StoredKey;

impl Origin {
    /// How far who acts reaches with this right, or the refusal.
    pub fn may(&self, right: Right) -> Result<Reach, Error> {
        self.actor.may(right).ok_or_else(|| Error::new(Code::Forbidden))
    }

    /// Refuses to hand a key to somebody who lacks rights over Keyplane that it gives: nobody can raise themselves.
    pub fn may_hand_on(&self, scopes: &Scopes) -> Result<(), Error> {
        if self.actor.grantable().cover(Rights::of(scopes)) {
            Ok(())
        } else {
            let detail = "The key has rights over Keyplane (scopes that begin with `keyplane:`) that you do not have.";
            Err(Error::with_detail(Code::Forbidden, detail))
        }
    }
}

/// What was found under an id, if it is of this kind and exists for the actor.
pub(super) fn visible(found: Option<StoredKey>, kind: KeyKind, reach: Reach) -> Result<StoredKey, Error> {
    let exists = |stored: &StoredKey| {
        let covered = match stored.user {
            Some(user) => reach.covers_user(stored.account, user),
            None => reach.covers(stored.account),
        };
        covered && stored.key.owner.kind() == kind
    };
    found.filter(exists).ok_or_else(|| Error::not_found(kind.noun()))
}
