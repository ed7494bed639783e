//! What a request says of a new key, a project's or a person's: the fields that both have.

use super::{field, networks_field, scopes_field};
use crate::domain::metadata::Metadata;
use crate::domain::name::Name;
use crate::domain::networks::Networks;
use crate::domain::time::Time;
use crate::error::FieldError;
use crate::service::create_key::Terms;
use serde_json::Value;

/// The fields as they came.
pub struct TermsFields<'a> {
    pub name: &'a str,
    pub scopes: Option<&'a [String]>,
    pub allowed_cidrs: Option<&'a [String]>,
    pub expires_at: Option<&'a str>,
    pub metadata: Option<&'a Value>,
}

impl TermsFields<'_> {
    /// Reads them; what is wrong is added to `errors`.
    pub fn parse(&self, errors: &mut Vec<FieldError>) -> Option<Terms> {
        let name = field("name", Name::parse(self.name), errors);
        let scopes = scopes_field(self.scopes.unwrap_or_default(), errors);
        let networks = self.allowed_cidrs.map_or(Some(Networks::default()), |texts| networks_field(texts, errors));
        let expires_at = self.expires_at.map(|text| field("expires_at", Time::parse(text), errors));
        let metadata = match self.metadata {
            Some(value) => field("metadata", Metadata::new(value.clone()), errors),
            None => Some(Metadata::default()),
        };
        Some(Terms {
            name: name?,
            scopes: scopes?,
            networks: networks?,
            expires_at: expires_at.map_or(Some(None), |end| end.map(Some))?,
            metadata: metadata?,
        })
    }
}
