//! Reads a problem document (RFC 9457) into an [`ApiError`]. Pure.
//!
//! Whatever answers with an error status is read, also what is not Keyplane: a proxy in between sends HTML or
//! nothing. Only a problem document's own fields are taken over; any other body is left unsaid, because it may repeat
//! the request with its credential.

use crate::error::{ApiError, FieldError};
use keyplane_contract::key::KeyParts;
use serde::Deserialize;
use std::time::Duration;

/// The longest text taken over from an answer, in characters.
const MAX_TEXT: usize = 1_000;
/// The most field errors taken over from an answer.
const MAX_FIELDS: usize = 100;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Problem {
    code: Option<String>,
    title: Option<String>,
    detail: Option<String>,
    request_id: Option<String>,
    errors: Option<Vec<Field>>,
}

#[derive(Deserialize)]
struct Field {
    field: String,
    message: String,
}

/// What stands around the body of an answer.
pub(crate) struct Head<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The header `Content-Type`.
    pub content_type: Option<&'a str>,
    /// The header `x-request-id`, for bodies that do not say it.
    pub request_id: Option<&'a str>,
    /// The header `Retry-After`, read.
    pub retry_after: Option<Duration>,
}

/// The error that an answer is. `hide` is the credential of the call and what may be shown of it.
pub(crate) fn read(head: &Head<'_>, body: &[u8], hide: (&str, &str)) -> ApiError {
    let is_problem = head
        .content_type
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/problem+json"));
    let problem =
        if is_problem { serde_json::from_slice::<Problem>(body).unwrap_or_default() } else { Problem::default() };
    let clean = |text: String| harmless(&text, hide);
    ApiError {
        status: head.status,
        code: problem.code.map(clean),
        title: problem.title.map(clean),
        detail: problem.detail.map(clean),
        request_id: problem.request_id.or_else(|| head.request_id.map(str::to_owned)).map(clean),
        errors: problem
            .errors
            .unwrap_or_default()
            .into_iter()
            .take(MAX_FIELDS)
            .map(|Field { field, message }| FieldError { field: clean(field), message: clean(message) })
            .collect(),
        retry_after: head.retry_after,
    }
}

/// Text of an answer as it may reach a terminal or a log: without the credential of the call and without any key.
pub(crate) fn harmless(text: &str, (secret, mask): (&str, &str)) -> String {
    let text = without_keys(&text.replace(secret, mask));
    text.chars().take(MAX_TEXT).map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// The text with the mask in place of each key in it: what stands between letters that no key has.
fn without_keys(text: &str) -> String {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let mut rest = text;
    let mut clean = String::with_capacity(text.len());
    while let Some(start) = rest.find(is_part) {
        let (before, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|char| !is_part(char)).unwrap_or(from.len()));
        clean.push_str(before);
        match KeyParts::parse(word) {
            Ok(parts) => clean.push_str(&parts.mask()),
            Err(_) => clean.push_str(word),
        }
        rest = after;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HIDE: (&str, &str) = ("kp_admin_secret", "kp_admin_...");

    fn head(content_type: &str) -> Head<'_> {
        Head {
            status: 422,
            content_type: Some(content_type),
            request_id: Some("from-header"),
            retry_after: Some(Duration::from_secs(3)),
        }
    }

    #[test]
    fn every_field_of_a_problem_is_taken_over_and_said() {
        let body = br#"{"type":"https://keyplane.dev/errors/invalid_request","title":"Invalid request","status":422,
            "code":"invalid_request","detail":"Two fields are wrong.","request_id":"r-1",
            "errors":[{"field":"name","message":"is empty","more":1},{"field":"prefixes.live","message":"is too long"}]}"#;
        let error = read(&head("application/problem+json; charset=utf-8"), body, HIDE);
        assert_eq!(error.code.as_deref(), Some("invalid_request"));
        assert_eq!(error.title.as_deref(), Some("Invalid request"));
        assert_eq!(error.request_id.as_deref(), Some("r-1"));
        assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
        assert_eq!(
            error.to_string(),
            "Keyplane answered 422 invalid_request: Two fields are wrong. [name: is empty] \
             [prefixes.live: is too long] (try again in 3 s) (request r-1)"
        );
    }

    #[test]
    fn a_body_that_is_no_problem_document_is_left_unsaid() {
        for (content_type, body) in [
            ("text/html", "<h1>kp_admin_other</h1>"),
            ("application/json", r#"{"detail":"kp_admin_other"}"#),
            ("application/problem+json", "{\"detail\":\"kp_admin_other\""),
            ("application/problem+json", r#""kp_admin_other""#),
        ] {
            let error = read(&head(content_type), body.as_bytes(), HIDE);
            assert_eq!((error.code.as_ref(), error.detail.as_ref()), (None, None));
            assert_eq!(error.request_id.as_deref(), Some("from-header"));
            assert!(error.to_string().starts_with("the server answered 422 without saying why"));
            assert!(!format!("{error:?}").contains("other"));
        }
    }

    #[test]
    fn a_credential_that_an_answer_repeats_is_masked_and_control_characters_are_taken_out() {
        let body = br#"{"code":"x","detail":"got kp_admin_secret\u001b[31m\n","errors":[{"field":"kp_admin_secret","message":"kp_admin_secret"}]}"#;
        let error = read(&head("application/problem+json"), body, HIDE);
        assert!(!format!("{error} {error:?}").contains("secret"));
        assert_eq!(error.detail.as_deref(), Some("got kp_admin_... [31m "));
    }

    #[test]
    fn any_key_in_a_text_is_masked_and_the_rest_stays() {
        let key = "uk_live_0123456789ABCDEFGHIJabcdefghijKL1ExXni";
        let text = format!("\u{e4}({key}),{key}=x_{key} uk_live {key}");
        let mask = "uk_live_0123...xXni";
        // Within a longer word there is no key.
        assert_eq!(harmless(&text, HIDE), format!("\u{e4}({mask}),{mask}=x_{key} uk_live {mask}"));
    }

    proptest! {
        #[test]
        fn text_without_a_key_stays_as_it_is(text: String) {
            prop_assert_eq!(without_keys(&text), text);
        }

        #[test]
        fn no_body_makes_the_reader_panic_or_the_error_long(body: Vec<u8>, detail: String) {
            let _ = read(&head("application/problem+json"), &body, HIDE);
            let body = serde_json::to_vec(&serde_json::json!({ "detail": detail.repeat(50) })).unwrap();
            let error = read(&head("application/problem+json"), &body, HIDE);
            prop_assert!(error.detail.unwrap().chars().count() <= MAX_TEXT);
        }
    }
}
