//! The cookies: one holds a session, the other what somebody takes along who signs in elsewhere.
//!
//! Their names begin with `__Host-`: browsers take them only over HTTPS, for this host alone and for all paths, so no neighbour can set
//! them. On this machine itself (`localhost`, `127.0.0.1`, `::1`) people look at the dashboard over plain HTTP, where not all browsers take such a
//! cookie; there they have plain names.

use crate::domain::secret::Secret;
use axum::http::header::{COOKIE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri};
use std::net::IpAddr;

/// A cookie.
#[derive(Clone, Copy, Debug)]
pub struct Cookie {
    name: &'static str,
    local_name: &'static str,
    /// The longest that is read.
    max_len: usize,
    /// How long the browser keeps it, in seconds; `None`: until it is closed.
    max_age: Option<u32>,
}

/// A session.
pub const SESSION: Cookie =
    Cookie { name: "__Host-keyplane_session", local_name: "keyplane_session", max_len: 100, max_age: None };

/// On the way to another login and back.
pub const LOGIN: Cookie =
    Cookie { name: "__Host-keyplane_login", local_name: "keyplane_login", max_len: 2_048, max_age: Some(600) };

/// The host that a request is for, with its port if it names one.
pub fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    // HTTP/2 says it in the address.
    let authority = uri.authority().map(axum::http::uri::Authority::as_str);
    authority.or_else(|| headers.get(HOST)?.to_str().ok())
}

/// The session that the browser holds; `None` when it holds nothing that could be one.
pub fn read(parts: &Parts) -> Option<Secret> {
    SESSION.read(parts)
}

/// Has the browser hold a session until it is closed.
pub fn set(parts: &Parts, session: &Secret) -> Option<HeaderValue> {
    SESSION.set(parts, session.expose())
}

/// Has the browser forget its session.
pub fn clear(parts: &Parts) -> Option<HeaderValue> {
    SESSION.clear(parts)
}

impl Cookie {
    /// What the browser holds; `None` when it holds nothing that this could be.
    pub fn read(&self, parts: &Parts) -> Option<Secret> {
        let name = self.name(parts);
        let texts = parts.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(found, _)| *found == name).map(|(_, value)| value);
        let value = values.next().filter(|value| !value.is_empty() && value.len() <= self.max_len)?;
        // Two of one name: somebody set another beside it.
        values.next().is_none().then(|| Secret::new(value.to_owned()))
    }

    /// Has the browser hold it.
    pub fn set(&self, parts: &Parts, value: &str) -> Option<HeaderValue> {
        self.write(parts, value, self.max_age)
    }

    /// Has the browser forget it.
    pub fn clear(&self, parts: &Parts) -> Option<HeaderValue> {
        self.write(parts, "", Some(0))
    }

    fn write(&self, parts: &Parts, value: &str, max_age: Option<u32>) -> Option<HeaderValue> {
        let name = self.name(parts);
        let secure = if name == self.name { "; Secure" } else { "" };
        let rest = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{rest}");
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    fn name(&self, parts: &Parts) -> &'static str {
        if host(&parts.headers, &parts.uri).is_some_and(is_local) { self.local_name } else { self.name }
    }
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
