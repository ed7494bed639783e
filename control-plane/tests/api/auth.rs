//! Who gets in.

use crate::support::{ControlPlane, secret};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};

/// Every route that needs a credential.
const MANAGEMENT: [(&str, &str); 12] = [
    ("POST", "/v1/accounts"),
    ("GET", "/v1/accounts"),
    ("GET", "/v1/accounts/x"),
    ("POST", "/v1/projects"),
    ("GET", "/v1/projects"),
    ("GET", "/v1/projects/x"),
    ("POST", "/v1/keys"),
    ("GET", "/v1/keys"),
    ("GET", "/v1/keys/x"),
    ("PATCH", "/v1/keys/x"),
    ("DELETE", "/v1/keys/x"),
    ("GET", "/v1/proxies"),
];
const SYNC: [(&str, &str); 2] = [("GET", "/sync/v1/changes"), ("POST", "/sync/v1/usage")];

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn no_route_answers_without_its_own_kind_of_credential() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let key = plane.key(&project, "live", "k").await;
    let bearer = |text: &str| format!("Bearer {text}");
    let (admin, proxy) = (bearer(plane.admin.expose()), bearer(plane.proxy.expose()));
    let others = [bearer(key["key"].as_str().unwrap()), bearer(secret("kp_admin").expose()), bearer("x"), bearer("")];
    for (method, path) in MANAGEMENT {
        let answer = plane.send(request(method, path, &[])).await;
        answer.problem(401, "credential_missing");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"keyplane\"");
        // A key of an account is somebody, though it may do nothing here; see `matrix`.
        for wrong in others.iter().skip(1).chain([&proxy]) {
            let answer = plane.send(request(method, path, &[("authorization", wrong)])).await;
            answer.problem(401, "credential_invalid");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"keyplane\", error=\"invalid_token\"");
        }
        let twice = [("authorization", admin.as_str()), ("x-api-key", plane.admin.expose())];
        plane.send(request(method, path, &twice)).await.problem(400, "multiple_credentials");
    }
    for (method, path) in SYNC {
        plane.send_sync(request(method, path, &[])).await.problem(401, "credential_missing");
        for wrong in others.iter().chain([&admin]) {
            let answer = plane.send_sync(request(method, path, &[("authorization", wrong)])).await;
            answer.problem(401, "credential_invalid");
        }
    }
}

#[tokio::test]
async fn an_admin_key_is_taken_from_either_header() {
    let plane = ControlPlane::start().await;
    for header in
        [("x-api-key", plane.admin.expose().to_owned()), ("authorization", format!("bearer {}", plane.admin.expose()))]
    {
        let answer = plane.send(request("GET", "/v1/keys", &[(header.0, &header.1)])).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn the_listeners_do_not_answer_for_each_other() {
    let plane = ControlPlane::start().await;
    let admin = format!("Bearer {}", plane.admin.expose());
    let proxy = format!("Bearer {}", plane.proxy.expose());
    plane.send(request("GET", "/sync/v1/changes", &[("authorization", &proxy)])).await.problem(404, "not_found");
    plane.send_sync(request("GET", "/v1/keys", &[("authorization", &admin)])).await.problem(404, "not_found");
}

#[tokio::test]
async fn health_needs_no_credential_and_readiness_ends_before_the_process() {
    let plane = ControlPlane::start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(plane.send(request("GET", path, &[])).await.status, StatusCode::OK);
        assert_eq!(plane.send_sync(request("GET", path, &[])).await.status, StatusCode::OK);
    }
    plane.stop.send_replace(true);
    assert_eq!(plane.send(request("GET", "/healthz", &[])).await.status, StatusCode::OK);
    plane.send(request("GET", "/readyz", &[])).await.problem(503, "unavailable");
}
