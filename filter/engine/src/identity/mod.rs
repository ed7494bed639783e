//! Who the caller is, passed on: headers for the upstream, filter state for access logs, RBAC and rate limits.
//!
//! A configuration names what is told and under which names; [`IdentityConfig::compile`] makes two short lists of it, which a request only walks.
//! What the filter sets is its own: [`Identity::owns`] says which headers of a caller are removed, on every path, before anything is set, so
//! each name has exactly one value, and it is the filter's.
//!
//! * [`config`]: the part `identity` of the plugin configuration
//! * [`owned`]: which names are owned, in which spellings
//! * [`connection`]: names that are owned in `Connection`
//! * [`facts`]: what can be told
//! * [`value`]: texts from data as header values

pub mod config;
pub mod connection;
pub mod facts;
pub mod owned;
#[cfg(test)]
mod tests;
pub mod value;

pub use config::IdentityConfig;
pub use facts::{Facts, Field, Who};

use owned::Owned;

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Field(Field),
    /// The key's metadata of this name.
    Metadata(Box<str>),
}

/// It, and the name under which it is told.
type Named = (What, Box<[u8]>);

/// How identities are passed on, ready for requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    headers: Box<[Named]>,
    state: Box<[Named]>,
    owned: Owned,
}

impl Identity {
    /// Whether a request header of this name is removed, whoever sends it.
    #[must_use]
    pub fn owns(&self, name: &[u8]) -> bool {
        self.owned.owns(name)
    }

    /// What becomes of the `Connection` header; see [`connection::edit`].
    pub fn connection<'a>(&self, values: impl Iterator<Item = &'a [u8]> + Clone) -> connection::Edit {
        connection::edit(values, &self.owned)
    }

    /// Has the request's identity headers set, each once. What is not known has no header. Only for requests that pass.
    ///
    /// # Errors
    /// The first one of `set`; then not all headers are there, and the request must not pass.
    pub fn headers<E>(&self, facts: &Facts<'_>, set: impl FnMut(&[u8], &[u8]) -> Result<(), E>) -> Result<(), E> {
        each(&self.headers, facts, set)
    }

    /// Has the request's filter state set, for requests that pass and for refused ones.
    ///
    /// # Errors
    /// The first one of `set`.
    pub fn state<E>(&self, facts: &Facts<'_>, set: impl FnMut(&[u8], &[u8]) -> Result<(), E>) -> Result<(), E> {
        each(&self.state, facts, set)
    }

    /// Whether any filter state is wanted.
    #[must_use]
    pub const fn has_state(&self) -> bool {
        !self.state.is_empty()
    }
}

fn each<E>(list: &[Named], facts: &Facts<'_>, mut set: impl FnMut(&[u8], &[u8]) -> Result<(), E>) -> Result<(), E> {
    for (what, name) in list {
        let set = |value: &[u8]| set(name, value);
        match what {
            What::Field(field) => facts.tell(*field, set),
            What::Metadata(key) => facts.tell_metadata(key, set),
        }
        .transpose()?;
    }
    Ok(())
}
