//! Proxy tokens that were found valid: each poll brings one, and thousands of polls come at once after a change.
//!
//! Only valid ones are kept, of which there are two at most. A revocation empties this before it is answered, and what was read from the
//! database before it is not put in after it.

use crate::domain::id::ProxyTokenId;
use keyplane_contract::digest::Digest;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The tokens that are known to be valid.
#[derive(Debug, Default)]
pub struct KnownTokens {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    tokens: Vec<(Digest, ProxyTokenId)>,
    revocations: u64,
}

/// The moment of a look: a token that is found valid after it is kept if none was revoked since.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    revocations: u64,
}

impl KnownTokens {
    /// The token of this digest, or from when on the database is to be asked.
    pub fn find(&self, digest: &Digest) -> Result<ProxyTokenId, Moment> {
        let known = self.lock();
        let found = known.tokens.iter().find(|(of, _)| of == digest);
        found.map(|(_, id)| *id).ok_or(Moment { revocations: known.revocations })
    }

    /// Keeps a token that the database, asked since `moment`, has as valid.
    pub fn keep(&self, moment: Moment, digest: Digest, id: ProxyTokenId) {
        let mut known = self.lock();
        if known.revocations == moment.revocations && !known.tokens.iter().any(|(of, _)| *of == digest) {
            known.tokens.push((digest, id));
        }
    }

    /// Forgets all: one of them was revoked.
    pub fn forget(&self) {
        let mut known = self.lock();
        known.tokens.clear();
        known.revocations += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyplane_contract::id::Id;

    #[test]
    fn what_was_read_before_a_revocation_is_not_kept_after_it() {
        let (known, digest, id) = (KnownTokens::default(), Digest::of(b"token"), ProxyTokenId(Id([7; 16])));
        let before = known.find(&digest).unwrap_err();
        known.keep(before, digest, id);
        known.keep(before, digest, id);
        assert_eq!(known.find(&digest).unwrap(), id);
        assert_eq!(known.lock().tokens.len(), 1);
        assert!(known.find(&Digest::of(b"another")).is_err());
        known.forget();
        known.keep(before, digest, id);
        let after = known.find(&digest).unwrap_err();
        known.keep(after, digest, id);
        assert_eq!(known.find(&digest).unwrap(), id);
    }
}
