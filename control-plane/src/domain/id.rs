//! Typed ids: UUID version 7 (RFC 9562), so that they sort by time of creation and an account's id is no key's id.
//!
//! The text form is the lower-case hyphenated one and no other: one object has one URL.

use super::random::{Random, RandomError};
use super::time::Time;
use core::fmt;
use keyplane_contract::id::Id;

/// Makes a fresh version 7 UUID from `now` and `random`.
pub fn generate(now: Time, random: &dyn Random) -> Result<Id, RandomError> {
    let mut tail = [0; 10];
    random.fill(&mut tail)?;
    let millis = u64::try_from(now.millis()).unwrap_or_default();
    Ok(Id(uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid().into_bytes()))
}

/// Reads the canonical text form; `None` for any other.
pub fn parse(text: &str) -> Option<Id> {
    Id::parse(text.as_bytes()).filter(|id| id.to_text() == text.as_bytes())
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Id);

        impl $name {
            /// A fresh id.
            pub fn generate(now: Time, random: &dyn Random) -> Result<Self, RandomError> {
                generate(now, random).map(Self)
            }

            /// Reads the canonical text form; `None` for any other.
            pub fn parse(text: &str) -> Option<Self> {
                parse(text).map(Self)
            }

            /// The 16 bytes, as stored.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

typed_id! {
    /// Id of an account.
    AccountId
}
typed_id! {
    /// Id of a project.
    ProjectId
}
typed_id! {
    /// Id of a user.
    UserId
}
typed_id! {
    /// Id of a key.
    KeyId
}
typed_id! {
    /// Id of an admin key.
    AdminKeyId
}
typed_id! {
    /// Id of a proxy token.
    ProxyTokenId
}
typed_id! {
    /// Id of one request to the control plane, for logs and problems.
    RequestId
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
            bytes.fill(self.0);
            Ok(())
        }
    }

    #[test]
    fn an_id_is_a_version_7_uuid_that_sorts_by_time() {
        let early = KeyId::generate(Time::from_millis(1_705_314_600_000), &Fixed(0xff)).unwrap();
        let late = KeyId::generate(Time::from_millis(1_705_314_600_001), &Fixed(0)).unwrap();
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
        let uuid = uuid::Uuid::from_bytes(early.0.0);
        assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122));
    }

    #[test]
    fn only_the_canonical_text_names_an_object() {
        let text = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(KeyId::parse(text).unwrap().to_string(), text);
        for other in ["01890A5D-AC96-774B-BCCE-B302099A8057", "01890a5dac96774bbcceb302099a8057", "", "x"] {
            assert_eq!(KeyId::parse(other), None, "{other}");
        }
    }
}
