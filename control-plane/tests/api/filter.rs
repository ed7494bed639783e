//! The filter's module, as Envoy and people fetch it: without a credential, from both listeners, by name and by digest.

use crate::support::{Answer, ControlPlane};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use keyplane::modules::Modules;
use keyplane::service::App;
use std::sync::Arc;
use tower::ServiceExt as _;

const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// As `sha256sum` prints it.
const DIGEST: &str = "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476";

async fn ask(routes: &Router, method: Method, path: &str, known: Option<&str>) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = known.into_iter().fold(request, |request, known| request.header("if-none-match", known));
    let (parts, body) = routes.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_parts();
    Answer { status: parts.status, headers: parts.headers, bytes: to_bytes(body, usize::MAX).await.unwrap().to_vec() }
}

#[tokio::test]
async fn the_module_is_offered_by_both_listeners_by_name_and_for_good_by_digest() {
    let plane = ControlPlane::start().await;
    let file = plane.folder.path().join("filter.wasm");
    std::fs::write(&file, EMPTY_MODULE).unwrap();
    let modules = Arc::new(Modules::read(&[file], None).unwrap());
    let app = App { modules, ..plane.app.clone() };
    let (tag, by_digest) = (format!("\"{DIGEST}\""), format!("/filter/{DIGEST}/keyplane.wasm"));
    for routes in [keyplane::http::management(&app), keyplane::http::sync(&app)] {
        for (path, keep) in
            [("/filter/keyplane.wasm", "no-cache"), (by_digest.as_str(), "public, max-age=31536000, immutable")]
        {
            let whole = ask(&routes, Method::GET, path, None).await;
            assert_eq!((whole.status.as_u16(), whole.bytes.as_slice()), (200, EMPTY_MODULE));
            let headers = ["content-type", "etag", "cache-control"].map(|name| whole.header(name).to_owned());
            assert_eq!(headers, ["application/wasm", &tag, keep]);
            let head = ask(&routes, Method::HEAD, path, None).await;
            assert_eq!((head.status.as_u16(), head.header("content-length"), head.bytes.len()), (200, "8", 0));
            let same = ask(&routes, Method::GET, path, Some(&format!("\"another\", {tag}"))).await;
            assert_eq!((same.status.as_u16(), same.header("etag"), same.bytes.len()), (304, tag.as_str(), 0));
            assert_eq!(ask(&routes, Method::GET, path, Some("\"another\"")).await.status, 200);
        }
        let line = ask(&routes, Method::GET, "/filter/keyplane.wasm.sha256", None).await;
        assert_eq!(String::from_utf8(line.bytes).unwrap(), format!("{DIGEST}  keyplane.wasm\n"));
        let other = format!("/filter/{}/keyplane.wasm", DIGEST.replace('9', "8"));
        ask(&routes, Method::GET, &other, None).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn without_a_module_it_says_how_to_offer_one() {
    let plane = ControlPlane::start().await;
    for path in ["/filter/keyplane.wasm", "/filter/keyplane.wasm.sha256"] {
        let problem = plane.get(path).await.problem(404, "not_found");
        assert!(problem["detail"].as_str().unwrap().contains("filter_modules"), "{problem}");
    }
}
