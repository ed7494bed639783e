//! The `Connection` header of a request that asks for an upgrade. It names headers that end at the next hop (RFC 9110, 7.6.1).
//!
//! Envoy drops it, with what it names, from every other request, but passes it on with an upgrade. Then `Connection: upgrade,
//! x-keyplane-account` would make a proxy or server behind it drop the identity that this filter has just set. So the names that are owned are
//! taken out, and everything else is left as it is.

use super::owned::Owned;

/// The header's name as hosts carry it.
pub const CONNECTION: &[u8] = b"connection";

/// Whether a header is `Connection`.
#[must_use]
pub const fn is(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(CONNECTION)
}

/// What a `Connection` header has to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Nothing in it is owned.
    Keep,
    /// This value, in place of all there are.
    Replace(Vec<u8>),
    /// Nothing is left of it.
    Remove,
}

/// Looks through the values of all `Connection` headers of a request.
pub fn edit<'a>(values: impl Iterator<Item = &'a [u8]> + Clone, owned: &Owned) -> Edit {
    let options = values.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    if !options.clone().any(|option| owned.owns(option)) {
        return Edit::Keep;
    }
    let kept: Vec<&[u8]> = options.filter(|option| !option.is_empty() && !owned.owns(option)).collect();
    if kept.is_empty() { Edit::Remove } else { Edit::Replace(kept.join(&b", "[..])) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edited(values: &[&str]) -> Edit {
        edit(values.iter().map(|value| value.as_bytes()), &Owned::new(&[], [&b"x-consumer-id"[..]]))
    }

    fn replaced(value: &str) -> Edit {
        Edit::Replace(value.as_bytes().to_vec())
    }

    #[test]
    fn owned_names_are_taken_out_and_all_else_stays() {
        for untouched in [&[][..], &["Upgrade"], &["keep-alive,  Upgrade", "close"], &[""], &[",,x-other"]] {
            assert_eq!(edited(untouched), Edit::Keep, "{untouched:?}");
        }
        assert_eq!(edited(&["Upgrade, x-keyplane-account"]), replaced("Upgrade"));
        assert_eq!(edited(&["X_Keyplane_Account,Upgrade ,x-other"]), replaced("Upgrade, x-other"));
        assert_eq!(edited(&["upgrade\t,\tX-Consumer-ID"]), replaced("upgrade"));
        assert_eq!(edited(&["upgrade", "x-keyplane-key-id", "x-other"]), replaced("upgrade, x-other"));
        assert_eq!(edited(&["x-keyplane-key-id,,x-keyplane-user"]), Edit::Remove);
    }

    proptest! {
        #[test]
        fn nothing_owned_stays_and_nothing_else_goes(values in proptest::collection::vec(
            "([ ,\t]{0,2}(x[-_]keyplane[-_]a|Upgrade|x-other|close|\\PC{0,3})){0,4}", 0..3,
        )) {
            let owned = Owned::new(&[], []);
            let of = |value: &str| -> Vec<String> {
                value.split(',').map(|option| option.trim_matches([' ', '\t']).to_owned()).filter(|option| !option.is_empty()).collect()
            };
            let all: Vec<String> = values.iter().flat_map(|value| of(value)).collect();
            let expected: Vec<String> = all.iter().filter(|option| !owned.owns(option.as_bytes())).cloned().collect();
            match edit(values.iter().map(String::as_bytes), &owned) {
                Edit::Keep => prop_assert_eq!(all, expected),
                Edit::Remove => prop_assert!(expected.is_empty() && !all.is_empty()),
                Edit::Replace(value) => {
                    prop_assert_eq!(of(std::str::from_utf8(&value).unwrap()), &expected[..]);
                    prop_assert!(expected.len() < all.len());
                }
            }
        }
    }
}
