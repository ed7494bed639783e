//! Live or test: what a key is for, and what a request was made with.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Live or test: a test key never counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Environment {
    /// For real use.
    Live,
    /// For trying out.
    Test,
    /// An environment that this version does not know.
    #[serde(other)]
    Other,
}

impl Environment {
    /// `live` or `test`; `other` for what this version does not know.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
