//! `keyplane init`: makes the database and prints its first credentials, this once.

use super::{Failure, secrets};
use crate::domain::random::SystemRandom;
use crate::domain::secret::{ADMIN_PREFIX, PROXY_PREFIX, Secret};
use crate::domain::time::{Clock as _, SystemClock};
use crate::service::initialize::{FirstCredentials, initialize};
use crate::store::{DataDir, OpenError};
use keyplane_contract::key::Prefix;
use std::io::Write as _;
use std::path::PathBuf;

/// Make the database and print the first admin key and proxy token, this once
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Example:
  keyplane init --data-dir first

With KEYPLANE_ADMIN_KEY and KEYPLANE_PROXY_TOKEN in the environment, the database gets these two in place of new ones.")]
pub struct Init {
    /// Folder of the database; made if it is not there
    #[arg(long, value_name = "DIR", env = "KEYPLANE_DATA_DIR", default_value = "keyplane-data")]
    data_dir: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

impl Init {
    /// Runs the command.
    pub fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let admin_key = or_new(secrets::admin_key()?, ADMIN_PREFIX)?;
        let proxy_token = or_new(secrets::proxy_token()?, PROXY_PREFIX)?;
        let first = FirstCredentials { admin_key, proxy_token: Some(proxy_token) };

        let folder = DataDir::create_and_lock(&self.data_dir)?;
        let database = folder.database();
        if folder.has_database()? {
            return Err(OpenError::Exists(database).into());
        }
        runtime.block_on(initialize(&folder, SystemClock.now(), &SystemRandom, &first))?;

        let (admin, proxy) = (&first.admin_key, first.proxy_token.as_ref().map_or("", Secret::expose));
        let text = if self.json {
            let answer = serde_json::json!({ "admin_key": admin.expose(), "proxy_token": proxy, "database": database });
            format!("{answer}\n")
        } else {
            format!(
                "Made {database}.\n\n\
                 Admin key    {admin}\n\
                 Proxy token  {proxy}\n\n\
                 Keep both now: they are not shown again.\n\
                 Next: start the control plane with\n\
                 \x20   keyplane serve --data-dir {folder}\n\
                 Give the admin key to the command line in the environment variable KEYPLANE_API_KEY (`keyplane keys list`), to\n\
                 the API as `Authorization: Bearer <admin key>`, and to the dashboard; give Envoy the proxy token in its\n\
                 environment variable KEYPLANE_PROXY_TOKEN.\n",
                database = database.display(),
                admin = admin.expose(),
                folder = self.data_dir.display(),
            )
        };
        std::io::stdout().write_all(text.as_bytes())?;
        Ok(())
    }
}

fn or_new(given: Option<Secret>, prefix: &str) -> Result<Secret, Failure> {
    match given {
        Some(secret) => Ok(secret),
        None => Ok(Secret::generate(&Prefix::parse(prefix)?, &SystemRandom)?),
    }
}
