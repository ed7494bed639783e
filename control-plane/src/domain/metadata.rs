//! Metadata of a key: a small JSON object of its owner's own, kept and given back as it came.

use serde_json::{Map, Value};

/// The most bytes of the object as compact JSON.
pub const MAX_LEN: usize = 4096;
/// The deepest nesting; the object itself is the first level.
pub const MAX_DEPTH: usize = 4;

/// A JSON object within the bounds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Metadata(Map<String, Value>);

/// Why a value is no metadata.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MetadataError {
    /// Not an object.
    #[error("must be an object")]
    Kind,
    /// Too long.
    #[error("must have at most 4096 bytes as JSON without white space")]
    TooLong,
    /// Too deep.
    #[error("must be nested at most 4 levels deep")]
    TooDeep,
}

impl Metadata {
    /// Checks the bounds.
    pub fn new(value: Value) -> Result<Self, MetadataError> {
        let Value::Object(object) = value else { return Err(MetadataError::Kind) };
        if object.values().any(|value| depth(value) >= MAX_DEPTH) {
            return Err(MetadataError::TooDeep);
        }
        let metadata = Self(object);
        if metadata.text().len() > MAX_LEN { Err(MetadataError::TooLong) } else { Ok(metadata) }
    }

    /// Reads what [`Metadata::text`] wrote; `None` for anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// The text of a value that is a text, a number or a boolean; `None` for any other and for none.
    pub fn plain(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Compact JSON, its names in order: equal objects have equal texts.
    pub fn text(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }
}

impl serde::Serialize for Metadata {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Levels of arrays and objects in a value; 0 for a plain one.
fn depth(value: &Value) -> usize {
    // The parser of the body stops far above any depth that could end the stack.
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or_default(),
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_is_a_bounded_object() {
        assert_eq!(Metadata::new(json!([])), Err(MetadataError::Kind));
        assert!(Metadata::new(json!({ "a": { "b": [{ "c": { "d": 1 } }] } })).is_err());
        assert!(Metadata::new(json!({ "a": { "b": [{ "c": 1 }] } })).is_ok());
        assert_eq!(Metadata::new(json!({ "a": "x".repeat(4090) })), Err(MetadataError::TooLong));
        assert!(Metadata::new(json!({ "a": "x".repeat(4088) })).is_ok());
    }

    #[test]
    fn metadata_reads_back_from_its_text() {
        let metadata = Metadata::new(json!({ "b": [1, null], "a": "\u{0}ü" })).unwrap();
        assert_eq!(Metadata::from_text(&metadata.text()), Some(metadata));
    }
}
