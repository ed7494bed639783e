//! `keyplane restore`: puts a backup back while the server is stopped.

use super::Failure;
use crate::domain::random::SystemRandom;
use crate::domain::time::{Clock as _, SystemClock};
use crate::service::restore::restore;
use crate::store::{DataDir, OpenError};
use std::io::Write as _;
use std::path::PathBuf;

/// Put a backup back; the server must be stopped
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  keyplane restore --from keyplane.backup --data-dir second")]
pub struct Restore {
    /// The backup, made by `keyplane backup`
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Folder of the database; made if it is not there
    #[arg(long, value_name = "DIR", env = "KEYPLANE_DATA_DIR", default_value = "keyplane-data")]
    data_dir: PathBuf,
    /// Take the place of the database that the folder has already; that one is kept beside it, under another name
    #[arg(long)]
    replace: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Restore {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Before the folder is made: a wrong name should leave nothing behind.
        if !self.from.is_file() {
            return Err(format!("there is no backup {}", self.from.display()).into());
        }
        let folder = DataDir::create_and_lock(&self.data_dir)?;
        let database = folder.database();
        if folder.has_database()? && !self.replace {
            let hint = "add `--replace` to put the backup in its place and keep it beside";
            return Err(format!("{}; {hint}", OpenError::Exists(database)).into());
        }
        let kept = runtime.block_on(restore(&folder, SystemClock.now(), &SystemRandom, &self.from))?;

        let text = if self.json {
            format!("{}\n", serde_json::json!({ "database": database, "replaced": kept }))
        } else {
            let kept =
                kept.map_or_else(String::new, |kept| format!("The database before is kept as {}.\n", kept.display()));
            format!(
                "Restored {database}. Proxies take their whole table again at their next poll.\n{kept}\
                 What was changed after the backup is gone: keys made since are refused, and keys revoked since are accepted\n\
                 again until you revoke them once more.\n",
                database = database.display(),
            )
        };
        std::io::stdout().write_all(text.as_bytes())?;
        Ok(())
    }
}
