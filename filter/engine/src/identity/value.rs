//! Texts from data as header values: one line of visible ASCII, whatever a person has put into a name.
//!
//! Control characters, `%`, everything that is not ASCII, and white space at either end are percent-encoded (RFC 3986, 2.1; of UTF-8), so that
//! decoding gives back the text exactly and nothing can end a header, or a line of an access log, early.

use std::borrow::Cow;

/// The longest value, in bytes after encoding. A longer one is left out: half an identity would be another one.
pub const MAX_VALUE: usize = 8 * 1024;

/// The text as a header value; `None` when there is none to tell, or it would be too long.
#[must_use]
pub fn header_value(text: &str) -> Option<Cow<'_, [u8]>> {
    if text.is_empty() || text.len() > MAX_VALUE {
        return None;
    }
    let is_plain = text.bytes().all(stays) && !text.starts_with(' ') && !text.ends_with(' ');
    if is_plain {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    let inner = text.trim_matches(' ');
    // Where `inner` begins and ends; when the text is nothing but spaces, all of it lies before.
    let from = text.len() - text.trim_start_matches(' ').len();
    let inner = from..from + inner.len();
    let mut value = Vec::with_capacity(text.len() * 2);
    for (at, byte) in text.bytes().enumerate() {
        if stays(byte) && inner.contains(&at) {
            value.push(byte);
        } else {
            value.extend_from_slice(&[b'%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    (value.len() <= MAX_VALUE).then_some(Cow::Owned(value))
}

const fn stays(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'%'
}

/// A digit as RFC 3986 wants it written.
const fn hex(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(text: &str) -> Option<String> {
        header_value(text).map(|value| String::from_utf8(value.into_owned()).unwrap())
    }

    fn decoded(value: &[u8]) -> Vec<u8> {
        let mut bytes = value.iter();
        let mut text = Vec::new();
        while let Some(byte) = bytes.next() {
            let mut digit = || char::from(*bytes.next().unwrap()).to_digit(16).unwrap();
            let byte = if *byte == b'%' { (digit() << 4 | digit()).try_into().unwrap() } else { *byte };
            text.push(byte);
        }
        text
    }

    #[test]
    fn only_what_no_header_can_carry_is_encoded() {
        for (text, expected) in [
            ("Acme", "Acme"),
            ("Acme, Inc. \"A\" <a@b> 50/50", "Acme, Inc. \"A\" <a@b> 50/50"),
            ("100%", "100%25"),
            ("Zoë", "Zo%C3%AB"),
            ("a\r\nx-keyplane-account: b", "a%0D%0Ax-keyplane-account: b"),
            (" a b ", "%20a b%20"),
            ("  ", "%20%20"),
            ("\u{7f}\u{85}\t", "%7F%C2%85%09"),
        ] {
            assert_eq!(value(text).as_deref(), Some(expected));
        }
        assert_eq!(value(""), None);
    }

    #[test]
    fn what_would_be_too_long_is_left_out() {
        assert!(value(&"x".repeat(MAX_VALUE)).is_some());
        assert_eq!(value(&"x".repeat(MAX_VALUE + 1)), None);
        assert!(value(&"ä".repeat(MAX_VALUE / 6)).is_some());
        assert_eq!(value(&"ä".repeat(MAX_VALUE / 6 + 1)), None);
    }

    proptest! {
        #[test]
        fn every_value_is_one_visible_line_that_decodes_to_the_text(text in "\\PC{0,20}|[ %\u{0}-\u{20}a]{0,9}|.{0,20}") {
            prop_assert_eq!(header_value(&text).is_none(), text.is_empty());
            let value = header_value(&text).unwrap_or_default();
            prop_assert!(value.iter().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert_eq!(value.trim_ascii(), &value[..]);
            prop_assert_eq!(decoded(&value), text.as_bytes());
        }
    }
}
