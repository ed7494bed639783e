//! What a refused caller is told about how to authenticate: `WWW-Authenticate`, and where the credential goes in words.
//!
//! There is one challenge for each kind of credential that is configured, each in a header line of its own, because clients are bad at splitting
//! a list of them: `Bearer` with the error codes of RFC 6750, 3.1, first, because clients know it; then the schemes of the operator's
//! own; `ApiKey` for plain headers, parameters and cookies, which have no scheme of HTTP's. All are made at configure.

use crate::credential::source::{BEARER, Source};
use keyplane_contract::code::Refusal;
use serde::Deserialize;
use std::fmt::Write;

/// The longest realm, in bytes.
const MAX_REALM: usize = 128;

/// `realm` of the plugin configuration: the name of what is protected (RFC 9110, 11.5).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Realm(String);

impl Default for Realm {
    fn default() -> Self {
        Self("keyplane".to_owned())
    }
}

impl TryFrom<String> for Realm {
    type Error = String;

    fn try_from(realm: String) -> Result<Self, String> {
        if realm.is_empty() || realm.len() > MAX_REALM {
            return Err(format!("it has {} bytes; it must be 1 to {MAX_REALM}", realm.len()));
        }
        if realm.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            Ok(Self(realm))
        } else {
            Err("it has characters that do not go into a header; write visible ASCII and spaces".to_owned())
        }
    }
}

impl Realm {
    /// As a quoted string (RFC 9110, 5.6.4).
    fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('\\', r"\\").replace('"', "\\\""))
    }
}

/// The challenges of one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenges {
    realm: String,
    /// Bearer first; no scheme twice.
    schemes: Vec<String>,
    detail: String,
}

impl Challenges {
    /// For these sources.
    #[must_use]
    pub fn new(sources: &[Source], realm: &Realm) -> Self {
        let mut schemes: Vec<String> = Vec::new();
        for scheme in sources.iter().map(Source::challenge) {
            if !schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
                let at = if scheme.eq_ignore_ascii_case(BEARER) { 0 } else { schemes.len() };
                schemes.insert(at, scheme.to_owned());
            }
        }
        Self { realm: realm.quoted(), schemes, detail: detail(sources) }
    }

    /// The same, where a token of an identity provider is taken too.
    #[must_use]
    pub fn with_bearer(mut self) -> Self {
        if !self.schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case(BEARER)) {
            self.schemes.insert(0, BEARER.to_owned());
        }
        self
    }

    /// Where a credential goes, for the caller who sent none.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The values of `WWW-Authenticate` for a refusal that is answered with this status; none where it does not belong.
    #[must_use]
    pub fn of(&self, refusal: Refusal, status: u16) -> Vec<String> {
        match refusal {
            // RFC 6750, 3: a request without any credential gets no error code.
            Refusal::CredentialMissing => self.all(None),
            Refusal::CredentialInvalid => self.all(Some("invalid_token")),
            Refusal::MultipleCredentials => self.all(Some("invalid_request")),
            Refusal::TokenRequired => vec![self.challenge(BEARER, None)],
            // RFC 9110, 15.5.2: a 401 needs one, even if only the operator makes it a 401.
            _ if status == 401 => self.all(None),
            _ => Vec::new(),
        }
    }

    /// For a caller who lacks one of these scopes, joined by spaces (RFC 6750, 3.1): Bearer's, or that of the first scheme there is. Scopes have no
    /// character that would have to be escaped.
    #[must_use]
    pub fn scope_missing(&self, scopes: &str) -> String {
        let scheme = self.schemes.first().map_or(BEARER, String::as_str);
        format!(r#"{scheme} realm={}, error="insufficient_scope", scope="{scopes}""#, self.realm)
    }

    /// One for each scheme.
    fn all(&self, error: Option<&str>) -> Vec<String> {
        self.schemes.iter().map(|scheme| self.challenge(scheme, error)).collect()
    }

    /// Error codes are Bearer's; the other schemes have none.
    fn challenge(&self, scheme: &str, error: Option<&str>) -> String {
        let mut text = format!("{scheme} realm={}", self.realm);
        if let Some(error) = error.filter(|_| scheme.eq_ignore_ascii_case(BEARER)) {
            let _ = write!(text, r#", error="{error}""#);
        }
        text
    }
}

fn detail(sources: &[Source]) -> String {
    if sources.is_empty() {
        return Refusal::CredentialMissing.detail().to_owned();
    }
    let mut text = "Send your API key ".to_owned();
    for (index, source) in sources.iter().enumerate() {
        let separator = match index {
            0 => "",
            _ if index + 1 == sources.len() => ", or ",
            _ => ", ",
        };
        let _ = write!(text, "{separator}{source}");
    }
    text.push('.');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, scheme: Option<&str>) -> Source {
        Source::Header { name: name.to_owned(), scheme: scheme.map(str::to_owned) }
    }

    #[test]
    fn there_is_one_challenge_for_each_kind_of_credential() {
        let usual =
            Challenges::new(&[header("X-API-Key", None), header("Authorization", Some("Bearer"))], &Realm::default());
        for (refusal, bearer) in [
            (Refusal::CredentialMissing, r#"Bearer realm="keyplane""#),
            (Refusal::CredentialInvalid, r#"Bearer realm="keyplane", error="invalid_token""#),
            (Refusal::MultipleCredentials, r#"Bearer realm="keyplane", error="invalid_request""#),
        ] {
            assert_eq!(usual.of(refusal, refusal.status()), [bearer, r#"ApiKey realm="keyplane""#]);
        }
        assert!(usual.of(Refusal::AccountSuspended, 403).is_empty());
        assert_eq!(usual.of(Refusal::TokenRequired, 401), [r#"Bearer realm="keyplane""#]);
        assert_eq!(usual.of(Refusal::AccountSuspended, 401).len(), 2);
        let token = header("Authorization", Some("Token"));
        let sources = [Source::Query("a".to_owned()), token, Source::Cookie("b".to_owned())];
        let own = Challenges::new(&sources, &Realm::try_from("the \"A\\B\" API".to_owned()).unwrap());
        let expected = [r#"ApiKey realm="the \"A\\B\" API""#, r#"Token realm="the \"A\\B\" API""#];
        assert_eq!(own.of(Refusal::CredentialInvalid, 401), expected);
        assert_eq!(own.with_bearer().of(Refusal::CredentialInvalid, 401).len(), 3);
    }

    #[test]
    fn the_caller_is_told_every_place() {
        let all = [header("X-API-Key", None), header("Authorization", Some("Bearer")), Source::Query("k".to_owned())];
        let detail = |count: usize| Challenges::new(&all[..count], &Realm::default()).detail().to_owned();
        assert_eq!(detail(1), "Send your API key in the X-API-Key header.");
        let two = "Send your API key in the X-API-Key header, or in the Authorization header as: Bearer <key>.";
        assert_eq!(detail(2), two);
        assert_eq!(two, Refusal::CredentialMissing.detail());
        assert!(detail(3).ends_with("header as: Bearer <key>, or in the query parameter k."));
    }

    #[test]
    fn a_realm_that_does_not_fit_a_header_is_refused() {
        for realm in ["", "a\r\nb", "é", "a\tb", &"a".repeat(129)] {
            assert!(Realm::try_from(realm.to_owned()).is_err(), "{realm}");
        }
    }
}
