//! The answer that a refused caller gets: an RFC 9457 problem, with the challenge that RFC 9110 wants on a 401.

use keyplane_contract::code::{Reason, Refusal};

/// A whole answer, ready for the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// gRPC status, for callers that speak gRPC.
    pub grpc_status: i32,
    /// Headers besides those that the host adds itself.
    pub headers: Vec<(&'static str, &'static str)>,
    /// `application/problem+json`.
    pub body: String,
}

/// Where each code is explained; the code follows.
pub const ERROR_PAGES: &str = "https://keyplane.dev/errors/";

/// The answer for `reason`; `None` when the request is allowed.
#[must_use]
pub fn answer(reason: Reason) -> Option<Answer> {
    let refusal = reason.refusal()?;
    let mut headers = vec![("content-type", "application/problem+json"), ("cache-control", "no-store")];
    match refusal {
        // RFC 6750, 3: a request without any credential gets no error code.
        Refusal::CredentialMissing => headers.push(("www-authenticate", r#"Bearer realm="keyplane""#)),
        Refusal::CredentialInvalid => {
            headers.push(("www-authenticate", r#"Bearer realm="keyplane", error="invalid_token""#));
        }
        Refusal::MultipleCredentials => {
            headers.push(("www-authenticate", r#"Bearer realm="keyplane", error="invalid_request""#));
        }
        Refusal::TableNotReady | Refusal::Fault => headers.push(("retry-after", "1")),
    }
    let code = refusal.code();
    // All five texts are our own and need no escaping; a test parses each body.
    let body = format!(
        r#"{{"type":"{ERROR_PAGES}{code}","title":"{}","status":{},"code":"{code}","detail":"{}"}}"#,
        refusal.title(),
        refusal.status(),
        refusal.detail(),
    );
    Some(Answer { status: refusal.status(), grpc_status: refusal.grpc_status(), headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_body_is_a_problem_with_its_code() {
        for refusal in Refusal::ALL {
            let reason = Reason::ALL.into_iter().find(|reason| reason.refusal() == Some(refusal)).unwrap();
            let answer = answer(reason).unwrap();
            let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(body["code"], refusal.code());
            assert_eq!(body["status"], refusal.status());
            assert_eq!(body["type"], format!("{ERROR_PAGES}{}", refusal.code()));
        }
    }

    #[test]
    fn unknown_revoked_disabled_and_expired_keys_look_alike() {
        let unknown = answer(Reason::Unknown);
        for reason in [Reason::Malformed, Reason::Revoked, Reason::Disabled, Reason::Expired, Reason::Unsupported] {
            assert_eq!(answer(reason), unknown);
        }
    }

    #[test]
    fn a_401_names_the_scheme_and_a_503_says_when_to_come_back() {
        for reason in Reason::ALL {
            let Some(answer) = answer(reason) else { continue };
            let has = |name: &str| answer.headers.iter().any(|(header, _)| *header == name);
            assert_eq!(has("retry-after"), answer.status == 503);
            assert!(has("www-authenticate") || answer.status != 401);
        }
    }
}
