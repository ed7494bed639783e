//! Rules: what a request to this host, with this path and method, needs. The first rule that is for a request decides; a request that
//! no rule is for is protected and needs a credential, and nothing else.
//!
//! * [`config`]: rules as the plugin configuration writes them
//! * [`path`]: which paths are accepted, and how their segments compare
//! * [`hosts`] and [`tree`]: finding the first rule without going through all of them
//! * [`scopes`]: the scopes that a rule needs

mod compile;
pub mod config;
pub mod hosts;
pub mod path;
pub mod scopes;
#[cfg(test)]
mod tests;
pub mod tree;

pub use config::{Accept, Access, RuleConfig};
pub use path::{NotAccepted, Paths};
pub use scopes::NeededScopes;

use crate::staleness::WhenStale;
use hosts::Hosts;
use keyplane_contract::sync::Environment;
use tree::{Sought, Tree};

/// A rule, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its place in the list, for [`Rules::at`].
    pub place: u32,
    /// What logs and the debug headers call it.
    pub name: Box<str>,
    /// Whether a credential is needed.
    pub access: Access,
    /// Which kinds of credential are accepted; `None`: what the configuration says as a whole.
    pub accept: Option<Accept>,
    /// The scopes that are needed.
    pub scopes: NeededScopes,
    /// The environment that a key must be of; `None` for any.
    pub environment: Option<Environment>,
    /// What happens while the table is too old; `None`: what the configuration says as a whole.
    pub when_stale: Option<WhenStale>,
    /// Whether the upstream gets the credential; `None`: what the configuration says as a whole.
    pub forward_credential: Option<bool>,
}

/// The name of the rule for requests that no other is for.
pub const DEFAULT: &str = "default";

/// The rules, compiled.
#[derive(Debug)]
pub struct Rules {
    all: Vec<Rule>,
    default: Rule,
    paths: Paths,
    /// All methods that rules name, in order; a method's number is its place.
    methods: Vec<Box<[u8]>>,
    hosts: Hosts,
    /// The number of the tree for rules without hosts.
    any_host: u32,
    tree: Tree,
}

impl Rules {
    /// The rule for a request. `authority` is its host as the request writes it, empty when it has none; `path` its `:path` with the query.
    ///
    /// # Errors
    /// When there are rules and the path may be read in two ways.
    pub fn find(&self, method: &[u8], authority: &[u8], path: Option<&[u8]>) -> Result<&Rule, NotAccepted> {
        if self.all.is_empty() {
            return Ok(&self.default);
        }
        let path = self.paths.of(method, path)?;
        let method = self.methods.binary_search_by(|name| (**name).cmp(method)).ok();
        let method = method.and_then(|place| u16::try_from(place).ok());
        let sought = Sought { path, method, ignore_case: self.paths.ignore_case };
        let mut best = self.tree.first(self.any_host, sought, u32::MAX);
        self.hosts.each(authority, |host| best = self.tree.first(host, sought, best));
        Ok(self.at(best))
    }

    /// The rules in order, without the default.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.all
    }

    /// The rule at this place; the default, where there is none.
    #[must_use]
    pub fn at(&self, place: u32) -> &Rule {
        usize::try_from(place).ok().and_then(|place| self.all.get(place)).unwrap_or(&self.default)
    }
}
