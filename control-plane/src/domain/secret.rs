//! Secrets: full keys, as they are made, read from the environment, or presented by a caller.
//!
//! A secret lives as long as one request or one command. `Debug` never prints it, there is no `Display` and no
//! `Serialize`, and the memory is wiped when it goes. The store takes a [`Digest`] and a mask, never a secret.

use super::random::{Random, RandomError};
use core::fmt;
use keyplane_contract::base62;
use keyplane_contract::digest::Digest;
use keyplane_contract::key::{self, KeyError, KeyParts, Prefix, SECRET_LEN};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// Prefix of admin keys.
pub const ADMIN_PREFIX: &str = "kp_admin";
/// Prefix of proxy tokens.
pub const PROXY_PREFIX: &str = "kp_proxy";

/// The shortest credential of another shape that an operator may bring along, in bytes.
const MIN_FOREIGN_LEN: usize = 32;

/// A full key.
#[derive(Clone)]
pub struct Secret(SecretString);

/// Why a text that an operator brought along cannot be a credential. Never carries the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SecretError {
    /// It has Keyplane's shape but is damaged.
    #[error("{0}")]
    Damaged(KeyError),
    /// It was made for something else.
    #[error("it has another prefix: it begins with `{expected}_` when Keyplane made it")]
    Prefix {
        /// The prefix that belongs here.
        expected: &'static str,
    },
    /// Too easy to guess.
    #[error("it has fewer than 32 characters, which is too easy to guess")]
    TooShort,
    /// Too long.
    #[error("it has more than 512 characters")]
    TooLong,
    /// Bytes that cannot stand in a header.
    #[error("it has white space or another character outside visible ASCII")]
    Character,
}

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// Makes a key of `prefix`: 32 base62 characters, each as likely as the others.
    pub fn generate(prefix: &Prefix, random: &dyn Random) -> Result<Self, RandomError> {
        loop {
            let characters = draw(random)?;
            // `assemble` refuses only characters outside base62, which are never drawn.
            if let Some(key) = key::assemble(prefix, &characters) {
                return Ok(Self::new(key));
            }
        }
    }

    /// Takes a credential that an operator made: Keyplane's own shape with `prefix`, or any text long enough.
    pub fn from_operator(text: String, prefix: &'static str) -> Result<Self, SecretError> {
        let text = Zeroizing::new(text);
        if text.len() > key::MAX_CREDENTIAL_LEN {
            return Err(SecretError::TooLong);
        }
        match KeyParts::parse(&text) {
            Ok(parts) if parts.prefix == prefix => {}
            Ok(_) => return Err(SecretError::Prefix { expected: prefix }),
            Err(error) if text.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_')) => {
                return Err(SecretError::Damaged(error));
            }
            Err(_) if !text.bytes().all(|byte| byte.is_ascii_graphic()) => return Err(SecretError::Character),
            Err(_) if text.len() < MIN_FOREIGN_LEN => return Err(SecretError::TooShort),
            Err(_) => {}
        }
        Ok(Self::new(text.as_str().to_owned()))
    }

    /// The full key. Each call is a place where it may leave.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is stored and looked up.
    pub fn digest(&self) -> Digest {
        Digest::of(self.expose().as_bytes())
    }

    /// What may be shown later. Of a credential that Keyplane did not make it shows the last four characters.
    pub fn mask(&self) -> String {
        let text = self.expose();
        KeyParts::parse(text).map_or_else(
            |_| format!("...{}", text.get(text.len().saturating_sub(4)..).unwrap_or_default()),
            |parts| parts.mask(),
        )
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Draws base62 characters without bias: six bits at a time, and the two values beyond the alphabet are drawn again.
fn draw(random: &dyn Random) -> Result<Zeroizing<[u8; SECRET_LEN]>, RandomError> {
    let mut characters = Zeroizing::new([0; SECRET_LEN]);
    let mut places = characters.iter_mut();
    let mut place = places.next();
    while place.is_some() {
        let mut bytes = Zeroizing::new([0; 2 * SECRET_LEN]);
        random.fill(bytes.as_mut_slice())?;
        for character in bytes.iter().filter_map(|byte| base62::digit(byte & 0x3f)) {
            let Some(free) = place else { break };
            *free = character;
            place = places.next();
        }
    }
    Ok(characters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicU8, Ordering};

    /// Every byte value in turn: what an even source gives on average.
    struct Counting(AtomicU8);

    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
            for byte in bytes {
                *byte = self.0.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }
    }

    fn prefix(text: &str) -> Prefix {
        Prefix::parse(text).unwrap()
    }

    #[test]
    fn a_generated_key_follows_the_grammar() {
        let random = Counting(AtomicU8::new(0));
        let secret = Secret::generate(&prefix("uk_live"), &random).unwrap();
        assert_eq!(KeyParts::parse(secret.expose()).ok().unwrap().prefix, "uk_live");
        assert_eq!(secret.mask(), format!("uk_live_0123...{}", &secret.expose()[42..]));
    }

    #[test]
    fn an_even_source_gives_each_character_equally_often() {
        let mut counts: HashMap<u8, u32> = HashMap::new();
        for start in 0..=255 {
            let random = Counting(AtomicU8::new(start));
            for character in draw(&random).unwrap().iter() {
                *counts.entry(*character).or_default() += 1;
            }
        }
        assert_eq!(counts.len(), 62);
        // Each start gives 32 digits in a row, and two values in 64 are drawn again: 8192 draws over 62 digits are 132 each,
        // a few more for the digits that follow the two. With `% 62` instead, two digits would come twice as often.
        let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
        assert!(*least >= 128 && *most <= 136, "{least}..{most}");
    }

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::new("uk_live_something".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }

    #[test]
    fn an_operators_credential_is_taken_when_it_is_strong_and_whole() {
        let random = Counting(AtomicU8::new(0));
        let own = Secret::generate(&prefix(ADMIN_PREFIX), &random).unwrap();
        let take = |text: &str| Secret::from_operator(text.to_owned(), ADMIN_PREFIX);
        assert_eq!(take(own.expose()).unwrap().digest(), own.digest());
        let foreign = take("0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(foreign.mask(), "...cdef");
        let proxy = Secret::generate(&prefix(PROXY_PREFIX), &random).unwrap();
        assert_eq!(take(proxy.expose()).unwrap_err(), SecretError::Prefix { expected: ADMIN_PREFIX });
        assert_eq!(
            take(&own.expose()[..own.expose().len() - 1]).unwrap_err(),
            SecretError::Damaged(KeyError::Length { found: 37 })
        );
        assert_eq!(take("admin").unwrap_err(), SecretError::TooShort);
        assert_eq!(take(&"a".repeat(513)).unwrap_err(), SecretError::TooLong);
        assert_eq!(take(" 0123456789abcdef0123456789abcdef").unwrap_err(), SecretError::Character);
    }
}
