//! Everything that is made once from the plugin configuration, so that a request only picks and compares.

use crate::challenge::Challenges;
use crate::config::{Config, ConfigError, ControlPlane, Hold};
use crate::credential::Sources;
use crate::debug::DebugToken;
use crate::guessing::Limit;
use crate::health::{Health, healthy};
use crate::identity::Identity;
use crate::jwt::{self, Jwt};
use crate::preflight::Preflights;
use crate::refusal::{Answer, Answers};
use crate::request::Outcome;
use crate::rules::{Accept, Rules};
use crate::staleness::Staleness;
use crate::waiting::UnknownKeys;
use keyplane_contract::code::Reason;
use std::borrow::Cow;

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
    /// What requests need, by host, path and method.
    pub rules: Rules,
    /// What a request is accepted with where its rule does not say.
    pub accept: Accept,
    /// Whose tokens are accepted, if any are.
    pub jwt: Option<Jwt>,
    /// What becomes of CORS preflights.
    pub preflights: Preflights,
    /// How callers are told to authenticate.
    pub challenges: Challenges,
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
    /// The path that says whether a key could be decided, if there is one.
    pub health: Option<Health>,
    /// What it says while all is well.
    pub healthy: Answer,
    /// Who may ask why a request was decided as it was. A secret, so the configuration does not tell it.
    pub debug: Option<DebugToken>,
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
            rules,
            paths,
            cors_preflight,
            accept,
            jwt,
            answers,
            identity,
            staleness,
            unknown_keys,
            guessing,
            health,
        } = config;
        let identity = identity.compile()?;
        let credentials = Sources::compile(&credentials, &identity)?;
        if let Some(at) = rules.iter().position(|rule| rule.when_stale.is_some() && staleness.is_none()) {
            let message = "it says what happens when the table is too old; say in `staleness.max_seconds` when that is";
            return Err(ConfigError::new(&format!("rules[{at}].when_stale"), message));
        }
        let rules = Rules::compile(&rules, paths)?;
        let jwt = jwt.map(Jwt::compile).transpose()?;
        let challenges = Challenges::new(credentials.all(), &realm);
        // Tokens go where Bearer says, whether or not keys do.
        let challenges = if jwt.is_some() { challenges.with_bearer() } else { challenges };
        let accept = jwt::accept(accept, jwt.as_ref(), &rules)?;
        rules.check_scopes(accept)?;
        Ok(Self {
            control_plane,
            hold,
            credentials,
            forward_credential,
            rules,
            accept,
            jwt,
            preflights: cors_preflight,
            answers: Answers::new(&answers, &challenges, guessing),
            challenges,
            identity,
            staleness,
            unknown_keys,
            guessing,
            health,
            healthy: healthy(),
            debug: None,
        })
    }

    /// What the caller of a refused request gets; `None` when it passes.
    #[must_use]
    pub fn answer(&self, outcome: &Outcome) -> Option<Cow<'_, Answer>> {
        match (outcome.reason, outcome.rule) {
            // The only answer that depends on the rule.
            (Reason::Scope, Some(rule)) => {
                Some(Cow::Owned(self.answers.scope_missing(&self.rules.at(rule).scopes, &self.challenges)))
            }
            (Reason::Health, _) => Some(Cow::Borrowed(&self.healthy)),
            (reason, _) => self.answers.of(reason).map(Cow::Borrowed),
        }
    }
}
