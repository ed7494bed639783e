//! Credentials in the query of a request's path: finding them, and a path without them.
//!
//! Parameters are separated by `&`; name and value by the first `=`. Both are percent-decoded once, as RFC 3986 has it; a `%` that
//! begins no escape stands for itself, as in the URL standard of the WHATWG. A `+` is a plus and not a space: no key has
//! spaces, and keys that were imported may have a plus.

use super::MAX_CREDENTIAL_LEN;
use crate::percent::Decoded;
use std::borrow::Cow;

/// The parameters of a path, each as it stands there, the first one first. None without a `?`; an empty one for each `&` too many.
pub fn parameters(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let query = split_once(path, b'?').map(|(_, query)| query);
    query.into_iter().flat_map(|query| query.split(|byte| *byte == b'&'))
}

/// Whether a parameter has this name, which is given decoded.
#[must_use]
pub fn is_named(parameter: &[u8], name: &[u8]) -> bool {
    let (encoded, _) = split_once(parameter, b'=').unwrap_or((parameter, &[]));
    // No escape makes a name longer than it is encoded.
    encoded.len() >= name.len() && Decoded::new(encoded).eq(name.iter().copied())
}

/// The value of a parameter, decoded; empty without a `=`. `None` when it is longer than any credential.
#[must_use]
pub fn value(parameter: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (_, encoded) = split_once(parameter, b'=').unwrap_or((parameter, &[]));
    if !encoded.contains(&b'%') {
        return (encoded.len() <= MAX_CREDENTIAL_LEN).then_some(Cow::Borrowed(encoded));
    }
    let value: Vec<u8> = Decoded::new(encoded).take(MAX_CREDENTIAL_LEN + 1).collect();
    (value.len() <= MAX_CREDENTIAL_LEN).then_some(Cow::Owned(value))
}

/// The path without the parameters of which `is_taken` says so. All other bytes stay, in order; if no parameter is left, the `?` goes too.
#[must_use]
pub fn without(path: &[u8], is_taken: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let before = split_once(path, b'?').map_or(path, |(before, _)| before);
    let mut kept = Vec::with_capacity(path.len());
    kept.extend_from_slice(before);
    let mut separator = b'?';
    for parameter in parameters(path).filter(|parameter| !is_taken(parameter)) {
        kept.push(separator);
        kept.extend_from_slice(parameter);
        separator = b'&';
    }
    // One empty parameter is a query of no bytes.
    if kept.len() == before.len() + 1 {
        kept.pop();
    }
    kept
}

fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let mut parts = bytes.splitn(2, |byte| *byte == at);
    parts.next().zip(parts.next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(path: &str) -> Vec<String> {
        let named = parameters(path.as_bytes()).filter(|parameter| is_named(parameter, b"api_key"));
        named.map(|parameter| String::from_utf8(value(parameter).unwrap().into_owned()).unwrap()).collect()
    }

    fn removed(path: &str) -> String {
        String::from_utf8(without(path.as_bytes(), |parameter| is_named(parameter, b"api_key"))).unwrap()
    }

    #[test]
    fn a_parameter_is_found_however_it_is_encoded() {
        for path in [
            "/a?api_key=k",
            "/?x=1&api_key=k&y",
            "/a?%61pi_key=%6B",
            "/?api%5fkey=%6b",
            "?api_key=k",
            "/a?&&api_key=k&",
        ] {
            assert_eq!(values(path), ["k"], "{path}");
        }
        for path in [
            "/a",
            "",
            "/api_key=k",
            "/a?API_KEY=k",
            "/a?api_key2=k",
            "/a?api%255fkey=k",
            "/a?x=api_key=k",
            "/?a;api_key=k",
        ] {
            assert!(values(path).is_empty(), "{path}");
        }
        assert_eq!(values("/?api_key=a=b+c%2Bd%2c%zz%4"), ["a=b+c+d,%zz%4"]);
        assert_eq!(values("/?api_key&api_key=&api_key=x?y"), ["", "", "x?y"]);
    }

    #[test]
    fn removal_leaves_the_other_parameters_as_they_are() {
        for (path, expected) in [
            ("/a?api_key=k", "/a"),
            ("/a?api_key=k&b=%20+&&c", "/a?b=%20+&&c"),
            ("/a?b=1&api_key=k&c=2", "/a?b=1&c=2"),
            ("/a?b=1&%61pi_key=k", "/a?b=1"),
            ("/a?api_key=k&api_key=l&b", "/a?b"),
            ("/%2e/a%3F?api_key", "/%2e/a%3F"),
            ("/a?b?api_key=1&api_key=2", "/a?b?api_key=1"),
            ("/a?api_key=k&", "/a"),
            ("/a?&api_key=k&", "/a?&"),
        ] {
            assert_eq!(removed(path), expected, "{path}");
        }
    }

    #[test]
    fn a_value_longer_than_any_credential_is_not_read() {
        let encoded = |length| ["api_key=", &"%41".repeat(length)].concat();
        assert_eq!(value(encoded(512).as_bytes()).unwrap().len(), 512);
        assert_eq!(value(encoded(513).as_bytes()), None);
        assert_eq!(value(&vec![b'a'; 64 * 1024]).unwrap().len(), 0);
        assert_eq!(value(&vec![b'='; 64 * 1024]), None);
    }

    fn encode(bytes: &[u8], every: u8) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() && !byte.is_multiple_of(every.max(1));
        bytes
            .iter()
            .map(|byte| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02x}") })
            .collect()
    }

    proptest! {
        #[test]
        fn whatever_was_encoded_is_read(name: Vec<u8>, content in proptest::collection::vec(any::<u8>(), 0..200), every in 1_u8..5) {
            let parameter = format!("{}={}", encode(&name, every), encode(&content, every));
            prop_assert!(is_named(parameter.as_bytes(), &name));
            prop_assert_eq!(value(parameter.as_bytes()).unwrap().into_owned(), content);
        }

        #[test]
        fn removal_takes_the_named_ones_and_nothing_else(
            before in "[a-z/%.;]{0,8}",
            parts in proptest::collection::vec((any::<bool>(), "(|[a-z]{1,3}=?|[a-z%=?+;#]{1,6})"), 0..8),
        ) {
            let is_named = |parameter: &[u8]| is_named(parameter, b"api_key");
            let all: Vec<_> = parts.iter().map(|(key, text)| if *key { format!("api%5Fkey={text}") } else { text.clone() }).collect();
            let kept: Vec<_> = parts.iter().filter(|(key, _)| !*key).map(|(_, text)| text.clone()).collect();
            let whole = |parts: &[String]| match parts.join("&") {
                query if query.is_empty() => before.clone(),
                query => format!("{before}?{query}"),
            };
            prop_assert_eq!(String::from_utf8(without(format!("{before}?{}", all.join("&")).as_bytes(), is_named)).unwrap(), whole(&kept));
        }

        #[test]
        fn no_path_makes_it_panic(path: Vec<u8>, name: Vec<u8>) {
            let left = without(&path, |parameter| is_named(parameter, &name));
            prop_assert!(left.len() <= path.len());
            prop_assert!(name.is_empty() || !parameters(&left).any(|parameter| is_named(parameter, &name)));
            parameters(&path).for_each(|parameter| drop(value(parameter)));
        }
    }
}
