//! Everything that is made once from the plugin configuration, so that a request only picks and compares.

use crate::challenge::Challenges;
use crate::config::{Config, ConfigError, ControlPlane, Hold};
use crate::credential::Sources;
use crate::guessing::Limit;
use crate::identity::Identity;
use crate::refusal::Answers;
use crate::staleness::Staleness;
use crate::waiting::UnknownKeys;

/// A configuration, compiled.
#[derive(Debug)]
pub struct Settings {
    /// Where the keys come from.
    pub control_plane: ControlPlane,
    /// What happens to requests that arrive before the first table is complete.
    pub hold: Hold,
    /// Where a credential may be.
    pub credentials: Sources,
    /// Whether the upstream gets the credential too.
    pub forward_credential: bool,
    /// What refused callers get.
    pub answers: Answers,
    /// How the upstream, access logs and later filters learn who calls.
    pub identity: Identity,
    /// How old the table may become, if that is bounded.
    pub staleness: Option<Staleness>,
    /// How a key that the table does not know waits.
    pub unknown_keys: UnknownKeys,
    /// How many invalid credentials a source may send.
    pub guessing: Limit,
}

impl Settings {
    /// Parses, checks and compiles the bytes that the host hands over.
    pub fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        Self::compile(Config::parse(json)?)
    }

    /// Compiles a configuration. What only shows when its parts are put together is refused here.
    pub fn compile(config: Config) -> Result<Self, ConfigError> {
        let Config {
            control_plane,
            hold,
            credentials,
            forward_credential,
            realm,
            answers,
            identity,
            staleness,
            unknown_keys,
            guessing,
        } = config;
        let identity = identity.compile()?;
        let credentials = Sources::compile(&credentials, &identity)?;
        let answers = Answers::new(&answers, &Challenges::new(credentials.all(), &realm));
        Ok(Self {
            control_plane,
            hold,
            credentials,
            forward_credential,
            answers,
            identity,
            staleness,
            unknown_keys,
            guessing,
        })
    }
}
