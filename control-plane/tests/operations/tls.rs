//! TLS on both listeners: who is served, with what, and what is said when it cannot be.

use crate::certificates::{Authority, BOTH, Client, Issued, NOW, Place, Stream, allow};
use crate::fixture::{
    ADMIN_KEY, Answer, PROXY_TOKEN, Server, answer, command, done, eventually, exchange_on, refused, request, sql, text,
};
use keyplane_contract::sync::Page;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use sqlx::Connection as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_rustls::TlsConnector;

fn call(client: &Client, address: &str, method: &str, path: &str, key: Option<&str>, body: Option<&Value>) -> Answer {
    answer(&exchange_on(client.connect(address).unwrap(), method, path, key, body).unwrap())
}

fn status(client: &Client, address: &str, path: &str, key: &str) -> std::io::Result<u16> {
    let stream = client.connect(address)?;
    Ok(answer(&exchange_on(stream, "GET", path, Some(key), None)?).status)
}

fn leaf(client: &Client, address: &str) -> CertificateDer<'static> {
    client.connect(address).unwrap().conn.peer_certificates().unwrap()[0].clone().into_owned()
}

/// The answer to one request over HTTP/2: status and body.
async fn http2(client: &Client, address: &str, path: &str, key: &str) -> (u16, Vec<u8>) {
    use axum::body::{Body, to_bytes};
    let mut config = (*client.config).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = axum::http::Request::get(format!("https://127.0.0.1{path}"))
        .header("authorization", format!("Bearer {key}"))
        .body(Body::empty())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = to_bytes(Body::new(answer.into_body()), 16 << 20).await.unwrap();
    connection.abort();
    (status, body.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_listeners_speak_tls_with_http_1_and_2() {
    let (authority, place) = (Authority::new(), Place::new());
    place.certify(&authority.issue(NOW));
    place.set_both();
    let server = Server::start(&place.data());
    let client = authority.client(None);
    let made =
        call(&client, &server.management, "POST", "/v1/accounts", Some(ADMIN_KEY), Some(&json!({ "name": "Acme" })));
    assert_eq!(made.status, 201, "{}", made.body);
    let (found, body) = http2(&client, &server.management, "/v1/accounts", ADMIN_KEY).await;
    assert_eq!(found, 200);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["data"][0]["name"], "Acme");
    assert_eq!(status(&client, &server.sync, "/sync/v1/changes", PROXY_TOKEN).unwrap(), 200);
    let (found, page) = http2(&client, &server.sync, "/sync/v1/changes", PROXY_TOKEN).await;
    assert!(found == 200 && Page::decode(&page).unwrap().header.last);
    assert_eq!(http2(&client, &server.sync, "/sync/v1/changes", ADMIN_KEY).await.0, 401);
    // Where it came from is known as without TLS.
    let mut connection = sql(&place.data().join("keyplane.db")).await;
    let source: Option<String> = sqlx::query_scalar("SELECT source FROM audit WHERE action = 'account.create'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(source.as_deref(), Some("127.0.0.1"));
    connection.close().await.unwrap();
}

#[test]
fn the_command_line_calls_over_tls_and_trusts_what_it_is_told_to() {
    let (authority, place) = (Authority::new(), Place::new());
    place.certify(&authority.issue(NOW));
    place.set(&BOTH[..2]);
    let data = place.data();
    // A real key: the command line looks at it before it calls.
    let printed = done(&command(&["init", "--data-dir", text(&data), "--json"]).output().unwrap());
    let key = serde_json::from_str::<Value>(&printed).unwrap()["admin_key"].as_str().unwrap().to_owned();
    let server = Server::start(&data);
    let list = |authorities: &str| {
        let mut list = command(&["accounts", "list"]);
        list.env("KEYPLANE_URL", format!("https://{}", server.management)).env("KEYPLANE_API_KEY", &key);
        list.env("SSL_CERT_FILE", place.write("trusted.pem", authorities)).output().unwrap()
    };
    done(&list(&authority.pem()));
    refused(&list(&Authority::new().pem()));
}

#[test]
fn who_takes_the_one_for_the_other_is_told_and_does_not_wait() {
    let (authority, place) = (Authority::new(), Place::new());
    place.certify(&authority.issue(NOW));
    place.set(&BOTH[..2]);
    let server = Server::start(&place.data());
    let plain = request(&server.management, "GET", "/v1/keys", Some(ADMIN_KEY), None);
    assert_eq!(plain.status, 400);
    assert!(plain.body.contains("speaks TLS"), "{}", plain.body);
    assert!(authority.client(None).connect(&server.sync).is_err(), "TLS to plain HTTP");
    assert_eq!(request(&server.sync, "GET", "/healthz", None, None).status, 200);
}

#[test]
fn where_proxies_need_a_certificate_none_comes_in_without() {
    let (authority, clients, place) = (Authority::new(), Authority::new(), Place::new());
    place.certify(&authority.issue(NOW));
    place.write("clients.pem", &clients.pem());
    place.set(&[&BOTH[..], &[("sync_client_ca", "clients.pem")]].concat());
    let server = Server::start(&place.data());
    let poll = |own: Option<&Issued>, key: &str| status(&authority.client(own), &server.sync, "/sync/v1/changes", key);
    assert_eq!(poll(Some(&clients.issue(NOW)), PROXY_TOKEN).unwrap(), 200);
    assert_eq!(poll(Some(&clients.issue(NOW)), "another-token").unwrap(), 401, "the token is needed all the same");
    for (own, who) in [
        (None, "nobody"),
        (Some(authority.issue(NOW)), "of the server's own authority"),
        (Some(clients.issue((2000, 2001))), "expired"),
    ] {
        assert!(poll(own.as_ref(), PROXY_TOKEN).is_err(), "{who}");
        assert!(status(&authority.client(own.as_ref()), &server.sync, "/healthz", PROXY_TOKEN).is_err(), "{who}");
    }
    server.logs("a TLS handshake failed");
    // The management listener asks for none.
    assert_eq!(status(&authority.client(None), &server.management, "/v1/keys", ADMIN_KEY).unwrap(), 200);
}

#[test]
fn a_renewed_certificate_is_taken_and_one_that_cannot_be_used_is_not() {
    let (authority, place) = (Authority::new(), Place::new());
    place.certify(&authority.issue(NOW));
    place.set_both();
    let server = Server::start(&place.data());
    let client = authority.client(None);
    let before = leaf(&client, &server.management);

    let new = authority.issue(NOW);
    place.write("chain.pem", &new.chain);
    server.logs("is not the key of the first certificate");
    place.write("chain.pem", "-----BEGIN CERTIFICATE-----\nrubbish\n");
    eventually("both listeners log it", || server.log().matches("is damaged").count() == 2);
    std::fs::remove_file(place.path("chain.pem")).unwrap();
    server.logs("cannot read");
    assert_eq!(leaf(&client, &server.management), before);
    assert_eq!(leaf(&client, &server.sync), before);

    let mut kept = client.connect(&server.management).unwrap();
    place.certify(&new);
    for address in [&server.management, &server.sync] {
        eventually("the new certificate is served", || leaf(&client, address) != before);
        assert_eq!(status(&client, address, "/healthz", "any").unwrap(), 200);
    }
    // What was connected before stays.
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: keyplane\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    kept.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(server.log().matches("is damaged").count(), 2, "once for each listener, not at every look");
}

#[test]
fn an_authority_that_is_taken_away_ends_the_connections_that_it_let_in() {
    let (authority, old, new, place) = (Authority::new(), Authority::new(), Authority::new(), Place::new());
    place.certify(&authority.issue(NOW));
    place.write("clients.pem", &old.pem());
    place.set(&[&BOTH[2..], &[("sync_client_ca", "clients.pem")]].concat());
    let server = Server::start(&place.data());
    place.write("new.pem", &new.pem());
    let (old, new) = (authority.client(Some(&old.issue(NOW))), authority.client(Some(&new.issue(NOW))));
    let mut kept = old.connect(&server.sync).unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: keyplane\r\n\r\n").unwrap();
    let mut bytes = [0; 4096];
    assert!(kept.read(&mut bytes).unwrap() > 0);
    std::fs::rename(place.path("new.pem"), place.path("clients.pem")).unwrap();
    assert_eq!(kept.read(&mut bytes).unwrap_or(0), 0, "it is closed, though it could have rested for longer");
    assert!(status(&old, &server.sync, "/healthz", "any").is_err());
    assert_eq!(status(&new, &server.sync, "/healthz", "any").unwrap(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_the_waiting_polls_over_tls_and_waits_for_nothing_else() {
    let (authority, place) = (Authority::new(), Place::new());
    place.certify(&authority.issue(NOW));
    place.set_both();
    let server = Server::start(&place.data());
    let (client, sync) = (authority.client(None), server.sync.clone());
    let (_, page) = http2(&client, &sync, "/sync/v1/changes", PROXY_TOKEN).await;
    let poll = format!("/sync/v1/changes?epoch={}&after=0&wait=55", Page::decode(&page).unwrap().header.epoch);
    let second = {
        let (client, sync, poll) = (client.clone(), sync.clone(), poll.clone());
        tokio::spawn(async move { http2(&client, &sync, &poll, PROXY_TOKEN).await })
    };
    let first = {
        let (client, sync) = (client.clone(), sync.clone());
        std::thread::spawn(move || exchange_on(client.connect(&sync).unwrap(), "GET", &poll, Some(PROXY_TOKEN), None))
    };
    // Connections on which nothing happens: no handshake, none of it done, no request, half a request, one that rests.
    let silent = TcpStream::connect(&sync).unwrap();
    let mut half = TcpStream::connect(&sync).unwrap();
    half.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    let unused = client.connect(&sync).unwrap();
    let with = |bytes: &[u8]| -> Stream {
        let mut stream = client.connect(&sync).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    let begun = with(b"GET /healthz HT");
    let rests = with(b"GET /healthz HTTP/1.1\r\nHost: keyplane\r\n\r\n");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!first.is_finished() && !second.is_finished());

    let start = Instant::now();
    assert_eq!(server.stop(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(9), "it did not wait for the grace to run out");
    let (found, page) = second.await.unwrap();
    assert!(found == 200 && Page::decode(&page).unwrap().header.last);
    let bytes = first.join().unwrap().unwrap();
    assert!(bytes.starts_with(b"HTTP/1.1 200"));
    drop((silent, half, unused, begun, rests));
}

#[test]
fn files_that_cannot_be_used_are_named_with_their_setting_and_nothing_is_made() {
    let (authority, place) = (Authority::new(), Place::new());
    let (one, two) = (authority.issue(NOW), authority.issue(NOW));
    place.certify(&one);
    place.write("other-key.pem", &two.key);
    place.write("empty.pem", "");
    place.write("locked.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    place.write("cut.pem", &one.chain[..one.chain.len() / 2]);
    place.write("rubbish.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let (chain, key) = (("tls_cert", "chain.pem"), ("tls_key", "key.pem"));
    let [_, _, sync_chain, sync_key] = BOTH;
    for (settings, says) in [
        (vec![chain], vec!["`tls_cert` needs `tls_key` too"]),
        (vec![key], vec!["`tls_key` needs `tls_cert` too"]),
        (vec![sync_key], vec!["`sync_tls_key` needs `sync_tls_cert` too"]),
        (vec![chain, key, ("sync_client_ca", "chain.pem")], vec!["`sync_client_ca` needs `sync_tls_cert` too"]),
        (vec![("tls_cert", "none.pem"), key], vec!["cannot read", "none.pem (setting `tls_cert`)", "No such file"]),
        (vec![chain, ("tls_key", "data")], vec!["cannot read", "data (setting `tls_key`)"]),
        (vec![("tls_cert", "empty.pem"), key], vec!["empty.pem (setting `tls_cert`) holds no certificate"]),
        (vec![("tls_cert", "key.pem"), key], vec!["key.pem (setting `tls_cert`) holds no certificate"]),
        (vec![("tls_cert", "cut.pem"), key], vec!["cut.pem (setting `tls_cert`) is damaged"]),
        (vec![("tls_cert", "rubbish.pem"), key], vec!["rubbish.pem (setting `tls_cert`)", "cannot be used"]),
        (vec![chain, ("tls_key", "chain.pem")], vec!["chain.pem (setting `tls_key`) holds no private key"]),
        (vec![chain, ("tls_key", "locked.pem")], vec!["locked.pem (setting `tls_key`) is encrypted"]),
        (
            vec![sync_chain, ("sync_tls_key", "other-key.pem")],
            vec!["other-key.pem (setting `sync_tls_key`) is not the key", "chain.pem (setting `sync_tls_cert`)"],
        ),
        (
            vec![sync_chain, sync_key, ("sync_client_ca", "empty.pem")],
            vec!["empty.pem (setting `sync_client_ca`) holds no certificate"],
        ),
    ] {
        place.set(&settings);
        let any = "127.0.0.1:0";
        let data = place.data();
        let mut serve = command(&["serve", "--data-dir", text(&data), "--listen", any, "--sync-listen", any]);
        let said = refused(&serve.env("KEYPLANE_ADMIN_KEY", ADMIN_KEY).output().unwrap());
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(says.iter().all(|part| said.contains(part)), "{said} has not {says:?}");
        assert!(!place.data().join("keyplane.db").exists());
    }
}

#[test]
fn what_is_doubtful_is_warned_of_and_served_all_the_same() {
    let (authority, place) = (Authority::new(), Place::new());
    place.certify(&authority.issue((2000, 2001)));
    allow(&place.path("key.pem"), 0o644);
    place.set_both();
    let server = Server::start(&place.data());
    let log = server.log();
    assert!(log.contains("the certificate ended at 2001-01-01T00:00:00.000Z"), "{log}");
    assert!(log.contains("key.pem (setting `sync_tls_key`) can be read by every user"), "{log}");
    assert!(authority.client(None).connect(&server.management).is_err(), "the client sees to the end");
    drop(server);

    place.certify(&authority.issue((8000, 9000)));
    allow(&place.path("key.pem"), 0o640);
    let log = Server::start(&place.data()).log();
    assert!(log.contains("begins at 8000-01-01") && !log.contains("every user"), "{log}");
}

#[test]
fn plain_http_is_warned_of_exactly_where_others_can_reach_it() {
    let (authority, place) = (Authority::new(), Place::new());
    place.certify(&authority.issue(NOW));
    let said = |settings: &[(&str, &str)], listen: &str, sync: &str| {
        place.set(settings);
        // The command line would outrank these.
        let path = place.data().join("keyplane.toml");
        let file = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{file}listen = '{listen}:0'\nsync_listen = '{sync}:0'\n")).unwrap();
        let log = Server::start_as_set(&place.data()).log();
        let warned = |name: &str| {
            let mut lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            lines.any(|line| line["setting"] == name && line["message"].as_str().unwrap().contains("speaks plain HTTP"))
        };
        (warned("listen"), warned("sync_listen"))
    };
    let (here, everywhere) = ("127.0.0.1", "0.0.0.0");
    assert_eq!(said(&[], here, here), (false, false));
    assert_eq!(said(&[], everywhere, here), (true, false));
    assert_eq!(said(&BOTH[..2], everywhere, everywhere), (false, true));
    assert_eq!(said(&BOTH[2..], everywhere, everywhere), (true, false));
    assert_eq!(said(&BOTH, everywhere, everywhere), (false, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_most_talkative_log_of_tls_and_http_2() {
    let (authority, place) = (Authority::new(), Place::new());
    let issued = authority.issue(NOW);
    place.certify(&issued);
    place.set_both();
    let server = Server::start_with(&place.data(), &[("KEYPLANE_LOG", "trace")]);
    let client = authority.client(None);
    let canary = "canary-4711-of-somebody-who-pastes";
    http2(&client, &server.management, "/v1/accounts", ADMIN_KEY).await;
    http2(&client, &server.management, &format!("/v1/keys/{canary}?{canary}={canary}"), canary).await;
    http2(&client, &server.sync, "/sync/v1/changes", PROXY_TOKEN).await;
    call(&client, &server.management, "GET", &format!("/v1/keys/{canary}"), Some(canary), None);
    // A line may come after its answer, and in any order.
    let answered = || server.log().matches("\"answered\"").count();
    eventually("each answer has its line", || answered() >= 4);
    let key_line = issued.key.lines().nth(1).unwrap().to_owned();
    assert_eq!(answered(), 4);
    for hidden in [&ADMIN_KEY[..34], &PROXY_TOKEN[..34], canary, &key_line] {
        let log = server.log();
        let line = log.lines().find(|line| line.contains(hidden));
        assert_eq!(line, None);
    }
}

#[test]
fn the_doctor_speaks_as_the_listeners_do() {
    let (authority, clients, place) = (Authority::new(), Authority::new(), Place::new());
    place.certify(&authority.issue(NOW));
    place.write("clients.pem", &clients.pem());
    let look = |server: &Server| -> (Output, Value) {
        let data = place.data();
        let arguments = ["doctor", "--data-dir", text(&data), "--json"];
        let listen = ["--listen", &server.management, "--sync-listen", &server.sync];
        let mut doctor = command(&[&arguments[..], &listen].concat());
        let output = doctor.env("KEYPLANE_API_KEY", ADMIN_KEY).output().unwrap();
        let report = serde_json::from_slice(&output.stdout).unwrap();
        (output, report)
    };
    let level = |report: &Value, check: &str| {
        let found = report["checks"].as_array().unwrap().iter().find(|found| found["check"] == check).unwrap().clone();
        (found["level"].as_str().unwrap().to_owned(), found["message"].as_str().unwrap().to_owned())
    };
    place.set_both();
    let server = Server::start(&place.data());
    let (output, report) = look(&server);
    assert!(output.status.success(), "{report}");
    place.set(&[&BOTH[..], &[("sync_client_ca", "clients.pem")]].concat());
    let (found, message) = level(&look(&server).1, "sync_listen");
    assert!(found == "fail" && message.contains("without a certificate"), "{message}");

    drop(server);
    let server = Server::start(&place.data());
    // The order in which a refusal and the end of a connection arrive is not ours to say.
    for _ in 0..20 {
        let (output, report) = look(&server);
        assert!(output.status.success(), "{report}");
        for check in ["tls_cert", "sync_tls_cert", "listen", "sync_listen"] {
            assert_eq!(level(&report, check).0, "ok", "{report}");
        }
        assert!(level(&report, "sync_listen").1.contains("wants a certificate"), "{report}");
        assert_eq!(level(&report, "proxies").0, "warn", "the server was asked: {report}");
    }
    // It runs with the old certificate, as it cannot read the new key.
    place.certify(&authority.issue((2000, 2001)));
    std::fs::remove_file(place.path("key.pem")).unwrap();
    let (_, report) = look(&server);
    let (found, message) = level(&report, "tls_cert");
    assert!(found == "fail" && message.contains("key.pem"), "{message}");
    place.certify(&authority.issue((2000, 2001)));
    let (_, report) = look(&server);
    let (found, message) = level(&report, "tls_cert");
    assert!(found == "fail" && message.contains("ended at 2001-01-01"), "{message}");
}
