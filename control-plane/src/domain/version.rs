//! Which version of an object someone saw, so that two who edit at once do not undo each other's changes.

use core::fmt;
use keyplane_contract::digest::Digest;

/// Identity of the parts of an object that can be edited. Equal parts have equal versions, also after a change and its undoing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Version(Digest);

impl Version {
    /// The version of these parts. Their lengths count too, so that moving text from one to the next is a change.
    pub fn of(parts: &[&str]) -> Self {
        let parts: Vec<_> = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
        Self(Digest::of(parts.concat().as_bytes()))
    }
}

impl fmt::Display for Version {
    /// 32 hexadecimal digits: half of the digest is plenty, for nobody gains by making two versions alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_bytes().iter().take(16).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Which version the caller means to change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Whichever it is.
    Any,
    /// One of these, in text form. A text that is no version fits nothing.
    OneOf(Vec<String>),
}

impl Expected {
    /// Whether a change of `version` is meant.
    pub fn allows(&self, version: Version) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_moves_from_one_part_to_the_next_is_another_version() {
        assert_ne!(Version::of(&["ab", "c"]), Version::of(&["a", "bc"]));
        assert_ne!(Version::of(&["a", ""]), Version::of(&["a"]));
        assert_eq!(Version::of(&["a", "b"]), Version::of(&["a", "b"]));
    }
}
