//! Credentials in cookies: finding them, and a `Cookie` header without them.
//!
//! Pairs are separated by `;`, name and value by the first `=`, white space around them does not count, and quotes around the
//! whole value are not part of it: RFC 6265, 4.2.1 and 5.2. Names are compared byte for byte. Nothing is decoded, as browsers decode nothing.

/// The cookies of a `Cookie` header, each as it stands there.
pub fn pairs(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    header.split(|byte| *byte == b';')
}

/// The value of a cookie if it has this name.
#[must_use]
pub fn value<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    let (found, value) = parts.next().zip(parts.next())?;
    (found.trim_ascii() == name).then(|| unquoted(value.trim_ascii()))
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// Adds the cookies of one more `Cookie` header to `kept`, but those of which `is_taken` says so. All other bytes stay, in order. Several
/// headers become one, as RFC 9113, 8.2.3 has it.
pub fn keep(kept: &mut Vec<u8>, header: &[u8], is_taken: impl Fn(&[u8]) -> bool) {
    let mut is_first = true;
    for pair in pairs(header).filter(|pair| !is_taken(pair)) {
        // The white space after a separator belongs to what follows it, and goes where nothing is before it.
        let pair = if is_first { pair.trim_ascii_start() } else { pair };
        if is_first && pair.is_empty() {
            continue;
        }
        if !kept.is_empty() {
            kept.extend_from_slice(if is_first { b"; " } else { b";" });
        }
        kept.extend_from_slice(pair);
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(header: &str) -> Vec<&str> {
        let values = pairs(header.as_bytes()).filter_map(|pair| value(pair, b"key"));
        values.map(|value| std::str::from_utf8(value).unwrap()).collect()
    }

    fn left(headers: &[&str]) -> String {
        let mut kept = Vec::new();
        for header in headers {
            keep(&mut kept, header.as_bytes(), |pair| value(pair, b"key").is_some());
        }
        String::from_utf8(kept).unwrap()
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        for header in ["key=k", "a=1; key=k; b", "a=1;key=k", " key = k ;", "key=\"k\"", ";;\tkey=k"] {
            assert_eq!(values(header), ["k"], "{header}");
        }
        for header in ["", "key", "Key=k", "a=key=k", "keys=k", "a=1, key=k", "a key=k"] {
            assert!(values(header).is_empty(), "{header}");
        }
        assert_eq!(values("key=; key=\"; key=a=b; key=\"\"; key=%6b"), ["", "\"", "a=b", "", "%6b"]);
    }

    #[test]
    fn removal_leaves_the_other_cookies_as_they_are() {
        for (header, expected) in [
            ("key=k", ""),
            ("key=k; a=1", "a=1"),
            ("a=1; key=k", "a=1"),
            ("a=1; key=k; b=\"2;  c =3", "a=1; b=\"2;  c =3"),
            ("a=1;key=k;b=2;", "a=1;b=2;"),
            ("key=k; key=l;", ""),
        ] {
            assert_eq!(left(&[header]), expected, "{header}");
        }
        assert_eq!(left(&["a=1", "key=k", "b=2; key=l; c"]), "a=1; b=2; c");
        assert_eq!(left(&["key=k", " a"]), "a");
    }

    proptest! {
        #[test]
        fn removal_takes_the_named_ones_and_nothing_else(parts in proptest::collection::vec((any::<bool>(), "[a-z =\"]{0,4}[a-z]"), 0..8)) {
            let is_key = |part: &str| value(part.as_bytes(), b"key").is_some();
            let all: Vec<_> = parts.iter().map(|(key, text)| if *key { format!("key={text}") } else { text.clone() }).collect();
            let kept: Vec<_> = all.iter().filter(|part| !is_key(part)).map(|part| part.trim_start().to_owned()).collect();
            // In one header or in one each, the same is left.
            let trimmed: Vec<_> = all.iter().map(|part| part.trim_start()).collect();
            prop_assert_eq!(left(&[&trimmed.join("; ")]), kept.join("; "));
            prop_assert_eq!(left(&trimmed), kept.join("; "));
        }

        #[test]
        fn no_cookie_makes_it_panic(headers: Vec<Vec<u8>>, name: Vec<u8>) {
            let mut kept = Vec::new();
            for header in &headers {
                keep(&mut kept, header, |pair| value(pair, &name).is_some());
            }
            prop_assert!(!pairs(&kept).any(|pair| value(pair, &name).is_some()));
        }
    }
}
