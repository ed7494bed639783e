//! Finding the credential of a request: exactly one, in `X-API-Key` or in `Authorization: Bearer`.
//!
//! One fixed rule for several: the request is refused, even if they are equal or each is valid, because the upstream might
//! look at another one than this filter does. An `Authorization` header of another scheme is not a credential of Keyplane's: it is left alone and passes on.

use keyplane_contract::key::MAX_CREDENTIAL_LEN;

/// `X-API-Key`, as hosts carry it.
pub const API_KEY_HEADER: &[u8] = b"x-api-key";
/// `Authorization`, as hosts carry it.
pub const AUTHORIZATION_HEADER: &[u8] = b"authorization";
const BEARER: &[u8] = b"bearer";

/// Where a credential was found; it is removed from there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The `X-API-Key` header.
    ApiKeyHeader,
    /// The `Authorization` header with the scheme Bearer.
    Bearer,
}

impl Source {
    /// The header that carried the credential.
    #[must_use]
    pub const fn header(self) -> &'static [u8] {
        match self {
            Self::ApiKeyHeader => API_KEY_HEADER,
            Self::Bearer => AUTHORIZATION_HEADER,
        }
    }
}

/// What the headers held. Borrows the secret, so it has no `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// No credential.
    Missing,
    /// More than one.
    Multiple,
    /// One, but empty, longer than any key, or with bytes that no key has.
    Malformed,
    /// One that may be looked up.
    Presented {
        /// The secret.
        secret: &'a [u8],
        /// Where it was.
        source: Source,
    },
}

impl<'a> Credential<'a> {
    /// Takes one more header into account.
    #[must_use]
    pub fn with_header(self, name: &[u8], value: &'a [u8]) -> Self {
        let found = if name.eq_ignore_ascii_case(API_KEY_HEADER) {
            (value, Source::ApiKeyHeader)
        } else if name.eq_ignore_ascii_case(AUTHORIZATION_HEADER) {
            match bearer_token(value) {
                Some(token) => (token, Source::Bearer),
                None => return self,
            }
        } else {
            return self;
        };
        if !matches!(self, Self::Missing) {
            return Self::Multiple;
        }
        let (secret, source) = found;
        if is_plausible(secret) { Self::Presented { secret, source } } else { Self::Malformed }
    }

    /// The credential among all headers of a request.
    #[must_use]
    pub fn find(headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        headers.into_iter().fold(Self::Missing, |found, (name, value)| found.with_header(name, value))
    }
}

/// The token of `Bearer <token>`; the scheme's case does not matter (RFC 9110, 11.1). `None` for another scheme.
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let (scheme, rest) = value.split_at_checked(BEARER.len())?;
    if !scheme.eq_ignore_ascii_case(BEARER) {
        return None;
    }
    match rest.first() {
        None => Some(rest),
        Some(b' ' | b'\t') => Some(rest.trim_ascii()),
        Some(_) => None,
    }
}

/// Whether the bytes could be a key at all, an imported one included: 1 to 512 visible ASCII characters. A list joined by a
/// comma is what a proxy makes of a repeated header; commas are in no key.
fn is_plausible(secret: &[u8]) -> bool {
    (1..=MAX_CREDENTIAL_LEN).contains(&secret.len())
        && secret.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find<'a>(headers: &[(&'a str, &'a [u8])]) -> Credential<'a> {
        Credential::find(headers.iter().map(|(name, value)| (name.as_bytes(), *value)))
    }

    fn is_presented(found: &Credential<'_>, expected: &[u8], from: Source) -> bool {
        matches!(found, Credential::Presented { secret, source } if *secret == expected && *source == from)
    }

    #[test]
    fn a_key_is_found_in_either_header() {
        assert!(is_presented(&find(&[("x-api-key", b"abc")]), b"abc", Source::ApiKeyHeader));
        for value in [&b"Bearer abc"[..], b"bearer abc", b"BEARER   abc ", b"Bearer\tabc"] {
            assert!(is_presented(&find(&[("authorization", value)]), b"abc", Source::Bearer));
        }
    }

    #[test]
    fn another_scheme_is_no_credential() {
        for value in [&b"Basic abc"[..], b"Bearerabc", b"", b"Bear"] {
            assert!(find(&[("authorization", value)]) == Credential::Missing);
        }
    }

    #[test]
    fn two_credentials_are_refused_even_if_equal() {
        assert!(find(&[("x-api-key", b"abc"), ("authorization", b"Bearer abc")]) == Credential::Multiple);
        assert!(find(&[("x-api-key", b"abc"), ("x-api-key", b"abc")]) == Credential::Multiple);
        assert!(find(&[("x-api-key", b""), ("x-api-key", b"abc")]) == Credential::Multiple);
        assert!(is_presented(
            &find(&[("authorization", b"Basic x"), ("x-api-key", b"abc")]),
            b"abc",
            Source::ApiKeyHeader
        ));
    }

    #[test]
    fn bytes_that_no_key_has_are_malformed() {
        for value in [&b""[..], b"a b", b"a\0b", b"\xff\xfe", b"a,b", &[b'a'; 513]] {
            assert!(find(&[("x-api-key", value)]) == Credential::Malformed);
        }
        assert!(find(&[("authorization", b"Bearer")]) == Credential::Malformed);
        assert!(is_presented(&find(&[("x-api-key", &[b'a'; 512])]), &[b'a'; 512], Source::ApiKeyHeader));
    }

    proptest! {
        #[test]
        fn no_header_makes_the_search_panic(headers: Vec<(Vec<u8>, Vec<u8>)>) {
            let _ = Credential::find(headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())));
        }
    }
}
