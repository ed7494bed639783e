//! The cookie that holds a session.
//!
//! Its name begins with `__Host-`: browsers take it only over HTTPS, for this host alone and for all paths, so no neighbour can set
//! it. On this machine itself (`localhost`, `127.0.0.1`, `::1`) people look at the dashboard over plain HTTP, where not all browsers take such a
//! cookie; there it has a plain name.

use crate::domain::secret::Secret;
use axum::http::header::{COOKIE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri};
use std::net::IpAddr;

const NAME: &str = "__Host-keyplane_session";
const LOCAL_NAME: &str = "keyplane_session";

/// The longest that is read.
const MAX_LEN: usize = 100;

/// The host that a request is for, with its port if it names one.
pub fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    // HTTP/2 says it in the address.
    let authority = uri.authority().map(axum::http::uri::Authority::as_str);
    authority.or_else(|| headers.get(HOST)?.to_str().ok())
}

/// What the browser holds; `None` when it holds nothing that could be a session.
pub fn read(parts: &Parts) -> Option<Secret> {
    let name = name(host(&parts.headers, &parts.uri));
    let texts = parts.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(found, _)| *found == name).map(|(_, value)| value);
    let value = values.next().filter(|value| !value.is_empty() && value.len() <= MAX_LEN)?;
    // Two of one name: somebody set another beside it.
    values.next().is_none().then(|| Secret::new(value.to_owned()))
}

/// Has the browser hold a session until it is closed.
pub fn set(parts: &Parts, session: &Secret) -> Option<HeaderValue> {
    write(host(&parts.headers, &parts.uri), session.expose(), "")
}

/// Has the browser forget its session.
pub fn clear(parts: &Parts) -> Option<HeaderValue> {
    write(host(&parts.headers, &parts.uri), "", "; Max-Age=0")
}

fn write(host: Option<&str>, value: &str, rest: &str) -> Option<HeaderValue> {
    let name = name(host);
    let secure = if name == NAME { "; Secure" } else { "" };
    let mut header =
        HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{rest}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn name(host: Option<&str>) -> &'static str {
    if host.is_some_and(is_local) { LOCAL_NAME } else { NAME }
}

/// Whether a host is this machine.
fn is_local(host: &str) -> bool {
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(bare, _)| bare),
    };
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_local() {
        for host in ["localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080"] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com:80",
            "10.0.0.1:8080",
            "[2001:db8::1]:80",
            "127.0.0.1.example.com",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
