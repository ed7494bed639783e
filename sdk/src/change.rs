//! A field of an edit that may be left as it is, set, or taken away.

use serde::{Serialize, Serializer};

/// What becomes of a field. The first is not sent at all: `#[serde(skip_serializing_if = "Change::is_keep")]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Change<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It becomes this.
    Set(T),
    /// It is taken away: null.
    Clear,
}

impl<T> Change<T> {
    pub(crate) const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(value) => value.serialize(serializer),
            Self::Keep | Self::Clear => serializer.serialize_none(),
        }
    }
}
