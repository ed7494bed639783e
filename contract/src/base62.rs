//! Base62 with the digits `0-9A-Za-z`: the alphabet of the secret part and the checksum of a key.
//!
//! Only digits and letters, so that a double click selects a whole key and no URL, header, shell or YAML quotes it.

/// The digits in order of their value.
pub const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many digits a 32-bit value takes, written with leading zeros (62^6 > 2^32).
pub const U32_DIGITS: usize = 6;

/// Whether `byte` is one of the 62 digits.
#[must_use]
pub fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// The digit of value `value`, or `None` from 62 on: drawing bytes and dropping the `None`s of
/// `byte & 0x3f` gives unbiased digits.
#[must_use]
pub fn digit(value: u8) -> Option<u8> {
    ALPHABET.get(usize::from(value)).copied()
}

/// `value` as six digits, the most significant first.
#[must_use]
pub fn encode_u32(mut value: u32) -> [u8; U32_DIGITS] {
    let mut digits = [b'0'; U32_DIGITS];
    for place in digits.iter_mut().rev() {
        // A remainder of 62 always names a digit.
        *place = u8::try_from(value % 62).ok().and_then(digit).unwrap_or(b'0');
        value /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_and_the_largest_values_fill_six_digits() {
        assert_eq!(&encode_u32(0), b"000000");
        assert_eq!(&encode_u32(61), b"00000z");
        assert_eq!(&encode_u32(62), b"000010");
        assert_eq!(&encode_u32(u32::MAX), b"4gfFC3");
    }

    #[test]
    fn values_beyond_the_alphabet_have_no_digit() {
        assert_eq!(digit(61), Some(b'z'));
        assert_eq!(digit(62), None);
    }
}
