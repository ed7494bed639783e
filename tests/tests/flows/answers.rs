//! The operator's own answers to refused requests.

use super::fixture::{Flow, PATH, eventually};
use secrecy::ExposeSecret;
use serde_json::json;

#[test]
fn missing_and_invalid_keys_get_the_operators_own_answer() {
    let body = r#"{"message":"Unauthorized"}"#;
    let flow = Flow::with_plugin(&json!({
        "control_plane": { "cluster": "keyplane" },
        "answers": {
            "401": { "body": { "message": "Unauthorized" } },
            "multiple_credentials": { "status": 422, "body": "one key, please", "content_type": "text/plain" },
        },
    }));
    let key = flow.known_key("good");
    let secret = key.secret.expose_secret().to_owned();
    let revoked = flow.known_key("revoked");
    flow.api().revoke_key(&revoked.id).unwrap();
    eventually("the revoke is known", || (0..12).all(|_| flow.get(&revoked).status == 401));
    let bearer = format!("Bearer {secret}x");
    for headers in [
        &[][..],
        &[("x-api-key", "")],
        &[("x-api-key", "uk_live_unknown")],
        &[("authorization", &bearer)],
        &[("x-api-key", revoked.secret.expose_secret())],
    ] {
        let answer = flow.proxy().get(PATH, headers).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (401, body));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer realm=")));
    }
    let both = [("x-api-key", secret.as_str()), ("authorization", bearer.as_str())];
    let answer = flow.proxy().get(PATH, &both).unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (422, "one key, please"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(flow.get(&key).status, 200);
    // Callers that speak gRPC get a gRPC status, as ever.
    let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
    let answer = flow.proxy().send("POST", "/hello.Hello/Say", &grpc, b"\0\0\0\0\0").unwrap();
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("16")));
    assert_eq!(answer.header("content-type"), Some("application/grpc"));
}
