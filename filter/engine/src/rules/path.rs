//! Paths of requests: which ones can be read in one way only, and their segments as the upstream will read them.
//!
//! A rule is worth nothing if the upstream takes a path for another than the filter did. So a path that servers are known to read
//! in different ways is refused instead of guessed at: whoever has nothing to hide can write it plainly. What is left is compared by
//! percent-decoded segments (RFC 3986, 2.1 and 3.3), so `/%61dmin` is `/admin` here as it is there.

use crate::percent::Decoded;
use serde::Deserialize;
use std::cmp::Ordering;

/// The most segments that a path has, in a rule and in a request.
pub const MAX_SEGMENTS: usize = 64;

/// What is done with something in a path that servers read in different ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Treatment {
    /// The request is refused.
    #[default]
    Refuse,
    /// It is a character like any other: the operator knows that the upstream takes it so.
    Literal,
}

/// How the upstream reads paths: `paths` in the plugin configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Paths {
    /// `;`, which some servers take for the beginning of parameters and cut off.
    pub semicolon: Treatment,
    /// What is still an escape after decoding once (`%2561`), which some servers decode again.
    pub double_encoding: Treatment,
    /// Whether the upstream takes `/Admin` for `/admin`.
    pub ignore_case: bool,
}

/// A path that may be read in two ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAccepted;

impl Paths {
    /// The path of a request without its query; `None` for the two kinds of request that have none: `OPTIONS *`, and a CONNECT to an authority.
    pub fn of<'a>(self, method: &[u8], path: Option<&'a [u8]>) -> Result<Option<&'a [u8]>, NotAccepted> {
        match path {
            None | Some(b"") if method == b"CONNECT" => Ok(None),
            Some(b"*") if method == b"OPTIONS" => Ok(None),
            None => Err(NotAccepted),
            Some(path) => {
                let path = path.split(|byte| *byte == b'?').next().unwrap_or(path);
                if self.accepts(path) { Ok(Some(path)) } else { Err(NotAccepted) }
            }
        }
    }

    /// Whether a path, without a query, can be read in one way only.
    #[must_use]
    pub fn accepts(self, path: &[u8]) -> bool {
        let Some((b'/', mut rest)) = path.split_first() else { return false };
        for _ in 0..MAX_SEGMENTS {
            match split(rest) {
                (segment, None) => return segment.is_empty() || self.accepts_segment(segment),
                (segment, Some(after)) => {
                    if segment.is_empty() || !self.accepts_segment(segment) {
                        return false;
                    }
                    rest = after;
                }
            }
        }
        false
    }

    fn accepts_segment(self, segment: &[u8]) -> bool {
        if segment.iter().all(|byte| is_plain(*byte)) {
            return !matches!(segment, b"." | b"..");
        }
        self.accepts_unusual(segment)
    }

    /// The same for a segment that has more than plain characters.
    #[cold]
    fn accepts_unusual(self, segment: &[u8]) -> bool {
        let raw = |byte: &u8| !matches!(byte, 0..=b' ' | 0x7f | b'\\' | b'#');
        if !segment.iter().all(raw) || !has_valid_escapes(segment) {
            return false;
        }
        let decoded = || Decoded::new(segment);
        if decoded().any(|byte| matches!(byte, b'/' | b'\\' | 0..0x20 | 0x7f)) || !self.accepts_characters(decoded()) {
            return false;
        }
        if self.semicolon == Treatment::Refuse && decoded().any(|byte| byte == b';') {
            return false;
        }
        if self.double_encoding == Treatment::Refuse {
            let mut before = (0_u8, 0_u8);
            for byte in decoded() {
                if before.0 == b'%' && before.1.is_ascii_hexdigit() && byte.is_ascii_hexdigit() {
                    return false;
                }
                before = (before.1, byte);
            }
        }
        // What a server sees that cuts off parameters: `/a/..;x/b` and `/a/;x/b` would be `/a/../b` and `/a//b` to it.
        let mut name = decoded().take_while(|byte| *byte != b';');
        !matches!(
            (name.next(), name.next(), name.next()),
            (None | Some(b'.'), None, _) | (Some(b'.'), Some(b'.'), None)
        )
    }

    /// Whether what is beyond ASCII is UTF-8 without control characters. An overlong form of `/` or `.` is none.
    fn accepts_characters(self, mut bytes: Decoded<'_>) -> bool {
        while let Some(first) = bytes.next() {
            let length = match first {
                0..0x80 => continue,
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return false,
            };
            let mut character = [first, 0, 0, 0];
            for place in character.iter_mut().take(length).skip(1) {
                match bytes.next() {
                    Some(byte) => *place = byte,
                    None => return false,
                }
            }
            let text = character.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
            let Some(character) = text.and_then(|text| text.chars().next()) else { return false };
            // A server that ignores case may take these for I, S and K.
            let like_ascii = matches!(character, '\u{130}' | '\u{131}' | '\u{17f}' | '\u{212a}');
            if character.is_control() || (self.ignore_case && like_ascii) {
                return false;
            }
        }
        true
    }
}

/// Characters that every server takes for themselves, except that `.` and `..` are no names.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && !matches!(byte, b'#' | b'%' | b'\\' | b';')
}

fn has_valid_escapes(segment: &[u8]) -> bool {
    let mut parts = segment.split(|byte| *byte == b'%');
    parts.next();
    parts.all(|part| matches!(part, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

/// The first segment, and what follows its `/` if there is one.
#[must_use]
pub fn split(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match path.iter().position(|byte| *byte == b'/').and_then(|at| path.split_at_checked(at)) {
        Some((segment, rest)) => (segment, rest.split_first().map(|(_, rest)| rest)),
        None => (path, None),
    }
}

/// One segment of a request, to be compared with those of rules.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    bytes: &'a [u8],
    /// Whether it is the same byte for byte after decoding, and case counts.
    as_is: bool,
    ignore_case: bool,
}

impl<'a> Segment<'a> {
    /// Of an accepted path.
    #[must_use]
    pub fn new(bytes: &'a [u8], ignore_case: bool) -> Self {
        Self { bytes, as_is: !ignore_case && !bytes.contains(&b'%'), ignore_case }
    }

    /// How the text of a rule, decoded and in lower case if case does not count, stands to it.
    #[must_use]
    pub fn order_of(&self, text: &[u8]) -> Ordering {
        if self.as_is {
            text.cmp(self.bytes)
        } else {
            let decoded = Decoded::new(self.bytes);
            text.iter()
                .copied()
                .cmp(decoded.map(|byte| if self.ignore_case { byte.to_ascii_lowercase() } else { byte }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STRICT: Paths =
        Paths { semicolon: Treatment::Refuse, double_encoding: Treatment::Refuse, ignore_case: false };
    const LITERAL: Paths =
        Paths { semicolon: Treatment::Literal, double_encoding: Treatment::Literal, ignore_case: false };

    #[test]
    fn a_plain_path_is_accepted() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a/b.c/...",
            "/.a/..b/c..",
            "/a%20b",
            "/caf%C3%A9",
            "/caf\u{e9}",
            "/%61%2e%62",
            "/~a!$&'()*+,=:@",
            "/c%23",
            "/what%3F",
            "/100%25",
            "/a\"<>^`{|}",
            "/%e2%84%aa",
        ] {
            assert!(STRICT.accepts(path.as_bytes()), "{path}");
        }
        assert!(STRICT.accepts(["/", &vec!["a"; MAX_SEGMENTS].join("/")].concat().as_bytes()));
    }

    #[test]
    fn a_path_that_servers_read_in_two_ways_is_refused_whatever_is_set() {
        for path in [
            &b""[..],
            b"a",
            b"*",
            b"http://a/b",
            b"//",
            b"//a",
            b"/a//b",
            b"/a//",
            b"/.",
            b"/..",
            b"/a/../b",
            b"/a/./b",
            b"/a/..",
            b"/%2e",
            b"/%2E%2e",
            b"/.%2e/a",
            b"/a/%2e./b",
            b"/a%2fb",
            b"/a%2Fb",
            b"/a%5cb",
            b"/a\\b",
            b"/..\\a",
            b"/a%00",
            b"/a\0",
            b"/a%0d%0a",
            b"/a%7f",
            b"/a\x7f",
            b"/a\tb",
            b"/a b",
            b"/a#b",
            b"/a%",
            b"/a%2",
            b"/a%zz",
            b"/%u002e",
            b"/a%%41",
            b"/..;/a",
            b"/..;x=1/a",
            b"/.;/a",
            b"/%2e%2e;x/a",
            b"/..%3bx/a",
            b"/;x",
            b"/a/;/b",
            b"/a/%3b",
            b"/%c0%ae",
            b"/%c0%af",
            b"/%e0%80%af",
            b"/%ff",
            b"/%c3",
            b"/%c3/%a9",
            b"/\xc3",
            b"/%ed%a0%80",
            b"/%c2%85",
        ] {
            for paths in [STRICT, LITERAL] {
                assert!(!paths.accepts(path), "{}", path.escape_ascii());
            }
        }
        assert!(!STRICT.accepts(["/", &vec!["a"; MAX_SEGMENTS + 1].join("/")].concat().as_bytes()));
    }

    #[test]
    fn what_the_operator_knows_to_be_literal_is_accepted_then_only() {
        for path in ["/a;v=1", "/a;", "/a%3bb", "/a;b/c", "/%2561", "/%252e%252e", "/%25%36%31", "/a%252Fb"] {
            assert!(!STRICT.accepts(path.as_bytes()), "{path}");
            assert!(LITERAL.accepts(path.as_bytes()), "{path}");
        }
        let folded = Paths { ignore_case: true, ..STRICT };
        for path in ["/%e2%84%aa", "/\u{17f}cope", "/adm\u{131}n", "/adm\u{130}n"] {
            assert!(STRICT.accepts(path.as_bytes()) && !folded.accepts(path.as_bytes()), "{path}");
        }
        assert!(folded.accepts("/caf%C3%89".as_bytes()));
    }

    #[test]
    fn only_options_and_connect_may_have_no_path() {
        for (method, path, expected) in [
            ("GET", Some("/a?b=/../c#d"), Ok(Some("/a"))),
            ("GET", Some("/?"), Ok(Some("/"))),
            ("OPTIONS", Some("*"), Ok(None)),
            ("OPTIONS", Some("*?"), Err(NotAccepted)),
            ("options", Some("*"), Err(NotAccepted)),
            ("GET", Some("*"), Err(NotAccepted)),
            ("CONNECT", None, Ok(None)),
            ("CONNECT", Some(""), Ok(None)),
            ("CONNECT", Some("/a"), Ok(Some("/a"))),
            ("CONNECT", Some("host:443"), Err(NotAccepted)),
            ("CONNECT", Some("*"), Err(NotAccepted)),
            ("GET", None, Err(NotAccepted)),
            ("GET", Some(""), Err(NotAccepted)),
            ("GET", Some("?a"), Err(NotAccepted)),
        ] {
            let found = STRICT.of(method.as_bytes(), path.map(str::as_bytes));
            assert_eq!(found, expected.map(|path| path.map(str::as_bytes)), "{method} {path:?}");
        }
    }

    /// Segments that come near to trouble.
    fn segment() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("."),
            Just("a"),
            Just("%61"),
            Just("%2e"),
            Just("%2f"),
            Just("%"),
            Just("25"),
            Just(";"),
            Just("%c3"),
            Just("%a9"),
            Just("\\"),
            Just("\u{e9}"),
            Just(" "),
            Just("%00"),
            Just("B"),
        ];
        proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_path_makes_the_check_panic(bytes: Vec<u8>, ignore_case: bool) {
            for paths in [STRICT, LITERAL] {
                let _ = Paths { ignore_case, ..paths }.of(b"GET", Some(&bytes));
            }
        }

        #[test]
        fn an_accepted_path_has_no_dots_slashes_or_controls_in_any_segment(segments in proptest::collection::vec(segment(), 1..5)) {
            let path = format!("/{}", segments.join("/"));
            for paths in [STRICT, LITERAL] {
                if !paths.accepts(path.as_bytes()) {
                    continue;
                }
                for (at, segment) in segments.iter().enumerate() {
                    let decoded: Vec<u8> = Decoded::new(segment.as_bytes()).collect();
                    let decoded = String::from_utf8(decoded).unwrap();
                    prop_assert!(!decoded.contains(['/', '\\']) && !decoded.contains(char::is_control));
                    let name = decoded.split(';').next().unwrap();
                    prop_assert!(name != "." && name != "..");
                    prop_assert!(!name.is_empty() || (segment.is_empty() && at + 1 == segments.len()));
                    if paths == STRICT {
                        // Decoding again changes nothing, and nothing can be cut off.
                        prop_assert!(Decoded::new(decoded.as_bytes()).eq(decoded.bytes()) && !decoded.contains(';'));
                    }
                }
            }
        }

        #[test]
        fn segments_compare_as_their_decoded_texts(left in segment(), right in segment(), ignore_case: bool) {
            let fold = |text: &str| {
                let decoded: Vec<u8> = Decoded::new(text.as_bytes()).collect();
                if ignore_case { decoded.to_ascii_lowercase() } else { decoded }
            };
            let order = Segment::new(left.as_bytes(), ignore_case).order_of(&fold(&right));
            prop_assert_eq!(order, fold(&right).cmp(&fold(&left)));
        }
    }
}
