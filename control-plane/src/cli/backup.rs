//! `keyplane backup`: copies the database, also while the server runs.

use super::Failure;
use crate::store::back_up;
use std::io::Write as _;
use std::path::PathBuf;

/// Copy the database to a file, also while the server runs
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  keyplane backup --data-dir first --to keyplane.backup")]
pub struct Backup {
    /// Folder of the database
    #[arg(long, value_name = "DIR", env = "KEYPLANE_DATA_DIR", default_value = "keyplane-data")]
    data_dir: PathBuf,
    /// The file to write; it must not be there yet
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Backup {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let revision = runtime.block_on(back_up(&self.data_dir, &self.to))?;
        let text = if self.json {
            format!("{}\n", serde_json::json!({ "file": self.to, "revision": revision }))
        } else {
            format!(
                "Wrote {file}, at revision {revision}; its integrity was checked.\n\
                 It holds no secret, but the names of your accounts and the digests of their keys: keep it private.\n",
                file = self.to.display(),
            )
        };
        std::io::stdout().write_all(text.as_bytes())?;
        Ok(())
    }
}
