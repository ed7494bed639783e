//! The operator's own answers to refused requests, as the plugin configuration gives them under `answers`.
//!
//! An entry is for one refusal (its code), for all refusals of a status, or for all (`*`); the most specific one that is there
//! counts, alone. What it leaves out stays as it is: without a body the caller gets the problem, with the entry's status.

use crate::config::{ConfigError, in_range};
use keyplane_contract::code::Refusal;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;

/// The longest body, in bytes.
pub const MAX_BODY: usize = 8 * 1024;
/// The longest content type, in bytes.
const MAX_CONTENT_TYPE: usize = 128;

/// Which refusals an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// `*`
    Any,
    /// All that have this status of their own.
    Status(u16),
    /// The refusal with this code.
    Refusal(Refusal),
}

impl Of {
    fn parse(name: &str) -> Option<Self> {
        let of_status = |refusal: Refusal| (refusal.status().to_string() == name).then_some(refusal.status());
        let by_code = Refusal::ALL.into_iter().find(|refusal| refusal.code() == name);
        match name {
            "*" => Some(Self::Any),
            _ => by_code.map(Self::Refusal).or_else(|| Refusal::ALL.into_iter().find_map(of_status).map(Self::Status)),
        }
    }

    /// How closely it names this refusal; `None` when it does not.
    fn rank(self, refusal: Refusal) -> Option<u8> {
        match self {
            Self::Any => Some(0),
            Self::Status(status) => (status == refusal.status()).then_some(1),
            Self::Refusal(named) => (named == refusal).then_some(2),
        }
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Status(status) => write!(f, "{status}"),
            Self::Refusal(refusal) => f.write_str(refusal.code()),
        }
    }
}

/// A body as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Body {
    /// A JSON string in the configuration: its text is the body.
    Text(String),
    /// Any other JSON value: it is the body, byte for byte as it stands in the configuration.
    Json(String),
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().as_bytes() {
            [b'"', ..] => serde_json::from_slice(raw.get().as_bytes()).map(Self::Text).map_err(D::Error::custom),
            b"null" => Err(D::Error::custom("null is no body; write a text or a JSON value")),
            _ => Ok(Self::Json(raw.get().to_owned())),
        }
    }
}

/// One answer. What is absent stays as it would be without it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnAnswer {
    /// HTTP status, 400 to 599. Never one of success: a refusal must not look like an answer of the upstream.
    #[serde(default)]
    status: Option<u16>,
    /// Content type of the body; without it `application/json` for a JSON value, `text/plain; charset=utf-8` for a text.
    #[serde(default)]
    content_type: Option<String>,
    /// The body: a text, or any JSON value. At most [`MAX_BODY`].
    #[serde(default)]
    body: Option<Body>,
}

impl OwnAnswer {
    /// HTTP status, if it sets one.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// Content type and body, if it sets a body.
    #[must_use]
    pub fn content(&self) -> Option<(&str, &str)> {
        let (usual, body) = match self.body.as_ref()? {
            Body::Text(text) => ("text/plain; charset=utf-8", text),
            Body::Json(json) => ("application/json", json),
        };
        Some((self.content_type.as_deref().unwrap_or(usual), body))
    }

    fn check(&self, path: &str) -> Result<(), ConfigError> {
        if let Some(status) = self.status {
            in_range(&format!("{path}.status"), u32::from(status), 400, 599)?;
        }
        let Some((content_type, body)) = self.content() else {
            return match (&self.content_type, self.status) {
                (Some(_), _) => Err(ConfigError::new(&format!("{path}.content_type"), "there is no body of that type")),
                (None, None) => Err(ConfigError::new(path, "it changes nothing; set `status`, `body` or both")),
                (None, Some(_)) => Ok(()),
            };
        };
        if body.len() > MAX_BODY {
            let message = format!("it has {} bytes; at most {MAX_BODY} are taken", body.len());
            return Err(ConfigError::new(&format!("{path}.body"), message));
        }
        let essence = content_type.split(';').next().unwrap_or_default();
        let token = |part: &str| !part.is_empty() && part.bytes().all(is_token);
        let is_type = essence.trim_end().split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub));
        let is_header = content_type.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !is_type || !is_header || content_type.len() > MAX_CONTENT_TYPE {
            let message = "it must be a media type, such as application/json or text/html; charset=utf-8";
            return Err(ConfigError::new(&format!("{path}.content_type"), message));
        }
        let essence = essence.trim_end().to_ascii_lowercase();
        if (essence == "application/json" || essence.ends_with("+json"))
            && let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(body.as_bytes())
        {
            let message = format!("the content type is {essence}, but it is no JSON: {error}");
            return Err(ConfigError::new(&format!("{path}.body"), message));
        }
        Ok(())
    }
}

/// RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnAnswers(Vec<(Of, OwnAnswer)>);

impl OwnAnswers {
    /// The entry that names this refusal most closely.
    #[must_use]
    pub fn find(&self, refusal: Refusal) -> Option<&OwnAnswer> {
        let ranked = self.0.iter().filter_map(|(of, answer)| Some((of.rank(refusal)?, answer)));
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, answer)| answer)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.0.iter().try_for_each(|(of, answer)| answer.check(&format!("answers.{of}")))
    }
}

impl<'de> Deserialize<'de> for OwnAnswers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = OwnAnswers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with an answer for each code, status or *")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OwnAnswers, A::Error> {
        let mut entries: Vec<(Of, OwnAnswer)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let of = Of::parse(&name).ok_or_else(|| A::Error::custom(unknown(&name)))?;
            if entries.iter().any(|(known, _)| *known == of) {
                return Err(A::Error::custom(format!("`{name}` is there twice")));
            }
            entries.push((of, map.next_value()?));
        }
        Ok(OwnAnswers(entries))
    }
}

fn unknown(name: &str) -> String {
    let mut statuses = Refusal::ALL.map(|refusal| refusal.status().to_string()).to_vec();
    statuses.sort();
    statuses.dedup();
    let codes = Refusal::ALL.map(Refusal::code);
    let (statuses, codes) = (statuses.join(", "), codes.join(", "));
    format!("`{name}` is no refusal; write `*`, a status ({statuses}) or a code ({codes})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(answers: &str) -> Result<OwnAnswers, String> {
        let json = format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, "answers": {answers}}}"#);
        Config::parse(json.as_bytes()).map(|config| config.answers).map_err(|error| error.to_string())
    }

    #[test]
    fn the_most_specific_entry_counts_alone() {
        let answers = parse(
            r#"{"*": {"body": "any"}, "credential_invalid": {"status": 418}, "401": {"body": "four", "status": 403}}"#,
        )
        .unwrap();
        let found = |refusal| {
            let answer = answers.find(refusal).unwrap();
            (answer.status(), answer.content().map(|(_, body)| body.to_owned()))
        };
        assert_eq!(found(Refusal::CredentialInvalid), (Some(418), None));
        assert_eq!(found(Refusal::CredentialMissing), (Some(403), Some("four".to_owned())));
        assert_eq!(found(Refusal::AccountSuspended), (None, Some("any".to_owned())));
        assert_eq!(parse("{}").unwrap().find(Refusal::Fault), None);
        let one = parse(r#"{"401": {"body": "x"}}"#).unwrap();
        assert_eq!(one.find(Refusal::MultipleCredentials), None);
    }

    #[test]
    fn a_body_is_sent_as_it_was_written() {
        let content = |answer: &str| {
            let answers = parse(&format!(r#"{{"*": {answer}}}"#)).unwrap();
            let content = answers.find(Refusal::Fault).unwrap().content();
            content.map(|(kind, body)| (kind.to_owned(), body.to_owned())).unwrap()
        };
        let of = |kind: &str, body: &str| (kind.to_owned(), body.to_owned());
        // Order and white space are the operator's.
        let json = r#"{"message":"Unauthorized", "code":1}"#;
        assert_eq!(content(&format!(r#"{{"body": {json}}}"#)), of("application/json", json));
        assert_eq!(content(r#"{"body": "No \"entry\""}"#), of("text/plain; charset=utf-8", r#"No "entry""#));
        assert_eq!(content(r#"{"body": "<p>", "content_type": "text/html"}"#), of("text/html", "<p>"));
        assert_eq!(
            content(r#"{"body": {"a": [1]}, "content_type": "application/vnd.api+json; v=2"}"#),
            of("application/vnd.api+json; v=2", r#"{"a": [1]}"#)
        );
        assert_eq!(content(r#"{"body": ""}"#), of("text/plain; charset=utf-8", ""));
    }

    #[test]
    fn a_wrong_answer_is_refused_and_its_place_named() {
        let long = format!(r#"{{"*": {{"body": "{}"}}}}"#, "x".repeat(MAX_BODY + 1));
        let long_type = format!(r#"{{"*": {{"body": "x", "content_type": "text/{}"}}}}"#, "x".repeat(200));
        for (answers, named) in [
            ("[]", "`answers`"),
            ("null", "`answers`"),
            (
                r#"{"404": {"body": "x"}}"#,
                "`404` is no refusal; write `*`, a status (400, 401, 403, 429, 503) or a code",
            ),
            (r#"{"0401": {"body": "x"}}"#, "`0401` is no refusal"),
            (r#"{"unauthorised": {"body": "x"}}"#, "credential_missing"),
            (r#"{"401": {"body": "x"}, "401": {"body": "y"}}"#, "twice"),
            (r#"{"401": {}}"#, "`answers.401`: it changes nothing"),
            (r#"{"401": {"status": 200}}"#, "`answers.401.status`: 200 is out of range"),
            (r#"{"401": {"status": 399}}"#, "`answers.401.status`"),
            (r#"{"401": {"status": 600}}"#, "`answers.401.status`"),
            (r#"{"401": {"status": 70000}}"#, "`answers.401.status`"),
            (r#"{"401": {"status": "401"}}"#, "`answers.401.status`"),
            (r#"{"401": {"bdoy": "x"}}"#, "`answers.401.bdoy`"),
            (r#"{"401": {"body": null}}"#, "answers.401"),
            (r#"{"*": {"content_type": "text/html"}}"#, "`answers.*.content_type`"),
            (r#"{"*": {"body": "x", "content_type": "html"}}"#, "`answers.*.content_type`"),
            (r#"{"*": {"body": "x", "content_type": "text/html\r\nx: y"}}"#, "`answers.*.content_type`"),
            (r#"{"*": {"body": "x", "content_type": "text/ html"}}"#, "`answers.*.content_type`"),
            (r#"{"*": {"body": "x", "content_type": "text/é"}}"#, "`answers.*.content_type`"),
            (r#"{"*": {"body": "{", "content_type": "application/json"}}"#, "`answers.*.body`"),
            (r#"{"*": {"body": "x", "content_type": "Application/Problem+JSON"}}"#, "`answers.*.body`"),
            (&long, "`answers.*.body`: it has 8193 bytes"),
            (&long_type, "`answers.*.content_type`"),
        ] {
            let error = parse(answers).unwrap_err();
            assert!(error.contains(named), "{answers}: `{named}` is not in: {error}");
        }
    }
}
