//! Plans: how many keys a project of an account may have. The operator defines them.

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;

/// How many keys a project may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cap {
    /// At most so many that are not revoked, of both environments together.
    Keys(u32),
    /// As many as wanted.
    Unlimited,
}

impl Cap {
    /// Whether a project that has `keys` may have one more.
    pub const fn allows_one_more(self, keys: u64) -> bool {
        match self {
            Self::Keys(cap) => keys < cap as u64,
            Self::Unlimited => true,
        }
    }

    /// The number; `None` for no bound.
    pub const fn number(self) -> Option<u32> {
        match self {
            Self::Keys(cap) => Some(cap),
            Self::Unlimited => None,
        }
    }
}

const UNLIMITED: &str = "unlimited";

impl<'de> Deserialize<'de> for Cap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u32),
            Text(String),
        }
        match Either::deserialize(deserializer) {
            Ok(Either::Number(cap)) => Ok(Self::Keys(cap)),
            Ok(Either::Text(text)) if text == UNLIMITED => Ok(Self::Unlimited),
            _ => Err(D::Error::invalid_value(Unexpected::Other("another value"), &"a number of keys or \"unlimited\"")),
        }
    }
}

impl Serialize for Cap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keys(cap) => serializer.serialize_u32(*cap),
            Self::Unlimited => serializer.serialize_str(UNLIMITED),
        }
    }
}

/// The operator's plans by name, and the one of new accounts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plans {
    caps: BTreeMap<String, Cap>,
    default: String,
}

/// Why settings make no plans: the rest of a sentence that begins with the setting.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlansError {
    /// A name is not one.
    #[error("setting `plans` has a name that is not 1 to 32 of a-z, 0-9, `_` and `-`")]
    Name,
    /// The default is none of the plans.
    #[error("setting `default_plan` names no plan of the setting `plans`, which has {known}")]
    Default {
        /// The plans that there are.
        known: String,
    },
}

impl Plans {
    /// Checks that the names are names and that the default is there.
    pub fn new(caps: BTreeMap<String, Cap>, default: String) -> Result<Self, PlansError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        if caps.keys().any(|name| name.is_empty() || name.len() > 32 || !name.bytes().all(plain)) {
            return Err(PlansError::Name);
        }
        let plans = Self { caps, default };
        if plans.caps.contains_key(&plans.default) {
            Ok(plans)
        } else {
            Err(PlansError::Default { known: plans.names() })
        }
    }

    /// The plan of this name; `None` when there is none.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.caps.get_key_value(name).map(|(name, _)| name.as_str())
    }

    /// The plan of new accounts.
    pub fn default_plan(&self) -> &str {
        &self.default
    }

    /// How many keys a project of an account on this plan may have. A plan that the operator has taken away since
    /// gives none: it must be replaced before there are more keys, and the ones that are there work on.
    pub fn cap(&self, plan: &str) -> Cap {
        self.caps.get(plan).copied().unwrap_or(Cap::Keys(0))
    }

    /// The names, for sentences.
    pub fn names(&self) -> String {
        self.caps.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }

    /// The plans in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Cap)> {
        self.caps.iter().map(|(name, cap)| (name.as_str(), *cap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_is_a_number_or_unlimited() {
        let caps: BTreeMap<String, Cap> = serde_json::from_str(r#"{"free": 2, "enterprise": "unlimited"}"#).unwrap();
        assert_eq!(caps["free"], Cap::Keys(2));
        assert!(Cap::Keys(2).allows_one_more(1) && !Cap::Keys(2).allows_one_more(2));
        assert!(caps["enterprise"].allows_one_more(u64::MAX));
        for wrong in ["-1", "1.5", "\"many\"", "null"] {
            assert!(serde_json::from_str::<Cap>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_default_plan_must_be_one_of_the_plans() {
        let caps = BTreeMap::from([("free".to_owned(), Cap::Keys(2))]);
        assert!(Plans::new(caps.clone(), "free".to_owned()).is_ok());
        let error = Plans::new(caps, "pro".to_owned()).unwrap_err();
        assert!(error.to_string().contains("`free`"), "{error}");
    }
}
