//! Scopes: what a key may be used for, in the operator's own words.
//!
//! A set, kept sorted and without repeats, so that equal sets have equal texts and share one policy row.

use core::fmt;

/// The most scopes that a key has.
pub const MAX_SCOPES: usize = 64;
/// The longest scope, in bytes.
pub const MAX_SCOPE_LEN: usize = 64;

/// A set of scopes, each `[a-z0-9][a-z0-9_.:*-]{0,63}`; at most [`MAX_SCOPES`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scopes(Vec<String>);

/// Why texts are no scopes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ScopeError {
    /// Too many.
    #[error("must have at most 64 scopes")]
    TooMany,
    /// One is outside the grammar.
    #[error("must begin with a-z or 0-9 and go on with at most 63 of a-z, 0-9, `_`, `.`, `:`, `*` and `-`")]
    Grammar {
        /// Its place in the list, from 0.
        at: usize,
    },
}

impl Scopes {
    /// Checks `texts`, sorts them and drops repeats.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, ScopeError> {
        if texts.len() > MAX_SCOPES {
            return Err(ScopeError::TooMany);
        }
        if let Some(at) = texts.iter().position(|text| !is_scope(text.as_ref())) {
            return Err(ScopeError::Grammar { at });
        }
        let mut scopes: Vec<String> = texts.iter().map(|text| text.as_ref().to_owned()).collect();
        scopes.sort_unstable();
        scopes.dedup();
        Ok(Self(scopes))
    }

    /// Reads what [`Scopes::joined`] wrote.
    pub fn from_joined(text: &str) -> Self {
        Self(text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
    }

    /// The scopes joined by single spaces; empty for none.
    pub fn joined(&self) -> String {
        self.0.join(" ")
    }

    /// The scopes in order.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn is_scope(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= MAX_SCOPE_LEN
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || matches!(byte, b'_' | b'.' | b':' | b'*' | b'-'))
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.joined())
    }
}

impl serde::Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_sets_of_scopes_have_equal_texts() {
        let scopes = Scopes::parse(&["write", "read", "write"]).unwrap();
        assert_eq!(scopes.joined(), "read write");
        assert_eq!(scopes, Scopes::parse(&["read", "write"]).unwrap());
    }

    #[test]
    fn the_scope_that_is_wrong_is_named() {
        for bad in ["", "Read", "a b", ":a", "é", &"a".repeat(65)] {
            assert_eq!(Scopes::parse(&["ok", bad]), Err(ScopeError::Grammar { at: 1 }), "{bad}");
        }
        assert_eq!(Scopes::parse(&vec!["a"; 65]), Err(ScopeError::TooMany));
    }

    proptest! {
        #[test]
        fn scopes_read_back_from_their_joined_text(texts in proptest::collection::vec("[a-z0-9][a-z0-9_.:*-]{0,63}", 0..64)) {
            let scopes = Scopes::parse(&texts).unwrap();
            prop_assert_eq!(Scopes::from_joined(&scopes.joined()), scopes);
        }
    }
}
