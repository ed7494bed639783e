//! That a form was sent by a page of this dashboard, and not by somebody else's.
//!
//! Twice, because each alone has a gap in some browser: the browser says where the request comes from, and the form carries a token that only
//! pages of the same session hold. The token is made of the session's secret, so nothing is stored.

use super::cookie::host;
use super::link::hex;
use crate::domain::secret::Secret;
use crate::error::{Code, Error};
use axum::http::HeaderName;
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use keyplane_contract::digest::Digest;

/// The name of the field.
pub const FIELD: &str = "csrf";

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The token of a session.
pub fn token(session: &Secret) -> String {
    hex(Digest::of(format!("keyplane csrf 1 {}", session.expose()).as_bytes()).as_bytes())
}

/// Refuses a token that is not the session's.
pub fn check_token(session: &Secret, given: Option<&str>) -> Result<(), Error> {
    // Digests are compared: the time that it takes tells nothing of the token.
    let digest = |text: &str| Digest::of(text.as_bytes());
    match given {
        Some(given) if digest(given) == digest(&token(session)) => Ok(()),
        _ => Err(Error::with_detail(
            Code::Forbidden,
            "The form is not of this session, perhaps because you signed in again since. Go back, load the page again and send it once more.",
        )),
    }
}

/// Refuses a request that the browser does not say to come from this very origin.
pub fn check_origin(parts: &Parts) -> Result<(), Error> {
    let text = |name: &HeaderName| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let site = text(&FETCH_SITE);
    let same_site = site.is_none_or(|site| site == "same-origin");
    let same_origin = match text(&ORIGIN) {
        Some(origin) => {
            let there = origin.split_once("://").map(|(_, there)| there);
            there.is_some() && there == host(&parts.headers, &parts.uri)
        }
        // Browsers that send neither are too old to be told apart from programs.
        None => site.is_some(),
    };
    if same_site && same_origin {
        return Ok(());
    }
    Err(Error::with_detail(
        Code::Forbidden,
        "The request does not come from a page of this dashboard. If it does, the proxy in front does not hand on the Host header.",
    ))
}
