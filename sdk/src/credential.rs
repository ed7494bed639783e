//! The credential of a client: a key of Keyplane, or a token of another shape.

use crate::api_key::ApiKey;
use crate::error::BuildError;
use std::fmt;
use zeroize::Zeroizing;

/// The longest token that is taken, in bytes: what servers take of a header as a whole.
const MAX_TOKEN: usize = 8 * 1024;

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
