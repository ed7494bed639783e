//! The random source as an argument. Secrets come from the operating system; tests may pass a fixed one.

use rand::TryRng as _;

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system's random source failed: {0}")]
pub struct RandomError(#[from] rand::rngs::SysError);

/// Fills bytes with randomness that nobody can guess.
pub trait Random: Send + Sync {
    /// Fills all of `bytes`, or fails.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError>;
}

/// The operating system's random source.
#[derive(Clone, Copy, Debug)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        Ok(rand::rngs::SysRng.try_fill_bytes(bytes)?)
    }
}
