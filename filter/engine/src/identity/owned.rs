//! Which request headers are the filter's to set. Whatever a caller sends under such a name is removed before anything else.
//!
//! Names are compared as upstreams fold them: CGI, WSGI, Rack and PHP make one variable of `X-Keyplane-Account`, `X_Keyplane_Account` and, some of
//! them, of `X.Keyplane.Account`. So here every byte that is neither a letter nor a digit counts as `-`.

use keyplane_contract::header::OWNED_PREFIX;

/// The names and beginnings of names that are owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// A bit for each first byte (its low five bits) that any of them has: most headers are passed by with one look.
    firsts: u32,
    /// Folded.
    prefixes: Box<[Box<[u8]>]>,
    /// Folded.
    names: Box<[Box<[u8]>]>,
}

impl Owned {
    /// What begins with `x-keyplane-` or one of `prefixes`, and `names`.
    #[must_use]
    pub fn new<'a>(prefixes: &[&str], names: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let prefixes: Box<[_]> =
            [OWNED_PREFIX].iter().chain(prefixes).map(|prefix| folded(prefix.as_bytes())).collect();
        let has_prefix = |name: &[u8]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let names: Box<[_]> = names.into_iter().map(folded).filter(|name| !has_prefix(name)).collect();
        let firsts =
            prefixes.iter().chain(&names).filter_map(|name| name.first()).fold(0, |bits, byte| bits | bit(*byte));
        Self { firsts, prefixes, names }
    }

    /// Whether a header of this name is removed.
    #[must_use]
    pub fn owns(&self, name: &[u8]) -> bool {
        let Some(first) = name.first() else { return false };
        self.firsts & bit(fold(*first)) != 0
            && (self.prefixes.iter().any(|prefix| name.get(..prefix.len()).is_some_and(|start| same(start, prefix)))
                || self.names.iter().any(|owned| owned.len() == name.len() && same(name, owned)))
    }
}

/// One byte of a name as upstreams fold it.
const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// A whole name as upstreams fold it.
pub(super) fn folded(name: &[u8]) -> Box<[u8]> {
    name.iter().map(|byte| fold(*byte)).collect()
}

/// Whether `name` folds to `owned`, which has the same length.
fn same(name: &[u8], owned: &[u8]) -> bool {
    name.iter().zip(owned).all(|(byte, owned)| fold(*byte) == *owned)
}

const fn bit(folded: u8) -> u32 {
    1 << (folded & 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_an_owned_name_is_owned() {
        let owned = Owned::new(&["x-consumer-"], [&b"X-Anonymous-Consumer"[..], b"client_id"]);
        for name in [
            "x-keyplane-key-id",
            "X-KEYPLANE-ACCOUNT",
            "x_keyplane_key_id",
            "X-Keyplane_Scopes",
            "x.keyplane.account",
            "x-keyplane-",
            "x-keyplane-not-known-yet",
            "X_Consumer_Groups",
            "x-anonymous_consumer",
            "Client-Id",
            "CLIENT_ID",
        ] {
            assert!(owned.owns(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            ":path",
            "x",
            "x-keyplane",
            "x-keyplan-key-id",
            "keyplane-key-id",
            "x-consumer",
            "x-anonymous-consumers",
            "x-anonymous-consume",
            "client-ident",
            "clientid",
            "\u{b8}-keyplane-account",
        ] {
            assert!(!owned.owns(name.as_bytes()), "{name}");
        }
    }

    proptest! {
        #[test]
        fn case_and_separators_hide_nothing(rest in "[a-z0-9-]{0,12}", flips: u32, separator in "[-_.!~+ ]") {
            let name: Vec<u8> = format!("x-keyplane-{rest}").replace('-', &separator).bytes().enumerate()
                .map(|(at, byte)| if flips >> (at % 32) & 1 == 1 { byte.to_ascii_uppercase() } else { byte })
                .collect();
            prop_assert!(Owned::new(&[], []).owns(&name));
        }

        #[test]
        fn a_name_is_owned_when_its_folded_form_is(names: Vec<Vec<u8>>, asked: Vec<u8>) {
            let owned = Owned::new(&[], names.iter().map(Vec::as_slice));
            let expected = names.iter().any(|name| !name.is_empty() && folded(name) == folded(&asked));
            prop_assert_eq!(owned.owns(&asked), expected || folded(&asked).starts_with(OWNED_PREFIX.as_bytes()));
            for name in names.iter().filter(|name| !name.is_empty()) {
                prop_assert!(owned.owns(name));
            }
        }
    }
}
