//! The body of a request that can change a name and nothing else.

use super::field;
use super::texts::NameText;
use crate::domain::name::Name;
use crate::error::{Code, Error};
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rename)]
pub struct Body {
    /// For people.
    #[schema(value_type = NameText)]
    name: String,
}

impl Body {
    /// The name, or what is wrong with it.
    pub fn parse(&self) -> Result<Name, Error> {
        let mut errors = Vec::new();
        field("name", Name::parse(&self.name), &mut errors).ok_or_else(|| Error::fields(Code::InvalidRequest, errors))
    }
}
