//! Why a request was decided as it was, told in the headers of its answer to a caller who presents the operator's debug token.
//!
//! The token is a secret, so it comes from the host's environment, like the proxy token, and only its digest is kept. Whoever does not have it learns
//! nothing: not whether there is one, and not whether theirs was close.

use crate::headers::{HeaderBlock, write_block};
use crate::identity::Facts;
use keyplane_contract::code::Reason;
use keyplane_contract::digest::Digest;

/// The request header that carries the token. It begins as all of Keyplane's own do, so no upstream ever sees it.
pub const HEADER: &str = "x-keyplane-debug";
/// The fewest characters of a token.
pub const MIN_TOKEN: usize = 16;
/// The most. A longer header is not even hashed.
pub const MAX_TOKEN: usize = 256;

/// Knows the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugToken(Digest);

impl DebugToken {
    /// Checks a token. The error says what is wrong with it, and does not tell it.
    pub fn new(token: &[u8]) -> Result<Self, String> {
        if !(MIN_TOKEN..=MAX_TOKEN).contains(&token.len()) {
            return Err(format!("it has {} characters; a token has {MIN_TOKEN} to {MAX_TOKEN}", token.len()));
        }
        if !token.iter().all(u8::is_ascii_graphic) {
            return Err("it has characters that no token has; look for white space or quotes".to_owned());
        }
        Ok(Self(Digest::of(token)))
    }

    /// Whether this request header presents it.
    #[must_use]
    pub fn is_presented(&self, name: &[u8], value: &[u8]) -> bool {
        name == HEADER.as_bytes() && value.len() <= MAX_TOKEN && Digest::of(value) == self.0
    }
}

/// Why a request was decided as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// Empty when none matched.
    rule: Box<str>,
    reason: Reason,
    revision: Option<u64>,
    table_age: Option<u64>,
}

impl Why {
    /// What is known when the decision is made.
    #[must_use]
    pub fn of(facts: &Facts<'_>) -> Self {
        let Facts { rule, reason, revision, table_age, .. } = *facts;
        Self { rule: rule.into(), reason, revision, table_age }
    }

    /// The response headers that tell it. What is not known has none: no rule matched, or there is no table.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let rule = (!self.rule.is_empty()).then(|| ("x-keyplane-rule", self.rule.to_string()));
        let revision = self.revision.map(|revision| ("x-keyplane-revision", revision.to_string()));
        let age = self.table_age.map(|age| ("x-keyplane-age", age.to_string()));
        [rule, Some(("x-keyplane-reason", self.reason.name().to_owned())), revision, age].into_iter().flatten()
    }

    /// A block of headers with these added.
    #[must_use]
    pub fn added_to(&self, block: &[u8]) -> Vec<u8> {
        let own: Vec<(&str, String)> = self.headers().collect();
        let own = own.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let all: Vec<(&[u8], &[u8])> = HeaderBlock::parse(block).into_iter().flatten().chain(own).collect();
        write_block(&all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &[u8] = b"0123456789abcdef";

    #[test]
    fn only_the_whole_token_in_its_header_counts() {
        let debug = DebugToken::new(TOKEN).unwrap();
        assert!(debug.is_presented(b"x-keyplane-debug", TOKEN));
        for (name, value) in [
            (&b"x-keyplane-debug"[..], &b""[..]),
            (b"x-keyplane-debug", &TOKEN[..15]),
            (b"x-keyplane-debug", b"0123456789abcdefg"),
            (b"x-keyplane-debug", b"0123456789ABCDEF"),
            (b"x_keyplane_debug", TOKEN),
            (b"x-debug", TOKEN),
        ] {
            assert!(!debug.is_presented(name, value), "{name:?} {value:?}");
        }
    }

    #[test]
    fn a_token_that_can_be_guessed_or_not_be_sent_is_refused_and_not_told() {
        for token in
            [&b"0123456789abcde"[..], b"", b"0123456789abcdef g", b"0123456789abcdef\n", &[b'a'; MAX_TOKEN + 1]]
        {
            let error = DebugToken::new(token).unwrap_err();
            assert!(!error.contains("0123"), "{error}");
        }
        assert!(!format!("{:?}", DebugToken::new(TOKEN).unwrap()).contains("0123"));
    }

    #[test]
    fn what_is_not_known_is_not_told() {
        let all = Facts { rule: "jobs", revision: Some(7), table_age: Some(12), ..Facts::of(Reason::Expired) };
        let told: Vec<_> = Why::of(&all).headers().collect();
        let expected = [("rule", "jobs"), ("reason", "expired"), ("revision", "7"), ("age", "12")];
        let told: Vec<_> = told.iter().map(|(name, value)| (&name["x-keyplane-".len()..], value.as_str())).collect();
        assert_eq!(told, expected);
        let block = Why::of(&all).added_to(&write_block(&[(b"content-type", b"text/plain")]));
        let names: Vec<_> = HeaderBlock::parse(&block).unwrap().map(|(name, _)| name.to_vec()).collect();
        assert_eq!((names.len(), names[0].as_slice()), (5, &b"content-type"[..]));
        let none: Vec<_> = Why::of(&Facts::of(Reason::NotReady)).headers().collect();
        assert_eq!(none, [("x-keyplane-reason", "not_ready".to_owned())]);
    }
}
