//! `keyplane config`: prints the settings with their defaults and what they mean.

use super::Failure;
use crate::settings::DEFAULTS;
use std::io::Write as _;

/// Print all settings with their defaults, as a commented settings file
#[derive(clap::Args, Debug)]
pub struct Config {}

impl Config {
    /// Runs the command.
    #[expect(clippy::unused_self, reason = "as every command")]
    pub fn run(self) -> Result<(), Failure> {
        std::io::stdout().write_all(DEFAULTS.as_bytes())?;
        Ok(())
    }
}
