//! Telling a CORS preflight from any other request.
//!
//! A browser asks the server first whether a page of another origin may send a request (Fetch, "CORS-preflight request"). It can put no
//! credential into that question, so a filter that demands one breaks every such page. What passes for a preflight passes without a key,
//! so nothing else may look like one: it is an OPTIONS with `Origin` and `Access-Control-Request-Method`, and without a body.

use crate::headers::HeaderBlock;
use serde::Deserialize;

/// What becomes of preflights: `cors_preflight` in the plugin configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preflights {
    /// They pass, on every path; the upstream or Envoy's CORS filter answers them.
    #[default]
    Pass,
    /// They are requests like others.
    Protect,
}

/// Whether a request with this method and these headers is a preflight. `is_whole`: nothing follows the headers.
#[must_use]
pub fn is_preflight(method: &[u8], headers: HeaderBlock<'_>, is_whole: bool) -> bool {
    if method != b"OPTIONS" || !is_whole {
        return false;
    }
    let (mut origin, mut asks) = (false, false);
    for (name, value) in headers {
        origin |= name.eq_ignore_ascii_case(b"origin") && !value.is_empty();
        asks |= name.eq_ignore_ascii_case(b"access-control-request-method") && !value.is_empty();
        // It would change the connection, not ask a question.
        if name.eq_ignore_ascii_case(b"upgrade") {
            return false;
        }
    }
    origin && asks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::write_block;

    fn found(method: &str, headers: &[(&str, &str)], is_whole: bool) -> bool {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        is_preflight(method.as_bytes(), HeaderBlock::parse(&write_block(&headers)).unwrap(), is_whole)
    }

    #[test]
    fn only_a_whole_question_of_a_browser_is_a_preflight() {
        let (origin, asks) = (("origin", "https://app.example.com"), ("access-control-request-method", "POST"));
        assert!(found("OPTIONS", &[origin, asks], true));
        assert!(found("OPTIONS", &[asks, ("x", "y"), ("Origin", "null")], true));
        for (method, headers, is_whole) in [
            ("OPTIONS", &[origin, asks][..], false),
            ("OPTIONS", &[origin], true),
            ("OPTIONS", &[asks], true),
            ("OPTIONS", &[], true),
            ("OPTIONS", &[("origin", ""), asks], true),
            ("OPTIONS", &[origin, ("access-control-request-method", "")], true),
            ("OPTIONS", &[origin, ("access-control-request-methods", "POST")], true),
            ("OPTIONS", &[origin, asks, ("upgrade", "websocket")], true),
            ("GET", &[origin, asks], true),
            ("POST", &[origin, asks], true),
            ("options", &[origin, asks], true),
        ] {
            assert!(!found(method, headers, is_whole), "{method} {headers:?} {is_whole}");
        }
    }
}
