//! One of what is compared: a request to a listener, and what its figure means.

use super::generator::Template;

/// What a variant's figure is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// No filter: what the others are compared with.
    Baseline,
    /// No filter once more: what a figure of nothing looks like.
    Control,
    /// The empty filter: the unit of the budget.
    Empty,
    /// Envoy asks a server for each request: what Keyplane takes the place of.
    Authz,
    /// Something else than Keyplane, or without a goal.
    Other,
    /// Keyplane lets a request pass.
    Allow {
        /// Keys in its table.
        keys: u64,
        /// Whether the budget is about it.
        goal: bool,
    },
    /// Keyplane refuses a request.
    Deny,
}

/// Which credential a variant's requests carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// One of the keys of this feed.
    Of(usize),
    /// One that nobody has; see the generator.
    Unknown,
}

/// A request to a listener.
#[derive(Debug, Clone)]
pub struct Variant {
    /// What it is, for people.
    pub name: String,
    /// What its figure means.
    pub role: Role,
    /// Which listener.
    pub listener: usize,
    /// What is sent.
    pub template: Template,
    /// With which credential.
    pub credential: Credential,
    /// The status of each answer.
    pub status: u16,
    /// Whether it is left out when its answer is another one: a build of the filter that cannot do it yet.
    pub optional: bool,
}
