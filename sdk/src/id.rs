//! Ids, one type per kind of object, so that an account's id cannot be passed where a key's belongs.
//!
//! They are checked when they are read, so that no text from outside becomes part of a request's path.

use keyplane_contract::id::Id;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// A text that is no id. Does not carry the text: it may be a key in the wrong place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdError {
    kind: &'static str,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is no {} id: an id is a UUID, such as 01890a5d-ac96-774b-bcce-b302099a8057", self.kind)
    }
}

impl std::error::Error for IdError {}

/// The hyphenated form only. [`Id::parse`] takes hyphens anywhere, which is too kind for what people type.
fn parse(text: &str, kind: &'static str) -> Result<Id, IdError> {
    let hyphens = text.bytes().enumerate().filter(|(_, byte)| *byte == b'-').map(|(at, _)| at);
    let in_place = text.len() == Id::TEXT_LEN && hyphens.eq([8, 13, 18, 23]);
    in_place.then(|| Id::parse(text.as_bytes())).flatten().ok_or(IdError { kind })
}

macro_rules! id {
    ($name:ident, $kind:literal, $article:literal) => {
        #[doc = concat!("The id of ", $article, " ", $kind, ": a UUID, version 7, so that ids sort by age.")]
        ///
        /// ```
        #[doc = concat!("use keyplane_sdk::", stringify!($name), ";")]
        ///
        #[doc = concat!("let id: ", stringify!($name), " = \"01890a5d-ac96-774b-bcce-b302099a8057\".parse()?;")]
        /// assert_eq!(id.to_string(), "01890a5d-ac96-774b-bcce-b302099a8057");
        /// # Ok::<(), keyplane_sdk::IdError>(())
        /// ```
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Id);

        impl $name {
            /// The 16 bytes of the UUID, for storage.
            pub const fn to_bytes(self) -> [u8; Id::LEN] {
                self.0.0
            }

            /// An id from the 16 bytes of its UUID.
            pub const fn from_bytes(bytes: [u8; Id::LEN]) -> Self {
                Self(Id(bytes))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text, $kind).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a UUID")
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}

id!(AccountId, "account", "an");
id!(ProjectId, "project", "a");
id!(KeyId, "key", "a");
id!(UserId, "user", "a");
id!(AdminKeyId, "admin key", "an");
id!(ProxyTokenId, "proxy token", "a");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_a_hyphenated_uuid_is_an_id() {
        for text in [
            "",
            "01890a5dac96774bbcceb302099a8057",
            "0-1890a5dac96-774b-bcce-b302099a8057",
            "01890a5d-ac96-774b-bcce-b302099a805",
            "01890a5d-ac96-774b-bcce-b302099a805g",
            "../../accounts/01890a5d-ac96-774b-b",
        ] {
            assert!(text.parse::<KeyId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_given_for_an_id_is_not_shown() {
        let text = "uk_live_0123456789ABCDEFGHIJabcdefghijKL1ExXni";
        let error = text.parse::<KeyId>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("0123456789"));
        let error = serde_json::from_str::<KeyId>(&format!("\"{text}\"")).unwrap_err();
        assert!(!error.to_string().contains("0123456789"));
    }

    proptest! {
        #[test]
        fn every_id_reads_back_from_its_text_and_from_json(bytes: [u8; 16]) {
            let id = KeyId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(serde_json::from_str::<KeyId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = text.parse::<KeyId>();
        }
    }
}
