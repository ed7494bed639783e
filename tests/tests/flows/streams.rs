//! Requests that are more than a header: bodies that come while the request is held, trailers, upgrades.

use super::fixture::{Loose, PATH, envoy_settings, eventually, project};
use secrecy::ExposeSecret;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use xtask::stack::Envoy;

/// An upstream that keeps every byte it gets and answers each connection once. An upgrade it accepts, and then says everything back.
struct Raw {
    got: Arc<Mutex<Vec<u8>>>,
    port: u16,
}

impl Raw {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&got);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let keeps = Arc::clone(&keeps);
                std::thread::spawn(move || serve(stream, &keeps));
            }
        });
        Self { got, port }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.got.lock().unwrap()).to_ascii_lowercase()
    }
}

fn serve(mut stream: TcpStream, keeps: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    let mut head = Vec::new();
    let mut upgraded = false;
    let mut answered = false;
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        keeps.lock().unwrap().extend_from_slice(&buffer[..count]);
        if upgraded {
            if stream.write_all(&buffer[..count]).is_err() {
                return;
            }
            continue;
        }
        head.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let Some((headers, body)) = text.split_once("\r\n\r\n") else { continue };
        if headers.contains("upgrade: websocket") {
            upgraded = true;
            let answer = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
            stream.write_all(answer).unwrap();
            continue;
        }
        let whole = !headers.contains("transfer-encoding: chunked") || body.contains("\r\nend-of-trailers: 1\r\n");
        if whole && !answered {
            answered = true;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    }
}

/// The stack with that upstream, and with the setting that would let bodies overtake held headers. No table until `start`.
fn start(raw: &Raw) -> (Loose, Envoy, String) {
    let mut loose = Loose::start();
    let api = loose.control_plane.api();
    let key = api.create_key(&project(&api), "streams").unwrap().secret.expose_secret().to_owned();
    loose.control_plane.stop().unwrap();
    let plugin = json!({ "control_plane": { "cluster": "keyplane" }, "hold": { "milliseconds": 8000 } });
    let mut settings = envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &plugin);
    settings.upstream_port = raw.port;
    let changes = [
        (
            "failure_policy: FAIL_RELOAD",
            "failure_policy: FAIL_RELOAD\n                        allow_on_headers_stop_iteration: true".to_owned(),
        ),
        (
            "use_remote_address: true",
            "use_remote_address: true\n                upgrade_configs: [{ upgrade_type: websocket }]\n                \
             http_protocol_options: { enable_trailers: true }"
                .to_owned(),
        ),
        (
            "- name: upstream\n      type: STATIC",
            "- name: upstream\n      type: STATIC\n      typed_extension_protocol_options:\n        \
             envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n          \"@type\": \
             type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n          \
             explicit_http_config: { http_protocol_options: { enable_trailers: true } }"
                .to_owned(),
        ),
    ];
    let envoy = Envoy::start_with(settings, &changes, loose.folder.path(), "envoy").unwrap();
    (loose, envoy, key)
}

fn open(loose: &Loose, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", loose.ports.proxy)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 1024]);
    while !text.contains(wanted) {
        match stream.read(&mut buffer) {
            Ok(count @ 1..) => text.push_str(&String::from_utf8_lossy(&buffer[..count])),
            other => panic!("`{wanted}` is not in `{text}`: {other:?}"),
        }
    }
    text
}

#[test]
fn a_held_request_keeps_its_body_and_its_trailers_and_passes_only_with_its_key() {
    let raw = Raw::start();
    let (mut loose, _envoy, key) = start(&raw);
    let head = |key: &str| {
        format!("POST {PATH} HTTP/1.1\r\nhost: flow\r\nx-api-key: {key}\r\ntransfer-encoding: chunked\r\n\r\n")
    };
    let mut good = open(&loose, &head(&key));
    let mut bad = open(&loose, &head("uk_live_nobodynobodynobodynobodynobody12"));
    // The body and the trailers come while both are held. They must not take the headers along.
    for (stream, body) in [(&mut good, "the right body"), (&mut bad, "the wrong body")] {
        std::thread::sleep(Duration::from_millis(200));
        stream.write_all(format!("{:x}\r\n{body}\r\n", body.len()).as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        stream.write_all(b"0\r\nend-of-trailers: 1\r\n\r\n").unwrap();
    }
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(raw.text(), "", "nothing reaches the upstream before it is decided");
    loose.control_plane.start().unwrap();
    read_until(&mut good, "200 OK");
    read_until(&mut bad, "401 Unauthorized");
    let got = raw.text();
    assert!(got.contains("the right body") && got.contains("end-of-trailers: 1"), "{got}");
    assert!(!got.contains("the wrong body"), "{got}");
    assert_eq!(got.matches("x-keyplane-key-id").count(), 1, "{got}");
}

#[test]
fn an_upgraded_connection_is_checked_when_it_opens_and_then_left_alone() {
    let raw = Raw::start();
    let (mut loose, envoy, key) = start(&raw);
    loose.control_plane.start().unwrap();
    eventually("the filter has its table", || envoy.stats("keyplane_synced").unwrap().values().any(|v| *v == 1));
    let head = |key: &str| {
        format!(
            "GET {PATH} HTTP/1.1\r\nhost: flow\r\nx-api-key: {key}\r\nconnection: upgrade, x-keyplane-account\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    };
    let mut refused = open(&loose, &head("uk_live_nobodynobodynobodynobodynobody12"));
    read_until(&mut refused, "401 Unauthorized");
    let mut stream = open(&loose, &head(&key));
    read_until(&mut stream, "\r\n\r\n");
    for word in ["one", "two", "three"] {
        stream.write_all(word.as_bytes()).unwrap();
        read_until(&mut stream, word);
    }
    let got = raw.text();
    assert_eq!(got.matches("get /v1/hello").count(), 1, "{got}");
    assert!(got.contains("x-keyplane-account: ") && !got.contains("upgrade, x-keyplane"), "{got}");
}
