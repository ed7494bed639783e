//! Metadata in a policy's row: pairs of a name and a value that the operator chose to tell proxies. They only inform.
//!
//! A pair is `name: u8 length and text, value: u16 length and text`. The pairs of a policy stay together as these bytes, on
//! the wire, in the database and in a filter's table: compact, and equal when what they say is.

use super::SyncError;
use super::bytes::Reader;

/// Pairs of a name and a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Metadata<'a>(&'a [u8]);

impl<'a> Metadata<'a> {
    /// No pairs.
    pub const NONE: Self = Self(&[]);

    /// The pairs in these bytes. What is no pair ends them.
    #[must_use]
    pub const fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether there is no pair.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The pairs, each a name and its value.
    #[must_use]
    pub const fn iter(self) -> Pairs<'a> {
        Pairs(Reader::new(self.0))
    }

    /// The value of this name.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.iter().find_map(|(found, value)| (found == name).then_some(value))
    }

    /// Writes `pairs` as bytes. A name above 255 bytes or a value above 65,535 is an error.
    pub fn encode<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> Result<Vec<u8>, SyncError> {
        let mut bytes = Vec::new();
        for (name, value) in pairs {
            bytes.push(u8::try_from(name.len()).map_err(|_| SyncError::Length)?);
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(&u16::try_from(value.len()).map_err(|_| SyncError::Length)?.to_le_bytes());
            bytes.extend_from_slice(value.as_bytes());
        }
        Ok(bytes)
    }

    /// Takes so many pairs from `reader`; each must be whole and text.
    pub(super) fn read(reader: &mut Reader<'a>, count: u16) -> Result<Self, SyncError> {
        let start = reader.rest();
        for _ in 0..count {
            pair(reader)?;
        }
        let length = start.len() - reader.rest().len();
        Reader::new(start).take(length).map(Self)
    }
}

impl<'a> IntoIterator for Metadata<'a> {
    type Item = (&'a str, &'a str);
    type IntoIter = Pairs<'a>;

    fn into_iter(self) -> Pairs<'a> {
        self.iter()
    }
}

/// Iterator over the pairs of a [`Metadata`].
#[derive(Clone)]
pub struct Pairs<'a>(Reader<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let pair = pair(&mut self.0).ok();
        if pair.is_none() {
            self.0 = Reader::new(&[]);
        }
        pair
    }
}

fn pair<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, &'a str), SyncError> {
    let name = usize::from(reader.u8()?);
    let (name, value) = (reader.take(name)?, reader.prefixed()?);
    let text = |bytes| core::str::from_utf8(bytes).map_err(|_| SyncError::Length);
    Ok((text(name)?, text(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_is_found_by_its_name() {
        let bytes = Metadata::encode([("plan", "pro"), ("tier", ""), ("plan", "later")]).unwrap();
        let metadata = Metadata::from_bytes(&bytes);
        assert_eq!((metadata.get("plan"), metadata.get("tier"), metadata.get("pla")), (Some("pro"), Some(""), None));
        assert!(Metadata::NONE.is_empty() && Metadata::NONE.get("").is_none());
    }

    #[test]
    fn what_does_not_fit_its_length_is_not_written() {
        let long = "n".repeat(256);
        assert_eq!(Metadata::encode([(long.as_str(), "")]), Err(SyncError::Length));
        let long = "v".repeat(65_536);
        assert_eq!(Metadata::encode([("n", long.as_str())]), Err(SyncError::Length));
    }

    proptest! {
        #[test]
        fn pairs_read_back(pairs in proptest::collection::vec((".{0,20}", ".{0,40}"), 0..8)) {
            let bytes = Metadata::encode(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))).unwrap();
            let metadata = Metadata::from_bytes(&bytes);
            prop_assert!(metadata.iter().eq(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
            // Of bytes that are cut off, whole pairs are left.
            for end in 0..bytes.len() {
                let cut = Metadata::from_bytes(&bytes[..end]);
                prop_assert!(cut.iter().zip(metadata).all(|(found, expected)| found == expected));
                prop_assert!(cut.iter().count() < pairs.len());
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let metadata = Metadata::from_bytes(&bytes);
            prop_assert!(metadata.iter().count() <= bytes.len());
            let _ = metadata.get("plan");
        }
    }
}
