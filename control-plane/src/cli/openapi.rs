//! `keyplane openapi`: prints the API's description.

use super::Failure;
use crate::http::openapi::document;
use std::io::Write as _;

/// Prints the document.
#[derive(clap::Args, Debug)]
#[command(about = "Print the OpenAPI document of the management API")]
pub struct OpenApi {}

impl OpenApi {
    /// Runs the command.
    #[expect(clippy::unused_self, reason = "as every command")]
    pub fn run(self) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(document())?;
        std::io::stdout().write_all(format!("{text}\n").as_bytes())?;
        Ok(())
    }
}
