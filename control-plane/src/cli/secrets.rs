//! The first credentials from the environment, for automation and secret managers.

use crate::domain::secret::{ADMIN_PREFIX, PROXY_PREFIX, Secret, SecretError};

/// Holds the first admin key of a new database.
pub const ADMIN_KEY: &str = "KEYPLANE_ADMIN_KEY";
/// Holds the first proxy token of a new database.
pub const PROXY_TOKEN: &str = "KEYPLANE_PROXY_TOKEN";

/// A variable holds no usable credential.
#[derive(Debug, thiserror::Error)]
#[error("{name} cannot be used: {reason}")]
pub struct BadSecret {
    name: &'static str,
    reason: SecretError,
}

/// The first admin key, if the environment has one.
pub fn admin_key() -> Result<Option<Secret>, BadSecret> {
    read(ADMIN_KEY, ADMIN_PREFIX)
}

/// The first proxy token, if the environment has one.
pub fn proxy_token() -> Result<Option<Secret>, BadSecret> {
    read(PROXY_TOKEN, PROXY_PREFIX)
}

/// An empty variable counts as none: that is how many tools write "not set".
fn read(name: &'static str, prefix: &'static str) -> Result<Option<Secret>, BadSecret> {
    let text = match std::env::var(name) {
        Ok(text) if text.is_empty() => return Ok(None),
        Ok(text) => text,
        Err(std::env::VarError::NotPresent) => return Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => return Err(BadSecret { name, reason: SecretError::Character }),
    };
    Secret::from_operator(text, prefix).map(Some).map_err(|reason| BadSecret { name, reason })
}
