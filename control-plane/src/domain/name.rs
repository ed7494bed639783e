//! Names that people give to things: 1 to 100 characters, no control characters, not only white space, which is trimmed.
//!
//! The rules are about the text as it was sent, so that a schema can tell them (`http::v1::texts`).

use core::fmt;

/// The longest name, in characters.
pub const MAX_NAME: usize = 100;

/// A name of an account, a project or a key.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// Nothing but white space.
    #[error("must have at least one character that is not white space")]
    Empty,
    /// Too long.
    #[error("must have at most 100 characters")]
    TooLong,
    /// A control character, or one that turns the reading direction and so could disguise the name.
    #[error("must not contain control characters")]
    Control,
}

impl Name {
    /// Checks `text` and trims it.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let trimmed = text.trim();
        if text.chars().count() > MAX_NAME {
            Err(NameError::TooLong)
        } else if text.chars().any(|c| c.is_control() || is_direction(c)) {
            Err(NameError::Control)
        } else if trimmed.is_empty() {
            Err(NameError::Empty)
        } else {
            Ok(Self(trimmed.to_owned()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bidirectional controls (Unicode, UAX #9) and the line separators.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(Name::parse("  Prod ").unwrap().as_str(), "Prod");
        assert_eq!(Name::parse(&"é".repeat(100)).unwrap().as_str().chars().count(), 100);
        assert_eq!(Name::parse(&"é".repeat(101)), Err(NameError::TooLong));
        assert_eq!(Name::parse("  "), Err(NameError::Empty));
        assert_eq!(Name::parse("a\u{0}b"), Err(NameError::Control));
        assert_eq!(Name::parse("a\nb"), Err(NameError::Control));
        assert_eq!(Name::parse("a\u{202e}b"), Err(NameError::Control));
    }
}
