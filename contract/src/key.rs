//! The grammar of a key: `<prefix>_<secret part><checksum>`.
//!
//! The prefix says whose key it is and for which environment, so that a leak scanner and a person recognise it. The secret
//! part is 32 base62 characters. The checksum is CRC-32 (ISO-HDLC, the one of zlib) over all before it, as six
//! base62 characters: a typing error or a cut-off paste is told apart from a revoked key before any look-up, and
//! offline. A key has at most [`MAX_LEN`] bytes, so that SHA-256 needs one block.
//!
//! Imported keys may have any shape. For them the digest is all there is, so nothing here may be used to
//! refuse a request: [`KeyParts::parse`] is for errors that help, and for scanners.

use crate::base62;
use core::fmt;

/// Characters of the secret part.
pub const SECRET_LEN: usize = 32;
/// Characters of the checksum.
pub const CHECKSUM_LEN: usize = base62::U32_DIGITS;
/// The longest prefix.
pub const MAX_PREFIX_LEN: usize = 16;
/// The longest key: `16 + 1 + 32 + 6`.
pub const MAX_LEN: usize = MAX_PREFIX_LEN + 1 + SECRET_LEN + CHECKSUM_LEN;
/// The longest credential that is looked up at all; imported keys may be longer than [`MAX_LEN`].
pub const MAX_CREDENTIAL_LEN: usize = 512;

/// Characters of the secret part that the mask shows at its start.
const MASK_HEAD: usize = 4;
/// Characters of the checksum that the mask shows at its end.
const MASK_TAIL: usize = 4;

/// A well-formed prefix: `[a-z][a-z0-9_]*`, at most 16 characters, not ending in `_`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Prefix(String);

/// Why a text is no prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrefixError {
    /// No character at all.
    Empty,
    /// More than [`MAX_PREFIX_LEN`] characters.
    TooLong,
    /// The first character is not a lower-case letter.
    FirstCharacter,
    /// A character other than `a-z`, `0-9` and `_`.
    Character,
    /// The last character is `_`: the key would read `prefix__secret`.
    LastCharacter,
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a prefix has at least one character",
            Self::TooLong => "a prefix has at most 16 characters",
            Self::FirstCharacter => "a prefix begins with a lower-case letter a-z",
            Self::Character => "a prefix has only lower-case letters a-z, digits and underscores",
            Self::LastCharacter => "a prefix does not end in an underscore",
        })
    }
}

impl core::error::Error for PrefixError {}

impl Prefix {
    /// Checks `text` against the grammar.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let bytes = text.as_bytes();
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
            return Err(PrefixError::Empty);
        };
        if bytes.len() > MAX_PREFIX_LEN {
            Err(PrefixError::TooLong)
        } else if !first.is_ascii_lowercase() {
            Err(PrefixError::FirstCharacter)
        } else if !bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')) {
            Err(PrefixError::Character)
        } else if *last == b'_' {
            Err(PrefixError::LastCharacter)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The prefix without the underscore that follows it in a key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Joins a prefix and 32 base62 characters and appends the checksum.
///
/// `secret` comes from the caller's random source; a byte that is no base62 digit gives `None`.
#[must_use]
pub fn assemble(prefix: &Prefix, secret: &[u8; SECRET_LEN]) -> Option<String> {
    if !secret.iter().copied().all(base62::is_digit) {
        return None;
    }
    let mut key = String::with_capacity(MAX_LEN);
    key.push_str(prefix.as_str());
    key.push('_');
    key.extend(secret.iter().copied().map(char::from));
    let checksum = checksum(key.as_bytes());
    key.extend(checksum.into_iter().map(char::from));
    Some(key)
}

/// CRC-32 of `body` in base62.
fn checksum(body: &[u8]) -> [u8; CHECKSUM_LEN] {
    base62::encode_u32(crc32fast::hash(body))
}

/// The parts of a key whose checksum is right. Borrows the secret, so it has no `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyParts<'a> {
    /// The prefix, without the underscore.
    pub prefix: &'a str,
    secret: &'a str,
    checksum: &'a str,
}

/// Why a text is not a key of Keyplane's own making. Never carries the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyError {
    /// Nothing at all.
    Empty,
    /// White space, a quote or another character that no key has; the position counts from 0.
    Character {
        /// Offset of the first such byte.
        at: usize,
    },
    /// No `_` between prefix and secret part, or a prefix outside the grammar.
    Prefix,
    /// The part after the prefix is not 38 characters long.
    Length {
        /// How many characters it has.
        found: usize,
    },
    /// The checksum does not fit: a typing error, or a key that was cut off.
    Checksum,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the key is empty"),
            Self::Character { at } => {
                write!(f, "character {at} (counted from 0) cannot be part of a key: look for quotes or white space")
            }
            Self::Prefix => f.write_str("the key does not begin with a prefix and an underscore, such as `uk_live_`"),
            Self::Length { found } => write!(
                f,
                "after its prefix the key has {found} characters where {} belong: it was cut off or has something added",
                SECRET_LEN + CHECKSUM_LEN
            ),
            Self::Checksum => f.write_str("the key's checksum does not fit: it was mistyped or damaged"),
        }
    }
}

impl core::error::Error for KeyError {}

impl<'a> KeyParts<'a> {
    /// Checks grammar and checksum. Offline: says nothing about whether the key is known.
    pub fn parse(key: &'a str) -> Result<Self, KeyError> {
        if key.is_empty() {
            return Err(KeyError::Empty);
        }
        if let Some(at) = key.bytes().position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_') {
            return Err(KeyError::Character { at });
        }
        let (prefix, rest) = key.rsplit_once('_').ok_or(KeyError::Prefix)?;
        Prefix::parse(prefix).map_err(|_| KeyError::Prefix)?;
        let length = KeyError::Length { found: rest.len() };
        if rest.len() != SECRET_LEN + CHECKSUM_LEN {
            return Err(length);
        }
        let (secret, found) = rest.split_at_checked(SECRET_LEN).ok_or(length)?;
        let body = key.get(..key.len() - CHECKSUM_LEN).ok_or(length)?;
        if checksum(body.as_bytes()) != found.as_bytes() {
            return Err(KeyError::Checksum);
        }
        Ok(Self { prefix, secret, checksum: found })
    }

    /// What may be shown later: `uk_live_a1b2...Ab4c`. It leaves 28 characters of the secret part unsaid
    /// (about 166 bits), of which the checksum's last characters give away at most 24 bits.
    #[must_use]
    pub fn mask(&self) -> String {
        let head = self.secret.get(..MASK_HEAD).unwrap_or_default();
        let tail = self.checksum.get(CHECKSUM_LEN - MASK_TAIL..).unwrap_or_default();
        format!("{}_{head}...{tail}", self.prefix)
    }
}

/// Whether `credential` could have been issued by Keyplane; see [`KeyParts::parse`].
#[must_use]
pub fn is_well_formed(credential: &[u8]) -> bool {
    core::str::from_utf8(credential).is_ok_and(|text| KeyParts::parse(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &[u8; SECRET_LEN] = b"0123456789ABCDEFGHIJabcdefghijKL";

    fn key(prefix: &str) -> String {
        assemble(&Prefix::parse(prefix).unwrap(), SECRET).unwrap()
    }

    #[test]
    fn the_longest_key_fits_one_block_of_sha_256() {
        assert_eq!(key("abcdefghijklmnop").len(), MAX_LEN);
        const { assert!(MAX_LEN <= 55) };
    }

    #[test]
    fn prefixes_outside_the_grammar_are_refused() {
        for (text, error) in [
            ("", PrefixError::Empty),
            ("abcdefghijklmnopq", PrefixError::TooLong),
            ("1a", PrefixError::FirstCharacter),
            ("Uk", PrefixError::FirstCharacter),
            ("uk-live", PrefixError::Character),
            ("uk_", PrefixError::LastCharacter),
        ] {
            assert_eq!(Prefix::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn each_way_to_damage_a_key_has_its_own_error() {
        let good = key("uk_live");
        assert!(KeyParts::parse(&good).is_ok_and(|parts| parts.prefix == "uk_live"));
        let error = |text: &str| KeyParts::parse(text).err().unwrap();
        assert_eq!(error(""), KeyError::Empty);
        assert_eq!(error(&format!("{good}\n")), KeyError::Character { at: good.len() });
        assert_eq!(error(&format!("\"{good}\"")), KeyError::Character { at: 0 });
        assert_eq!(error("secret"), KeyError::Prefix);
        assert_eq!(error("UK_secret"), KeyError::Prefix);
        assert_eq!(error(&good[..good.len() - 1]), KeyError::Length { found: 37 });
        assert_eq!(error(&good.replace("0123", "0124")), KeyError::Checksum);
        assert_eq!(error(&good.replace("uk_live", "uk_test")), KeyError::Checksum);
    }

    #[test]
    fn the_mask_shows_four_characters_at_each_end() {
        let key = key("uk_live");
        let parts = KeyParts::parse(&key).ok().unwrap();
        assert_eq!(parts.mask(), format!("uk_live_0123...{}", &key[key.len() - 4..]));
    }

    #[test]
    fn a_secret_part_outside_base62_makes_no_key() {
        let mut secret = *SECRET;
        secret[3] = b'-';
        assert!(assemble(&Prefix::parse("uk").unwrap(), &secret).is_none());
    }

    proptest! {
        #[test]
        fn every_assembled_key_parses(prefix in "[a-z][a-z0-9_]{0,14}[a-z0-9]", secret in "[0-9A-Za-z]{32}") {
            let secret: [u8; SECRET_LEN] = secret.as_bytes().try_into().unwrap();
            let key = assemble(&Prefix::parse(&prefix).unwrap(), &secret).unwrap();
            let parts = KeyParts::parse(&key).ok().unwrap();
            prop_assert_eq!(parts.prefix, prefix);
            prop_assert!(key.len() <= MAX_LEN);
        }

        #[test]
        fn a_changed_character_is_noticed(at in 0_usize..46, to in "[0-9A-Za-z]") {
            let good = key("uk_live");
            let mut bad = good.clone();
            bad.replace_range(at..=at, &to);
            prop_assert_eq!(bad == good, KeyParts::parse(&bad).is_ok());
        }

        #[test]
        fn no_input_makes_the_parser_panic(bytes: Vec<u8>, text: String) {
            let _ = is_well_formed(&bytes);
            let _ = KeyParts::parse(&text);
        }
    }
}
