//! HTTP/2 through a real Envoy: a gRPC stream both ways with its trailers, gRPC refusals, and cookies in crumbs.

use super::fixture::{Loose, envoy_settings, eventually, project};
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, server};
use http::{HeaderMap, Request, Response, StatusCode};
use secrecy::ExposeSecret;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use xtask::stack::Envoy;

const METHOD: &str = "/chat.Chat/Talk";
/// Far above what anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// An upstream that says each message back as it comes, and ends with the trailer of gRPC. It keeps the headers it got.
async fn upstream() -> (u16, Arc<Mutex<Vec<HeaderMap>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = Arc::new(Mutex::new(Vec::new()));
    let keeps = Arc::clone(&got);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let keeps = Arc::clone(&keeps);
            tokio::spawn(async move {
                let Ok(mut connection) = server::handshake(stream).await else { return };
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    keeps.lock().unwrap().push(request.headers().clone());
                    tokio::spawn(async move {
                        let answer = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
                        let mut talk = respond.send_response(answer, false).unwrap();
                        let mut hears = request.into_body();
                        while let Some(Ok(message)) = hears.data().await {
                            let _ = hears.flow_control().release_capacity(message.len());
                            if talk.send_data(message, false).is_err() {
                                return;
                            }
                        }
                        let mut trailers = HeaderMap::new();
                        trailers.insert("grpc-status", "0".parse().unwrap());
                        let _ = talk.send_trailers(trailers);
                    });
                }
            });
        }
    });
    (port, got)
}

/// Envoy before that upstream, and a key that works.
fn start(upstream_port: u16) -> (Loose, Envoy, String) {
    let loose = Loose::start();
    let api = loose.control_plane.api();
    let key = api.create_key(&project(&api), "talks").unwrap().secret.expose_secret().to_owned();
    let plugin = json!({
        "control_plane": { "cluster": "keyplane" },
        "credentials": [{ "header": "x-api-key" }, { "cookie": "key" }],
    });
    let mut settings = envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &plugin);
    settings.upstream_port = upstream_port;
    let http2 = "- name: upstream\n      type: STATIC\n      typed_extension_protocol_options:\n        \
         envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n          \"@type\": \
         type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n          \
         explicit_http_config: { http2_protocol_options: {} }";
    let changes = [("- name: upstream\n      type: STATIC", http2.to_owned())];
    let envoy = Envoy::start_with(settings, &changes, loose.folder.path(), "envoy").unwrap();
    let synced = || envoy.stats("keyplane_synced").is_ok_and(|stats| stats.values().any(|value| *value == 1));
    eventually("Envoy has its keys", synced);
    (loose, envoy, key)
}

async fn connect(port: u16) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

fn call(headers: &[(&str, &str)]) -> Request<()> {
    let request = Request::post(format!("http://api.example.com{METHOD}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(()).unwrap()
}

async fn message(stream: &mut RecvStream) -> Bytes {
    let message = tokio::time::timeout(PATIENCE, stream.data()).await.unwrap().unwrap().unwrap();
    stream.flow_control().release_capacity(message.len()).unwrap();
    message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grpc_stream_is_checked_when_it_opens_and_then_goes_both_ways_to_its_trailers() {
    let (port, got) = upstream().await;
    let (loose, _envoy, key) = tokio::task::spawn_blocking(move || start(port)).await.unwrap();
    let mut client = connect(loose.ports.proxy).await;

    // Without a key: gRPC's own status, in an answer that is headers alone, and nothing goes on.
    let (answer, _) = client.send_request(call(&[]), false).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    assert_eq!((answer.status(), &answer.headers()["grpc-status"]), (StatusCode::OK, &"16".parse().unwrap()));
    assert_eq!(answer.headers()["content-type"], "application/grpc");
    let two = [("x-api-key", key.as_str()), ("x-api-key", key.as_str())];
    let (answer, _) = client.send_request(call(&two), false).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    assert_ne!(answer.headers().get("grpc-status"), None, "{answer:?}");
    assert!(got.lock().unwrap().is_empty());

    // With one: message for message, both ways, while the stream is open.
    let (answer, mut talk) = client.send_request(call(&[("x-api-key", &key)]), false).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers().get("grpc-status"), None);
    let mut hears = answer.into_body();
    for text in ["\0\0\0\0\u{3}one", "\0\0\0\0\u{3}two"] {
        talk.send_data(Bytes::from(text), false).unwrap();
        assert_eq!(message(&mut hears).await, text);
    }
    // A key that is revoked ends no stream that is open; the next one is refused.
    let api = loose.control_plane.api();
    let id = got.lock().unwrap()[0]["x-keyplane-key-id"].to_str().unwrap().to_owned();
    let revoked = tokio::task::spawn_blocking(move || api.revoke_key(&id).unwrap().status).await.unwrap();
    assert_eq!(revoked, 200);
    talk.send_data(Bytes::from("\0\0\0\0\u{5}three"), true).unwrap();
    assert_eq!(message(&mut hears).await, "\0\0\0\0\u{5}three");
    let trailers = tokio::time::timeout(PATIENCE, hears.trailers()).await.unwrap().unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    assert!(got.lock().unwrap()[0].get("x-api-key").is_none());
    let started = std::time::Instant::now();
    loop {
        let (answer, _) = client.send_request(call(&[("x-api-key", &key)]), true).unwrap();
        let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
        if answer.headers().get("grpc-status").is_some_and(|status| status == "16") {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the revoked key still opens streams");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_in_one_of_many_cookie_headers_is_found_and_the_others_go_on() {
    let (port, got) = upstream().await;
    let (loose, _envoy, key) = tokio::task::spawn_blocking(move || start(port)).await.unwrap();
    let mut client = connect(loose.ports.proxy).await;
    let crumb = format!("key={key}");
    let crumbs = [("cookie", "a=1"), ("cookie", crumb.as_str()), ("cookie", "b=2")];
    let (answer, _) = client.send_request(call(&crumbs), true).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    assert_eq!((answer.status(), answer.headers().get("grpc-status")), (StatusCode::OK, None));
    let got = got.lock().unwrap();
    let cookies: Vec<_> = got[0].get_all("cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(cookies.join("; "), "a=1; b=2");
}
