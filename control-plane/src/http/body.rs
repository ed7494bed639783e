//! JSON bodies: parsed strictly, and refused in words that name the field and never repeat its value.

use super::problem::Problem;
use crate::error::{Code, Error, FieldError};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// How long a body may take. The longest is a megabyte of usage.
const PATIENCE: Duration = Duration::from_secs(30);

/// A JSON body.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parse(&read_json(request, state).await?)?))
    }
}

/// A `T` that is written as a JSON object. Derived structs would take an array of their fields' values too.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// Reads a field that is there: `null` is a value like any other, not the same as left out.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a whole number from 0. JSON has one kind of number, so 10.0 is one too.
pub fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    deserializer.deserialize_any(WholeVisitor).map(Some)
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0")
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "exact below 2^53, and bounded")]
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<u64, E> {
        if value.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&value) {
            Ok(value as u64)
        } else {
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }
}

/// The whole body, if it is declared as JSON, or why it was not read.
pub async fn read_json<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Error> {
    if request.headers().get(CONTENT_TYPE).is_some_and(|value| is_json(value.as_bytes())) {
        read(request, state).await
    } else {
        Err(Error::new(Code::UnsupportedMediaType))
    }
}

/// The whole body, or why it was not read.
pub async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Error> {
    let read = tokio::time::timeout(PATIENCE, Bytes::from_request(request, state)).await;
    read.map_err(|_| Error::new(Code::BodyTimeout))?.map_err(|rejection| {
        let code = match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
            _ => Code::BadRequest,
        };
        Error::new(code)
    })
}

/// `application/json`, or a type built on it, with or without parameters.
fn is_json(value: &[u8]) -> bool {
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    essence == b"application/json" || (essence.starts_with(b"application/") && essence.ends_with(b"+json"))
}

/// Reads `bytes` as JSON with exactly the fields of `T`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let Object(value) = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        match inner.classify() {
            Category::Data => Error::fields(Code::InvalidRequest, vec![explain(&path, &inner.to_string())]),
            _ => malformed(&inner),
        }
    })?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Error {
    let (line, column) = (error.line(), error.column());
    let what = if error.is_eof() { "ends too early" } else { "is not JSON" };
    Error::with_detail(Code::MalformedJson, format!("The body {what} at line {line}, column {column}."))
}

/// Says which field is wrong and how. The parser's own message may repeat the value, which may be a secret that was put
/// into the wrong field, so only its fixed parts are kept.
pub fn explain(path: &str, message: &str) -> FieldError {
    let named = |kind: &str| message.split_once(kind)?.1.split_once('`').map(|(name, _)| name);
    let within = |name: &str| match path {
        "." | "" => name.to_owned(),
        _ if path == name || path.ends_with(&format!(".{name}")) => path.to_owned(),
        _ => format!("{path}.{name}"),
    };
    let here = || if path == "." || path.is_empty() { "body".to_owned() } else { path.to_owned() };
    if let Some(name) = named("missing field `") {
        FieldError::new(within(name), "is missing")
    } else if let Some(name) = named("duplicate field `") {
        FieldError::new(within(name), "is given twice")
    } else if let Some(name) = named("unknown field `") {
        // A field's name comes from the caller too, here and at the end of the path.
        if is_plain(name) {
            FieldError::new(within(name), "is not a field of this request")
        } else {
            let parent = path.strip_suffix(name).unwrap_or_default().trim_end_matches('.');
            let parent = if parent.is_empty() { "body" } else { parent };
            FieldError::new(parent, "has a field that is not one of this request")
        }
    } else if let Some((_, expected)) = message.rsplit_once(", expected ") {
        let expected = expected.split_once(" at line ").map_or(expected, |(expected, _)| expected);
        FieldError::new(here(), format!("must be {expected}"))
    } else {
        FieldError::new(here(), "is not valid")
    }
}

/// Whether a text reads like a field's name: no key does, for its secret part has upper-case letters or is far longer.
fn is_plain(name: &str) -> bool {
    name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Sample {
        name: String,
        scopes: Option<Vec<String>>,
        inner: Option<Object<Inner>>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Inner {
        live: String,
    }

    /// A body of which nothing more comes.
    struct Stalled;

    impl axum::body::HttpBody for Stalled {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let start = tokio::time::Instant::now();
        let error = read(Request::new(axum::body::Body::new(Stalled)), &()).await.unwrap_err();
        assert_eq!((error.code, start.elapsed()), (Code::BodyTimeout, PATIENCE));
    }

    fn refused(body: &str) -> (Code, String) {
        let error = parse::<Sample>(body.as_bytes()).err().unwrap();
        (error.code, error.detail.into_owned())
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        for (body, detail) in [
            ("{}", "`name` is missing."),
            (r#"{"name":"a","name":"b"}"#, "`name` is given twice."),
            (r#"{"name":"a","nam":"b"}"#, "`nam` is not a field of this request."),
            (r#"{"name":1}"#, "`name` must be a string."),
            (r#"{"name":"a","scopes":["x",2]}"#, "`scopes[1]` must be a string."),
            (r#"{"name":"a","inner":{}}"#, "`inner.live` is missing."),
            (r#"{"name":"a","inner":{"live":"a","x":1}}"#, "`inner.x` is not a field of this request."),
            (r#"["a"]"#, "`body` must be an object."),
            ("7", "`body` must be an object."),
            (r#"{"name":"a","inner":["a"]}"#, "`inner` must be an object."),
        ] {
            let (code, found) = refused(body);
            assert_eq!(code, Code::InvalidRequest, "{body}");
            assert_eq!(found, detail, "{body}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_apart_by_its_place() {
        assert_eq!(refused("{\n  oops").1, "The body is not JSON at line 2, column 3.");
        assert_eq!(refused("").1, "The body ends too early at line 1, column 0.");
        assert_eq!(refused(r#"{"name":"a"} x"#).0, Code::MalformedJson);
    }

    #[test]
    fn a_value_is_never_repeated() {
        let secret = "uk_live_0123456789ABCDEFabcdefghijklmnop012345";
        for body in [
            format!(r#"{{"{secret}":1}}"#),
            format!(r#"{{"name":"a","inner":{{"{secret}":1}}}}"#),
            format!(r#"{{"name":"a","scopes":"{secret}"}}"#),
            format!(r#"{{"name":"a","scopes":"{secret}, expected it"}}"#),
            format!(r#""{secret}""#),
            format!(r#"{{"name":{secret}}}"#),
        ] {
            let error = parse::<Sample>(body.as_bytes()).err().unwrap();
            assert!(!format!("{error:?}").contains("0123456789"), "{body}: {error:?}");
        }
    }

    #[test]
    fn only_json_types_are_taken() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in ["", "text/plain", "text/json", "application/jsonx", "multipart/form-data"] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
    }
}
