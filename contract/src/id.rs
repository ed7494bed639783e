//! Ids as the filter needs them: 16 bytes, written as a lower-case hyphenated UUID (RFC 9562).
//!
//! The control plane makes them (version 7); here they are only carried and written, so no UUID crate is needed.

use core::fmt;

/// A 128-bit id: of a key, an account, a project, a user, an epoch or a worker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Id(pub [u8; Id::LEN]);

impl Id {
    /// Length in bytes.
    pub const LEN: usize = 16;
    /// Length of the hyphenated text.
    pub const TEXT_LEN: usize = 36;

    /// The hyphenated text, without an allocation.
    #[must_use]
    pub fn to_text(self) -> [u8; Self::TEXT_LEN] {
        /// Where each byte's two digits stand.
        const PLACES: [usize; Id::LEN] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
        let digit = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        let mut text = [b'-'; Self::TEXT_LEN];
        for (byte, at) in self.0.into_iter().zip(PLACES) {
            if let Some([high, low]) = text.get_mut(at..at + 2) {
                (*high, *low) = (digit(byte >> 4), digit(byte & 0x0f));
            }
        }
        text
    }

    /// Reads 32 hexadecimal digits, with or without hyphens; anything else is `None`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut id = [0_u8; Self::LEN];
        let mut digits = text.iter().filter(|byte| **byte != b'-');
        for byte in &mut id {
            let (high, low) = (hex_value(*digits.next()?)?, hex_value(*digits.next()?)?);
            *byte = (high << 4) | low;
        }
        digits.next().is_none().then_some(Self(id))
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.to_text()).unwrap_or_default())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_is_written_as_a_hyphenated_uuid() {
        let id = Id::parse(b"01890A5D-AC96-774B-BCCE-B302099A8057").unwrap();
        assert_eq!(id.to_string(), "01890a5d-ac96-774b-bcce-b302099a8057");
        assert_eq!(Id::parse(b"01890a5dac96774bbcceb302099a8057"), Some(id));
        assert_eq!(Id::parse(b"01890a5dac96774bbcceb302099a805"), None);
        assert_eq!(Id::parse(b"01890a5dac96774bbcceb302099a80577"), None);
        assert_eq!(Id::parse(b"01890a5dac96774bbcceb302099a805g"), None);
    }

    proptest! {
        #[test]
        fn every_id_reads_back_from_its_text(bytes: [u8; 16]) {
            prop_assert_eq!(Id::parse(&Id(bytes).to_text()), Some(Id(bytes)));
        }
    }
}
