//! Where the server is and what it listens on: options that `serve` and `doctor` take alike.

use crate::settings::Overrides;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Options that stand above the settings file and the environment.
#[derive(clap::Args, Debug)]
pub struct Place {
    /// Folder of the database [env: `KEYPLANE_DATA_DIR`] [default: keyplane-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address of the management API and the dashboard [env: `KEYPLANE_LISTEN`] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Address that proxies sync with [env: `KEYPLANE_SYNC_LISTEN`] [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR")]
    sync_listen: Option<SocketAddr>,
    /// Settings file [default: keyplane.toml in the data folder, if it is there]
    #[arg(long, value_name = "FILE", env = "KEYPLANE_CONFIG")]
    config: Option<PathBuf>,
}

impl From<Place> for Overrides {
    fn from(place: Place) -> Self {
        let Place { data_dir, listen, sync_listen, config } = place;
        Self { config, data_dir, listen, sync_listen }
    }
}
