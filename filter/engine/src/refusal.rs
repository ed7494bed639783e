//! The answer that a refused caller gets: an RFC 9457 problem, or the operator's own; with the challenge that RFC 9110 wants on a 401.
//!
//! All of them are made once, when the filter is configured: a request only picks one.

use crate::answers::{OwnAnswer, OwnAnswers};
use crate::challenge::{Challenges, Realm};
use crate::guessing::Limit;
use crate::headers::{HeaderBlock, write_block};
use crate::rules::NeededScopes;
use keyplane_contract::code::{Reason, Refusal};

/// A whole answer, ready for the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// gRPC status, for callers that speak gRPC. It is the refusal's own, whatever the operator's answer is to others.
    pub grpc_status: i32,
    /// Headers besides those that the host adds itself, as a block of [`crate::headers`].
    pub headers: Vec<u8>,
    /// The body.
    pub body: String,
}

/// Where each code is explained; the code follows.
pub const ERROR_PAGES: &str = "https://keyplane.dev/errors/";

/// The answers to all refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers([Answer; Refusal::ALL.len()]);

/// For requests for which no configuration is there.
impl Default for Answers {
    fn default() -> Self {
        Self::new(&OwnAnswers::default(), &Challenges::new(&[], &Realm::default()).with_bearer(), Limit::default())
    }
}

impl Answers {
    /// Makes them, with the operator's own where there are any.
    #[must_use]
    pub fn new(own: &OwnAnswers, challenges: &Challenges, guessing: Limit) -> Self {
        Self(Refusal::ALL.map(|refusal| answer(refusal, own.find(refusal), challenges, guessing)))
    }

    /// The answer for `reason`; `None` when the request is allowed.
    #[must_use]
    pub fn of(&self, reason: Reason) -> Option<&Answer> {
        // A test holds the order of `ALL` against the numbers.
        self.0.get(reason.refusal()? as usize)
    }

    /// The answer to a caller who lacks scopes, with the challenge that names them (RFC 6750, 3.1).
    #[must_use]
    pub fn scope_missing(&self, needed: &NeededScopes, challenges: &Challenges) -> Answer {
        let [.., usual] = &self.0;
        let usual = self.of(Reason::Scope).unwrap_or(usual);
        let challenge = challenges.scope_missing(&needed.joined());
        let mut headers: Vec<_> = HeaderBlock::parse(&usual.headers).into_iter().flatten().collect();
        headers.retain(|(name, _)| *name != b"www-authenticate");
        headers.push((b"www-authenticate", challenge.as_bytes()));
        Answer { headers: write_block(&headers), ..usual.clone() }
    }
}

fn answer(refusal: Refusal, own: Option<&OwnAnswer>, challenges: &Challenges, guessing: Limit) -> Answer {
    let status = own.and_then(OwnAnswer::status).unwrap_or(refusal.status());
    let (content_type, body) = match own.and_then(OwnAnswer::content) {
        Some((content_type, body)) => (content_type, body.to_owned()),
        None => ("application/problem+json", problem(refusal, status, challenges)),
    };
    let mut headers = vec![("content-type", content_type), ("cache-control", "no-store")];
    let challenges = challenges.of(refusal, status);
    headers.extend(challenges.iter().map(|challenge| ("www-authenticate", challenge.as_str())));
    let retry_after = retry_after_seconds(refusal, guessing).map(|seconds| seconds.to_string());
    headers.extend(retry_after.iter().map(|seconds| ("retry-after", seconds.as_str())));
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    Answer { status, grpc_status: refusal.grpc_status(), headers: write_block(&headers), body }
}

/// When another attempt may end better.
const fn retry_after_seconds(refusal: Refusal, guessing: Limit) -> Option<u32> {
    match refusal {
        Refusal::TooManyAttempts => Some(guessing.retry_after_seconds()),
        // The longest pause between two polls.
        Refusal::TableTooOld => Some(10),
        Refusal::TableNotReady | Refusal::Fault => Some(1),
        _ => None,
    }
}

fn problem(refusal: Refusal, status: u16, challenges: &Challenges) -> String {
    let (code, title) = (refusal.code(), refusal.title());
    let detail = match refusal {
        Refusal::CredentialMissing => challenges.detail(),
        _ => refusal.detail(),
    };
    // All texts are our own but for the names in the detail.
    let detail = serde_json::Value::from(detail);
    format!(r#"{{"type":"{ERROR_PAGES}{code}","title":"{title}","status":{status},"code":"{code}","detail":{detail}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::HeaderBlock;
    use crate::settings::Settings;

    fn answers(own: &str) -> Answers {
        let json = format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, "answers": {own}}}"#);
        Settings::parse(json.as_bytes()).unwrap().answers
    }

    fn usual() -> Answers {
        answers("{}")
    }

    fn header(answer: &Answer, name: &str) -> Option<String> {
        let mut headers = HeaderBlock::parse(&answer.headers).unwrap();
        headers
            .find(|(found, _)| *found == name.as_bytes())
            .map(|(_, value)| String::from_utf8(value.to_vec()).unwrap())
    }

    #[test]
    fn every_refusal_has_its_own_answer() {
        for (number, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, number);
        }
        for reason in Reason::ALL {
            assert_eq!(usual().of(reason).is_none(), reason.refusal().is_none());
        }
    }

    #[test]
    fn every_body_is_a_problem_with_its_code() {
        for reason in Reason::ALL {
            let Some(refusal) = reason.refusal() else { continue };
            let (answers, other) = (usual(), answers(r#"{"*": {"status": 499}}"#));
            for (answer, status) in [(answers.of(reason), refusal.status()), (other.of(reason), 499)] {
                let answer = answer.unwrap();
                let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
                assert_eq!(body["code"], refusal.code());
                assert_eq!((body["status"].as_u64(), answer.status), (Some(u64::from(status)), status));
                assert_eq!(body["type"], format!("{ERROR_PAGES}{}", refusal.code()));
                assert_eq!(header(answer, "content-type").as_deref(), Some("application/problem+json"));
            }
        }
    }

    #[test]
    fn unknown_revoked_disabled_and_expired_keys_look_alike() {
        let answers = usual();
        let unknown = answers.of(Reason::Unknown);
        for reason in [Reason::Malformed, Reason::Revoked, Reason::Disabled, Reason::Expired, Reason::Unsupported] {
            assert_eq!(answers.of(reason), unknown);
        }
    }

    #[test]
    fn a_401_names_the_scheme_and_a_503_says_when_to_come_back() {
        for answers in [usual(), answers(r#"{"*": {"status": 401}}"#), answers(r#"{"*": {"body": {"message": "No"}}}"#)]
        {
            for reason in Reason::ALL {
                let Some(answer) = answers.of(reason) else { continue };
                let refusal = reason.refusal().unwrap();
                assert_eq!(header(answer, "retry-after").is_some(), matches!(refusal.status(), 429 | 503));
                assert!(header(answer, "www-authenticate").is_some() || answer.status != 401);
                assert_eq!(header(answer, "cache-control").as_deref(), Some("no-store"));
            }
        }
    }

    #[test]
    fn a_caller_without_anything_is_told_of_tokens_where_they_are_taken() {
        let told = |jwt: &str| {
            let json = format!(
                r#"{{"control_plane": {{"cluster": "keyplane"}}, "credentials": [{{"header": "x-api-key"}}]{jwt}}}"#
            );
            let settings = Settings::parse(json.as_bytes()).unwrap();
            header(settings.answers.of(Reason::Missing).unwrap(), "www-authenticate").unwrap()
        };
        assert_eq!(told(""), r#"ApiKey realm="keyplane""#);
        let jwt = r#", "jwt": {"providers": [{"issuer": "https://id.example.com", "payload": "payload"}]}"#;
        assert_eq!(told(jwt), r#"Bearer realm="keyplane""#);
    }

    #[test]
    fn the_operators_own_answer_changes_what_it_names_and_no_more() {
        let answers = answers(r#"{"401": {"body": {"message":"Unauthorized"}}, "table_not_ready": {"status": 502}}"#);
        let usual = usual();
        for reason in [Reason::Missing, Reason::Unknown, Reason::Expired] {
            let answer = answers.of(reason).unwrap();
            assert_eq!((answer.status, answer.body.as_str()), (401, r#"{"message":"Unauthorized"}"#));
            assert_eq!(header(answer, "content-type").as_deref(), Some("application/json"));
            assert_eq!(answer.grpc_status, 16);
            assert_eq!(header(answer, "www-authenticate"), header(usual.of(reason).unwrap(), "www-authenticate"));
        }
        assert_eq!(answers.of(Reason::NotReady).unwrap().status, 502);
        for reason in [Reason::Multiple, Reason::Network, Reason::Suspended, Reason::Fault] {
            assert_eq!(answers.of(reason), usual.of(reason));
        }
    }
}
