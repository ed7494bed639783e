//! The metadata of a request, as bytes: nobody is somebody without the issuer's name in them, and what becomes an identity is fit for a header.

#![no_main]

use keyplane_filter_engine::jwt::{Jwt, MAX_SCOPES_LEN, MAX_TEXT_LEN, Verified};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

const ISSUER: &[u8] = b"https://a";
/// One issuer under two names, and claims of every kind. What Envoy itself wrote (the seed) has them all.
const CONFIGURATION: &str = r#"{"providers": [
    {"issuer": "https://a", "account": ["nested", "account"], "scopes": "list", "environment": "live"},
    {"issuer": "https://a", "payload": "second", "account": "num", "account_prefix": "a-", "user": null, "environment": {"claim": "mode"}}
]}"#;

static JWT: OnceLock<Jwt> = OnceLock::new();

fuzz_target!(|metadata: &[u8]| {
    let jwt = JWT.get_or_init(|| Jwt::compile(serde_json::from_str(CONFIGURATION).unwrap()).unwrap());
    let Ok(Verified::Token(token)) = jwt.read(metadata) else { return };
    assert!(metadata.windows(ISSUER.len()).any(|part| part == ISSUER), "a token of nobody");
    assert!(token.environment.is_some() && token.account.is_some());
    for text in [&token.account, &token.user].into_iter().flatten() {
        assert!((1..=MAX_TEXT_LEN + 2).contains(&text.len()));
        assert!(!text.contains(char::is_control) && text.trim() == text && !text.contains("  "), "{text:?}");
    }
    assert!(token.scopes.len() <= MAX_SCOPES_LEN);
    assert!(token.scopes.is_empty() || token.scopes.split(' ').all(|scope| !scope.is_empty()));
    assert!(token.scopes.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')));
});
