//! The digest of a credential: SHA-256 (FIPS 180-4) of its bytes as presented.
//!
//! It is the only form in which a key is stored or synced. A plain hash is enough because a key carries about
//! 190 bits from the operating system's random source: there is nothing to guess from the hash, and a slow hash would
//! only slow each request. A key of at most 55 bytes takes one block.

use core::fmt;
use sha2::{Digest as _, Sha256};

/// SHA-256 of a credential.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; Digest::LEN]);

impl Digest {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// The digest of `credential`.
    #[must_use]
    pub fn of(credential: &[u8]) -> Self {
        Self(Sha256::digest(credential).into())
    }

    /// A digest read from storage or from the wire.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

/// Shows four bytes: enough to tell two digests apart in a log, too few to look a key up by.
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, fourth, ..] = self.0;
        write!(f, "Digest({first:02x}{second:02x}{third:02x}{fourth:02x}..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one-block example of FIPS 180-4's published test values.
    #[test]
    fn the_digest_is_sha_256() {
        let digest = Digest::of(b"abc");
        assert_eq!(&digest.as_bytes()[..4], &[0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(&digest.as_bytes()[28..], &[0xf2, 0x00, 0x15, 0xad]);
    }

    #[test]
    fn debug_shows_four_bytes_only() {
        assert_eq!(format!("{:?}", Digest::of(b"abc")), "Digest(ba7816bf..)");
    }
}
