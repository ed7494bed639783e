//! The credential of a client: a key of Keyplane, or a token of another shape.

use crate::api_key::{ApiKey, ApiKeyErrorReason};
use crate::error::BuildError;
use keyplane_contract::key::KeyError;
use std::fmt;
use zeroize::Zeroizing;

/// The longest token that is taken, in bytes: what servers take of a header as a whole.
const MAX_TOKEN: usize = 8 * 1024;

/// The shortest credential of another shape that the server takes from an operator, in bytes.
const MIN_FOREIGN: usize = 32;

/// Whether a text that is no key may be a credential all the same: the first admin key that an operator made, or a JWT. A key of
/// Keyplane's own that was damaged or cut off is none, so that its holder is told what is wrong with it.
pub(crate) fn is_foreign(text: &str, reason: &ApiKeyErrorReason) -> bool {
    let has_other_shape = matches!(reason, ApiKeyErrorReason::Malformed(KeyError::Prefix | KeyError::Character { .. }));
    has_other_shape
        && text.len() >= MIN_FOREIGN
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.starts_with("kp_")
}

/// What a client shows to the control plane.
#[derive(Clone)]
pub(crate) enum Credential {
    /// A key that was checked: an admin key, an account's key or a personal access token.
    Key(ApiKey),
    /// A JWT of a configured issuer, or an imported key.
    Token(Zeroizing<String>),
}

impl Credential {
    /// Checks that `text` can be sent, which is all that can be known of it.
    pub(crate) fn token(text: Zeroizing<String>) -> Result<Self, BuildError> {
        if text.is_empty() {
            return Err(BuildError::Token("it is empty"));
        }
        if text.len() > MAX_TOKEN {
            return Err(BuildError::Token("it is longer than a header may be"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BuildError::Token("it holds a space, a line end or a letter outside ASCII"));
        }
        Ok(Self::Token(text))
    }

    /// The whole of it.
    pub(crate) fn expose(&self) -> &str {
        match self {
            Self::Key(key) => key.expose(),
            Self::Token(text) => text,
        }
    }

    /// What may be shown of it.
    pub(crate) fn mask(&self) -> &str {
        match self {
            Self::Key(key) => key.mask(),
            Self::Token(_) => "...",
        }
    }
}

/// Shows the mask.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.mask())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_cannot_be_sent_is_refused_and_never_shown() {
        for text in ["", "two words", "line\n", "h\u{e4}", &"x".repeat(MAX_TOKEN + 1)] {
            let error = Credential::token(Zeroizing::new(text.to_owned())).unwrap_err();
            assert!(text.is_empty() || !format!("{error} {error:?}").contains(text));
        }
        let token = Credential::token(Zeroizing::new("eyJhbGciOiJub25lIn0.e30.hunter2".to_owned())).unwrap();
        assert_eq!(format!("{token:?}"), "Credential(...)");
    }
}
