//! Query parameters: the known ones, each at most once.

use super::body::explain;
use super::problem::Problem;
use crate::domain::cursor::{Cursor, DEFAULT_LIMIT, MAX_LIMIT, PageRequest};
use crate::domain::time::{DAY, Time, TimeError};
use crate::error::{Code, Error, FieldError};
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::error::Error as _;

/// Query parameters with exactly the fields of `T`.
#[derive(Debug)]
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let message = rejection.source().map(ToString::to_string).unwrap_or_default();
                let mut error = explain("", &message);
                error.message = error.message.replace("a field of this request", "a parameter of this path");
                Err(Error::fields(Code::InvalidQuery, vec![error]).into())
            }
        }
    }
}

/// Reads `limit` and `cursor`; what is wrong is added to `errors`.
pub fn page(limit: Option<&str>, cursor: Option<&str>, errors: &mut Vec<FieldError>) -> PageRequest {
    let limit = self::limit(limit, DEFAULT_LIMIT, MAX_LIMIT, errors);
    PageRequest { cursor: self::cursor(cursor, Cursor::parse, errors), limit }
}

/// Reads `limit`; what is wrong is added to `errors`.
pub fn limit(text: Option<&str>, default: u32, most: u32, errors: &mut Vec<FieldError>) -> u32 {
    let limit = text.map_or(Some(default), |text| {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|limit| plain && (1..=most).contains(limit))
    });
    limit.unwrap_or_else(|| {
        errors.push(FieldError::new("limit", format!("must be a whole number from 1 to {most}")));
        default
    })
}

/// Reads `cursor`; what is wrong is added to `errors`.
pub fn cursor<T>(text: Option<&str>, parse: fn(&str) -> Option<T>, errors: &mut Vec<FieldError>) -> Option<T> {
    let cursor = parse(text?);
    if cursor.is_none() {
        errors.push(FieldError::new("cursor", "must be the next_cursor of an earlier answer, unchanged"));
    }
    cursor
}

/// Reads `from`, a time or a date; what is wrong is added to `errors`.
pub fn from(text: Option<&str>, errors: &mut Vec<FieldError>) -> Option<Time> {
    time("from", text?, Time::parse_date, errors)
}

/// Reads `to`, a time or a date, whose day counts whole; what is wrong is added to `errors`.
pub fn to(text: Option<&str>, errors: &mut Vec<FieldError>) -> Option<Time> {
    time("to", text?, |text| Time::parse_date(text).map(|start| start.after(DAY)), errors)
}

fn time(
    name: &str,
    text: &str,
    date: fn(&str) -> Result<Time, TimeError>,
    errors: &mut Vec<FieldError>,
) -> Option<Time> {
    let time = Time::parse(text).or_else(|_| date(text)).ok();
    if time.is_none() {
        let message = "must be a time in RFC 3339 such as 2030-01-15T10:30:00.000Z, or a date such as 2030-01-15";
        errors.push(FieldError::new(name, message));
    }
    time
}
