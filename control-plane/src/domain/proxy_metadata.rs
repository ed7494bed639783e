//! Which metadata of keys proxies are told: those of the names that the operator chose, and no others.
//!
//! Proxies hand them on in headers, so only plain values are told, and no text that could not be a header.

use super::metadata::Metadata;
use keyplane_contract::sync::Metadata as Pairs;
use std::collections::BTreeSet;

/// The most names.
pub const MAX_NAMES: usize = 16;
/// The longest name, in bytes.
pub const MAX_NAME_LEN: usize = 64;
/// The longest value that is told, in bytes.
pub const MAX_VALUE_LEN: usize = 1024;

/// The chosen names, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProxyMetadata(BTreeSet<String>);

/// Why names cannot be chosen: a sentence about the setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProxyMetadataError {
    /// Too many.
    #[error("setting `proxy_metadata` has more than 16 names")]
    TooMany,
    /// One is empty, too long or no plain text.
    #[error("setting `proxy_metadata` has a name that is not 1 to 64 bytes without control characters")]
    Name,
}

impl ProxyMetadata {
    /// Checks the names. One that comes twice counts once.
    pub fn new(names: Vec<String>) -> Result<Self, ProxyMetadataError> {
        let fits = |name: &String| (1..=MAX_NAME_LEN).contains(&name.len()) && !name.chars().any(char::is_control);
        if !names.iter().all(fits) {
            return Err(ProxyMetadataError::Name);
        }
        let names = BTreeSet::from_iter(names);
        if names.len() > MAX_NAMES { Err(ProxyMetadataError::TooMany) } else { Ok(Self(names)) }
    }

    /// The names as a JSON array: equal choices have equal texts.
    pub fn text(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// What proxies are told of `metadata`, as the bytes of [`Pairs`]; empty for nothing. Left out is what is not there, what is
    /// no text, number or boolean, and text above [`MAX_VALUE_LEN`] or with control characters.
    pub fn of(&self, metadata: &Metadata) -> Vec<u8> {
        let fits = |value: &String| value.len() <= MAX_VALUE_LEN && !value.chars().any(char::is_control);
        let value = |name: &String| metadata.plain(name).filter(fits);
        let told: Vec<_> = self.0.iter().filter_map(|name| Some((name.as_str(), value(name)?))).collect();
        // Within these bounds every length fits.
        Pairs::encode(told.iter().map(|(name, value)| (*name, value.as_str()))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn chosen(names: &[&str]) -> ProxyMetadata {
        ProxyMetadata::new(names.iter().map(|name| (*name).to_owned()).collect()).unwrap()
    }

    #[test]
    fn only_plain_values_of_chosen_names_are_told() {
        let metadata = Metadata::new(json!({
            "plan": "pro", "seats": 3, "ratio": 0.5, "beta": true, "none": null, "list": ["a"], "object": { "plan": "x" },
            "lines": "a\r\nb", "nul": "\u{0}", "long": "x".repeat(1025), "longest": "y".repeat(1024), "empty": "", "secret": "s3cret",
        }));
        let chosen = chosen(&[
            "seats", "plan", "ratio", "beta", "none", "list", "object", "lines", "nul", "long", "longest", "empty",
            "absent",
        ]);
        let bytes = chosen.of(&metadata.unwrap());
        let longest = "y".repeat(1024);
        let expected =
            [("beta", "true"), ("empty", ""), ("longest", &longest), ("plan", "pro"), ("ratio", "0.5"), ("seats", "3")];
        assert_eq!(Pairs::from_bytes(&bytes).iter().collect::<Vec<_>>(), expected);
        assert!(ProxyMetadata::default().of(&Metadata::new(json!({ "plan": "pro" })).unwrap()).is_empty());
    }

    #[test]
    fn the_order_of_names_and_names_twice_make_no_difference() {
        assert_eq!(chosen(&["b", "a", "b"]).text(), r#"["a","b"]"#);
        assert_eq!(chosen(&["b", "a", "b"]), chosen(&["a", "b"]));
    }

    #[test]
    fn names_that_cannot_be_chosen_are_refused() {
        let refused = |names: Vec<String>| ProxyMetadata::new(names).unwrap_err();
        for name in [String::new(), "x".repeat(65), "a\nb".to_owned()] {
            assert_eq!(refused(vec![name]), ProxyMetadataError::Name);
        }
        assert_eq!(refused((0..17).map(|number| number.to_string()).collect()), ProxyMetadataError::TooMany);
    }

    proptest! {
        #[test]
        fn whatever_the_metadata_a_policy_of_it_fits_a_record(
            entries in proptest::collection::btree_map("[a-p]", prop_oneof![".{0,300}".prop_map(Value::from), any::<f64>().prop_map(Value::from)], 0..16),
        ) {
            let names: Vec<String> = ('a'..='p').map(String::from).collect();
            if let Ok(metadata) = Metadata::new(Value::Object(entries.into_iter().collect())) {
                let bytes = ProxyMetadata::new(names).unwrap().of(&metadata);
                prop_assert!(bytes.len() <= 8 * 1024);
            }
        }
    }
}
