//! Finding the credential of a request, in the places that `credentials` of the plugin configuration names, and removing it from there.
//!
//! Exactly one credential: all places are searched, whatever their order, and a second one refuses the request, even if the two are
//! equal or each is valid, because the upstream might look at another one than this filter does. A header of another scheme is no credential
//! of Keyplane's: it is left alone and passes on.
//!
//! Headers are read in place; only a percent-encoded parameter, and the removal from a query or a cookie, make a new value.

pub mod cookie;
pub mod query;
pub mod source;

use crate::config::ConfigError;
use crate::headers::HeaderBlock;
use crate::host::{Host, HostFault};
use crate::identity::Identity;
use keyplane_contract::key::MAX_CREDENTIAL_LEN;
use source::{BEARER, Source, SourceConfigs};
use std::borrow::Cow;

const PATH: &[u8] = b":path";
const COOKIE: &[u8] = b"cookie";

/// Where a credential was found; it is removed from there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In a header: the how manyth of those that [`Sources`] knows.
    Header(usize),
    /// In the query of `:path`.
    Query,
    /// In a cookie.
    Cookie,
}

/// What the headers held. Borrows the secret, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential<'h> {
    /// No credential.
    Missing,
    /// More than one.
    Multiple,
    /// One, but empty, longer than any key, or with bytes that no key has.
    Malformed,
    /// One that may be looked up.
    Presented {
        /// The secret.
        secret: Cow<'h, [u8]>,
        /// Where it was.
        place: Place,
    },
}

impl<'h> Credential<'h> {
    /// Takes one more header into account.
    pub fn read(&mut self, sources: &Sources, name: &[u8], value: &'h [u8]) {
        sources.each_in(name, value, |place, secret| self.found(place, secret));
    }

    /// The credential among all headers of a request.
    #[must_use]
    pub fn find(sources: &Sources, headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>) -> Self {
        let mut credential = Self::Missing;
        for (name, value) in headers {
            credential.read(sources, name, value);
        }
        credential
    }

    /// Takes one that was found into account; `None` stands for one that is too long.
    fn found(&mut self, place: Place, secret: Option<Cow<'h, [u8]>>) {
        *self = match (&self, secret) {
            (Self::Missing, Some(secret)) if is_plausible(&secret) => Self::Presented { secret, place },
            (Self::Missing, _) => Self::Malformed,
            _ => Self::Multiple,
        }
    }
}

/// A header that may hold a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    name: Box<[u8]>,
    /// Empty when the whole value is the credential.
    scheme: Box<[u8]>,
}

impl Header {
    /// The credential in a value of this header; `None` when it is of another scheme.
    fn credential<'h>(&self, value: &'h [u8]) -> Option<&'h [u8]> {
        if self.scheme.is_empty() {
            return Some(value);
        }
        let value = value.trim_ascii();
        if let Some(credential) = after_scheme(value, &self.scheme) {
            return Some(credential);
        }
        // Envoy joins repeated headers by a comma, so one of this scheme may hide behind one of another. The whole is no key, and counts as one.
        let is_hidden = value.split(|byte| *byte == b',').any(|part| after_scheme(part, &self.scheme).is_some());
        is_hidden.then_some(value)
    }
}

/// What follows the scheme, the case of which does not matter (RFC 9110, 11.1). `None` for another scheme.
fn after_scheme<'h>(value: &'h [u8], scheme: &[u8]) -> Option<&'h [u8]> {
    let value = value.trim_ascii();
    let (found, rest) = value.split_at_checked(scheme.len())?;
    let ends = matches!(rest.first(), None | Some(b' ' | b'\t'));
    (ends && found.eq_ignore_ascii_case(scheme)).then(|| rest.trim_ascii())
}

/// Whether the bytes could be a key at all, an imported one included: 1 to 512 visible ASCII characters. A list joined by a
/// comma is what a proxy makes of a repeated header; commas are in no key.
fn is_plausible(secret: &[u8]) -> bool {
    (1..=MAX_CREDENTIAL_LEN).contains(&secret.len())
        && secret.iter().all(|byte| byte.is_ascii_graphic() && *byte != b',')
}

/// The places where a credential may be, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    headers: Box<[Header]>,
    /// Names of parameters and of cookies.
    queries: Box<[Box<[u8]>]>,
    cookies: Box<[Box<[u8]>]>,
    /// As they were configured, for words.
    all: Box<[Source]>,
}

impl Sources {
    /// Checks and compiles them. None may have a name that `identity` uses.
    pub fn compile(configs: &SourceConfigs, identity: &Identity) -> Result<Self, ConfigError> {
        let all = configs.compile(identity)?;
        let (mut headers, mut queries, mut cookies) = (Vec::new(), Vec::new(), Vec::new());
        for source in &all {
            match source {
                Source::Header { name, scheme } => headers.push(Header {
                    name: name.to_ascii_lowercase().into_bytes().into(),
                    scheme: scheme.clone().unwrap_or_default().into_bytes().into(),
                }),
                Source::Query(name) => queries.push(name.as_bytes().into()),
                Source::Cookie(name) => cookies.push(name.as_bytes().into()),
            }
        }
        let (headers, queries, cookies) = (headers.into(), queries.into(), cookies.into());
        Ok(Self { headers, queries, cookies, all: all.into() })
    }

    /// As they were configured.
    #[must_use]
    pub fn all(&self) -> &[Source] {
        &self.all
    }

    /// Whether a credential may be in the query, where logs would show it.
    #[must_use]
    pub const fn are_in_query(&self) -> bool {
        !self.queries.is_empty()
    }

    /// Whether a credential from this place came as `Bearer`, as tokens of identity providers do.
    #[must_use]
    pub fn is_bearer(&self, place: Place) -> bool {
        match place {
            Place::Header(index) => {
                self.headers.get(index).is_some_and(|header| header.scheme.eq_ignore_ascii_case(BEARER.as_bytes()))
            }
            Place::Query | Place::Cookie => false,
        }
    }

    /// Tells each credential in a header; `None` for one that is too long to be read.
    pub fn each_in<'h>(&self, name: &[u8], value: &'h [u8], mut found: impl FnMut(Place, Option<Cow<'h, [u8]>>)) {
        for (index, header) in self.headers.iter().enumerate() {
            if name.eq_ignore_ascii_case(&header.name)
                && let Some(secret) = header.credential(value)
            {
                found(Place::Header(index), Some(Cow::Borrowed(secret)));
            }
        }
        if !self.queries.is_empty() && name == PATH {
            for parameter in query::parameters(value).filter(|parameter| self.is_query(parameter)) {
                found(Place::Query, query::value(parameter));
            }
        }
        if !self.cookies.is_empty() && name.eq_ignore_ascii_case(COOKIE) {
            for secret in cookie::pairs(value).filter_map(|pair| self.cookie(pair)) {
                found(Place::Cookie, Some(Cow::Borrowed(secret)));
            }
        }
    }

    fn is_query(&self, parameter: &[u8]) -> bool {
        self.queries.iter().any(|name| query::is_named(parameter, name))
    }

    fn cookie<'h>(&self, pair: &'h [u8]) -> Option<&'h [u8]> {
        self.cookies.iter().find_map(|name| cookie::value(pair, name))
    }

    /// Removes from the request what was found in it, all of it if it was more than one. `block` is where it was found.
    pub fn remove(&self, credential: &Credential<'_>, block: &[u8], host: &impl Host) -> Result<(), HostFault> {
        match credential {
            Credential::Missing => Ok(()),
            Credential::Presented { place: Place::Header(index), .. } => {
                host.remove_header(&self.headers.get(*index).ok_or(HostFault)?.name)
            }
            _ => self.remove_all(block, host),
        }
    }

    fn remove_all(&self, block: &[u8], host: &impl Host) -> Result<(), HostFault> {
        let headers = || HeaderBlock::parse(block).ok_or(HostFault);
        let (mut names, mut path, mut in_cookies) = (Vec::new(), None, false);
        for (name, value) in headers()? {
            self.each_in(name, value, |place, _| match place {
                Place::Header(_) if names.contains(&name) => {}
                Place::Header(_) => names.push(name),
                Place::Query => path = Some(value),
                Place::Cookie => in_cookies = true,
            });
        }
        names.into_iter().try_for_each(|name| host.remove_header(name))?;
        if let Some(path) = path {
            self.remove_from_path(path, host)?;
        }
        if in_cookies {
            let mut kept = Vec::new();
            for (_, value) in headers()?.filter(|(name, _)| name.eq_ignore_ascii_case(COOKIE)) {
                cookie::keep(&mut kept, value, |pair| self.cookie(pair).is_some());
            }
            if kept.is_empty() { host.remove_header(COOKIE) } else { host.replace_header(COOKIE, &kept) }?;
        }
        Ok(())
    }

    /// Removes credentials from the request's path, if there are any: from that of a refused request too, because logs show it.
    pub fn remove_from_path(&self, path: &[u8], host: &impl Host) -> Result<(), HostFault> {
        if query::parameters(path).any(|parameter| self.is_query(parameter)) {
            host.replace_header(PATH, &query::without(path, |parameter| self.is_query(parameter)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::identity::IdentityConfig;
    use proptest::prelude::*;

    const ALL: &str = r#"[{"header": "x-api-key"}, {"bearer": "authorization"}, {"header": "authorization", "scheme": "ApiKey"},
        {"query": "api_key"}, {"cookie": "key"}, {"query": "key"}]"#;

    fn compile(configs: &SourceConfigs) -> Sources {
        Sources::compile(configs, &IdentityConfig::default().compile().unwrap()).unwrap()
    }

    fn sources(json: &str) -> Sources {
        compile(&serde_json::from_str(json).unwrap())
    }

    fn usual() -> Sources {
        compile(&SourceConfigs::default())
    }

    fn find<'a>(sources: &Sources, headers: &[(&'a str, &'a [u8])]) -> Credential<'a> {
        Credential::find(sources, headers.iter().map(|(name, value)| (name.as_bytes(), *value)))
    }

    fn is_presented(found: &Credential<'_>, expected: &[u8], from: Place) -> bool {
        matches!(found, Credential::Presented { secret, place } if **secret == *expected && *place == from)
    }

    #[test]
    fn a_key_is_found_in_either_header() {
        assert!(is_presented(&find(&usual(), &[("x-api-key", b"abc")]), b"abc", Place::Header(0)));
        for value in [&b"Bearer abc"[..], b"bearer abc", b"BEARER   abc ", b"Bearer\tabc"] {
            assert!(is_presented(&find(&usual(), &[("authorization", value)]), b"abc", Place::Header(1)));
        }
        assert!(usual().is_bearer(Place::Header(1)) && !usual().is_bearer(Place::Header(0)));
    }

    #[test]
    fn a_key_is_found_in_each_place_that_is_configured() {
        let all = sources(ALL);
        for (name, value, place) in [
            ("authorization", &b"APIKEY abc"[..], Place::Header(2)),
            ("authorization", b"Bearer abc", Place::Header(1)),
            (":path", b"/a?x=1&%61pi_key=%61bc", Place::Query),
            (":path", b"/a?key=abc", Place::Query),
            ("cookie", b"a=1; key=abc", Place::Cookie),
        ] {
            assert!(is_presented(&find(&all, &[(name, value)]), b"abc", place), "{name}");
            if place != Place::Header(1) {
                assert!(find(&usual(), &[(name, value)]) == Credential::Missing, "{name}");
            }
        }
    }

    #[test]
    fn another_scheme_is_no_credential() {
        for value in [&b"Basic abc"[..], b"Bearerabc", b"", b"Bear", b"Digest a=b, c=d"] {
            assert!(find(&usual(), &[("authorization", value)]) == Credential::Missing);
        }
    }

    #[test]
    fn two_credentials_are_refused_even_if_equal() {
        let all = sources(ALL);
        for headers in [
            &[("x-api-key", &b"abc"[..]), ("authorization", b"Bearer abc")][..],
            &[("x-api-key", b"abc"), ("x-api-key", b"abc")],
            &[("x-api-key", b""), ("x-api-key", b"abc")],
            &[("x-api-key", b"abc"), ("x-api-key", b"")],
            &[("x-api-key", b"a"), ("x-api-key", b"b"), ("x-api-key", b"c")],
            &[("x-api-key", b"abc"), (":path", b"/?api_key=abc")],
            &[("x-api-key", b"abc"), ("cookie", b"key=abc")],
            &[(":path", b"/?api_key=abc&api_key=abc")],
            &[(":path", b"/?api_key=abc&api%5fkey")],
            &[(":path", b"/?api_key=abc&key=abc")],
            &[(":path", b"/?key=abc"), ("cookie", b"key=abc")],
            &[("cookie", b"key=abc; key=abc")],
            &[("cookie", b"key=abc"), ("cookie", b"key=abc")],
            &[("authorization", b"ApiKey abc"), ("authorization", b"Bearer abc")],
            &[("authorization", b"ApiKey abc, Bearer abc")],
        ] {
            assert!(find(&all, headers) == Credential::Multiple);
        }
        let mixed = [("authorization", &b"Basic x"[..]), ("x-api-key", b"abc")];
        assert!(is_presented(&find(&usual(), &mixed), b"abc", Place::Header(0)));
    }

    #[test]
    fn headers_that_a_proxy_has_joined_hold_no_key() {
        for value in
            [&b"Bearer abc,Bearer abc"[..], b"Bearer abc, Basic x", b"Basic x,Bearer abc", b"Basic x , bearer\tabc"]
        {
            assert!(find(&usual(), &[("authorization", value)]) == Credential::Malformed);
        }
        assert!(
            find(&usual(), &[("authorization", b"Basic x,Bearer abc"), ("x-api-key", b"abc")]) == Credential::Multiple
        );
        assert!(find(&usual(), &[("x-api-key", b"abc,abc")]) == Credential::Malformed);
    }

    #[test]
    fn bytes_that_no_key_has_are_malformed() {
        for value in [&b""[..], b"a b", b"a\0b", b"\xff\xfe", b"a,b", &[b'a'; 513]] {
            assert!(find(&usual(), &[("x-api-key", value)]) == Credential::Malformed);
        }
        assert!(find(&usual(), &[("authorization", b"Bearer")]) == Credential::Malformed);
        assert!(is_presented(&find(&usual(), &[("x-api-key", &[b'a'; 512])]), &[b'a'; 512], Place::Header(0)));
        let long = ["/?api_key=", &"a".repeat(64 * 1024)].concat();
        for path in
            ["/?api_key", "/?api_key=", "/?api_key=a%00", "/?api_key=%ff", "/?api_key=a%2Cb", "/?api_key=a%20b", &long]
        {
            assert!(find(&sources(ALL), &[(":path", path.as_bytes())]) == Credential::Malformed, "{path}");
        }
        assert!(find(&sources(ALL), &[("cookie", b"key=")]) == Credential::Malformed);
    }

    fn removed(headers: &[(&str, &[u8])]) -> Vec<(String, String)> {
        let host = FakeHost::with_headers(headers);
        let (all, block) = (sources(ALL), host.block());
        all.remove(&Credential::find(&all, HeaderBlock::parse(&block).unwrap()), &block, &host).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        host.headers.borrow().iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn a_credential_is_removed_from_where_it_was() {
        for (header, left) in [
            (("x-api-key", "abc"), None),
            (("authorization", "ApiKey abc"), None),
            (("authorization", "Basic abc"), Some("Basic abc")),
            ((":path", "/%2e?a=%20&api%5Fkey=abc&&b"), Some("/%2e?a=%20&&b")),
            (("cookie", "a=1; key=abc; b"), Some("a=1; b")),
            (("cookie", "key=abc"), None),
        ] {
            let expected = left.map(|left| (header.0.to_owned(), left.to_owned()));
            assert_eq!(removed(&[(header.0, header.1.as_bytes())]), Vec::from_iter(expected));
        }
    }

    #[test]
    fn all_of_several_credentials_are_removed() {
        let headers: [(&str, &[u8]); 8] = [
            (":path", b"/?api_key=abc&a=1&key=d"),
            ("x-api-key", b"abc"),
            ("x-other", b"stays"),
            ("X-Api-Key", b"abc"),
            ("cookie", b"key=abc"),
            ("authorization", b"Basic x,Bearer abc"),
            ("cookie", b"b=2; key=abc"),
            ("cookie", b"c=3"),
        ];
        let mut left = removed(&headers);
        left.sort();
        let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(left, [of(":path", "/?a=1"), of("cookie", "b=2; c=3"), of("x-other", "stays")]);
    }

    #[test]
    fn a_credential_that_cannot_be_removed_is_a_fault() {
        for header in
            [("x-api-key", &b"abc"[..]), (":path", b"/?key=abc"), ("cookie", b"key=abc"), ("cookie", b"a; key=abc")]
        {
            let host = FakeHost::with_headers(&[header]);
            host.changes_left.set(Some(0));
            let (all, block) = (sources(ALL), host.block());
            let found = Credential::find(&all, HeaderBlock::parse(&block).unwrap());
            assert_eq!(all.remove(&found, &block, &host), Err(HostFault));
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_search_panic(headers: Vec<(Vec<u8>, Vec<u8>)>) {
            let _ = Credential::find(&sources(ALL), headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())));
        }

        #[test]
        fn after_removal_nothing_is_found(headers in proptest::collection::vec((
            prop_oneof![Just("x-api-key"), Just("authorization"), Just(":path"), Just("cookie"), Just("x-other")],
            prop_oneof!["(Bearer|ApiKey|Basic)[ ,][a-z]{0,3}(,|, )?(bearer|apikey)?( [a-z])?", "/[?]?(key|api_key|%6bey|a|&|=|;|%)*", "(key=|a=| |;|\"|key|=){0,8}"],
        ), 0..6)) {
            // A request has one path.
            let mut paths = 0;
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes()))
                .filter(|(name, _)| *name != ":path" || { paths += 1; paths == 1 }).collect();
            let left = removed(&headers);
            let left: Vec<_> = left.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
            prop_assert!(find(&sources(ALL), &left) == Credential::Missing);
        }
    }
}
