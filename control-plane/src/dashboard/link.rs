//! Addresses inside the dashboard.

use std::fmt::Write as _;

/// The text as a part of an address that has no meaning of its own.
pub fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a text never fails.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// What [`encode`] made, as it was; `None` when it made no such text.
pub fn decode(encoded: &str) -> Option<String> {
    let mut bytes = encoded.bytes();
    let mut decoded = Vec::with_capacity(encoded.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing into a text never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The path with those of the parameters that say something.
pub fn with_query<'a>(path: &str, parameters: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let said = parameters.into_iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<_> = said.map(|(name, value)| format!("{name}={}", encode(&value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// A path of this dashboard, or the way in: an address that leads elsewhere is not followed.
pub fn local(path: &str) -> &str {
    let inside = path.strip_prefix('/').is_some_and(|rest| !rest.starts_with(['/', '\\']));
    if inside && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_dashboard_are_followed() {
        for path in ["/", "/accounts/1/keys?q=a%20b&page=2"] {
            assert_eq!(local(path), path);
        }
        for path in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\r\nSet-Cookie: b",
            "/a\\b",
            "javascript:alert(1)",
        ] {
            assert_eq!(local(path), "/", "{path}");
        }
    }

    #[test]
    fn what_was_encoded_is_read_as_it_was() {
        for text in ["", "/accounts/1/keys?q=a%20b&page=2", "ä.;=\n%"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text));
        }
        for wrong in ["%", "%4", "%zz", "%ff"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_value_stays_a_value() {
        assert_eq!(
            with_query("/keys", [("q", "a&b=c d".to_owned()), ("page", String::new())]),
            "/keys?q=a%26b%3Dc%20d"
        );
    }
}
