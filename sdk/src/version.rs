//! Versions of objects, so that two who edit at once do not undo each other's changes: `ETag` and `If-Match`.

use std::fmt;
use std::str::FromStr;

/// The longest version that is taken, in bytes. The server's have 32.
const MAX: usize = 128;

/// Which version of an object somebody read: of all that can be edited of it. What changes by itself, such as the last use, does not count.
///
/// Opaque: it comes with a [`Versioned`] object, and goes with an edit, which is then done only if the object is still as it
/// was read. Otherwise the edit fails with [`Error::Changed`](crate::Error::Changed) and changes nothing.
///
/// ```no_run
/// # async fn run(client: keyplane_sdk::Client, id: keyplane_sdk::KeyId) -> Result<(), keyplane_sdk::Error> {
/// use keyplane_sdk::{Error, UpdateKey};
///
/// // One scope more than the key has, whatever others do to it meanwhile.
/// loop {
///     let read = client.keys().get_versioned(id).await?;
///     let mut scopes = read.object.scopes;
///     scopes.push("files:read".to_owned());
///     match client.keys().update(id, &UpdateKey::new().scopes(scopes).if_version(&read.version)).await {
///         Err(Error::Changed(_)) => {} // somebody was quicker: again, with what they made of it
///         result => break result.map(drop),
///     }
/// }
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Version(Box<str>);

impl Version {
    /// The text, for a form or a file in which an edit waits; [`parse`](str::parse) reads it again.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The version that the header `ETag` of an answer tells. Compression on the way may have made it a weak one; what it names
    /// is the object's state, not the bytes of an answer, so it is as good.
    pub(crate) fn from_etag(value: &str) -> Option<Self> {
        let tag = value.strip_prefix("W/").unwrap_or(value);
        tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
    }

    /// The value of `If-Match` that asks for it.
    pub(crate) fn condition(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

/// A text that is no version. Does not carry the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct VersionError;

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no version of an object: take it from an object that was read with its version")
    }
}

impl std::error::Error for VersionError {}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        // What may stand between the quotes of a tag, but for letters beyond ASCII.
        let plain = |byte: u8| matches!(byte, b'!' | b'#'..=b'~');
        let is_version = !text.is_empty() && text.len() <= MAX && text.bytes().all(plain);
        if is_version { Ok(Self(text.into())) } else { Err(VersionError) }
    }
}

/// Without the text, which is whatever a server sent.
impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version").finish_non_exhaustive()
    }
}

/// An object and its version when it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Versioned<T> {
    /// The object.
    pub object: T,
    /// Its version.
    pub version: Version,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_what_stands_between_the_quotes_of_a_tag() {
        let version = Version::from_etag("\"00ff\"").unwrap();
        assert_eq!((version.as_str(), version.condition().as_str()), ("00ff", "\"00ff\""));
        assert_eq!(Version::from_etag("W/\"00ff\""), Some(version.clone()));
        assert_eq!(version.as_str().parse(), Ok(version.clone()));
        assert!(!format!("{version:?} {version:#?}").contains("00ff"));
        let long = format!("\"{}\"", "a".repeat(MAX + 1));
        for bad in ["", "\"", "\"\"", "00ff", "\"00ff", "w/\"00ff\"", "\"a\", \"b\"", "\"a b\"", "\"a\nb\"", &long] {
            assert_eq!(Version::from_etag(bad), None, "{bad}");
        }
        assert_eq!("a\"b".parse::<Version>(), Err(VersionError));
    }
}
