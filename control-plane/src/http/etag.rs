//! `ETag` and `If-Match` (RFC 9110, sections 8.8.3 and 13.1.1): who edits may ask that nobody edited meanwhile.
//!
//! The tag covers what can be edited. What changes by itself (the last use, the passing of the end) is left out, or no
//! edit of a busy key would ever be accepted.

use crate::domain::version::{Expected, Version};
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::{ETAG, HeaderName, IF_MATCH};
use axum::http::request::Parts;
use std::convert::Infallible;

/// The `ETag` header of an object of this version.
pub fn etag(version: Version) -> [(HeaderName, String); 1] {
    [(ETAG, format!("\"{version}\""))]
}

/// What `If-Match` asks for. What cannot be read matches nothing, so that a change never happens by mistake.
pub struct IfMatch(pub Expected);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(expected(&parts.headers)))
    }
}

fn expected(headers: &HeaderMap) -> Expected {
    let mut values = headers.get_all(IF_MATCH).iter().peekable();
    if values.peek().is_none() {
        return Expected::Any;
    }
    let texts: Vec<_> = values.map(|value| value.to_str().unwrap_or_default()).collect();
    let tags: Vec<_> = texts.iter().flat_map(|text| text.split(',')).map(str::trim).collect();
    if tags == ["*"] {
        return Expected::Any;
    }
    // A weak tag (`W/"..."`) never matches here: RFC 9110 asks for strong comparison.
    let quoted = |tag: &str| Some(tag.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    Expected::OneOf(tags.into_iter().filter_map(quoted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn read(values: &[&'static str]) -> Expected {
        let pairs = values.iter().map(|value| (IF_MATCH, HeaderValue::from_static(value)));
        expected(&pairs.fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        }))
    }

    #[test]
    fn a_condition_that_cannot_be_read_matches_nothing() {
        let one_of = |tags: &[&str]| Expected::OneOf(tags.iter().map(|tag| (*tag).to_owned()).collect());
        assert_eq!(read(&[]), Expected::Any);
        assert_eq!(read(&["*"]), Expected::Any);
        assert_eq!(read(&["\"a\", \"b\"", "\"c\""]), one_of(&["a", "b", "c"]));
        for bad in ["", "a", "W/\"a\"", "\"a", "*, a"] {
            assert_eq!(read(&[bad]), one_of(&[]), "{bad}");
        }
    }
}
