//! Receipts, with real proxies: what is answered as applied is refused from then on, by every worker, and who lags is named.

use super::connection::Connection;
use super::fixture::{Flow, PATH, eventually, parts};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use xtask::stack::api::CreatedKey;
use xtask::stack::{Envoy, EnvoySettings, Ports};

/// Enough kept connections that both workers have some.
const CONNECTIONS: usize = 12;
const REVOKES: usize = 20;
/// How long the key is hammered after the answer, at least.
const AFTERWARDS: Duration = Duration::from_millis(100);
/// How long a busy machine may take until each connection has been answered again.
const PATIENCE: Duration = Duration::from_secs(20);

/// Revokes and waits; gives the receipt.
fn revoke(flow: &Flow, key: &CreatedKey, wait: &str) -> Value {
    let answer = flow.api().client().delete(&format!("/v1/keys/{}?wait={wait}", key.id)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["receipt"].clone()
}

/// Asks with the key without a pause until told to stop, and counts its answers; gives when each request was sent, and its status.
fn hammer(connection: &mut Connection, secret: &[u8], stop: &AtomicBool, answers: &AtomicUsize) -> Vec<(Instant, u16)> {
    let mut seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let sent = Instant::now();
        seen.push((sent, connection.get(PATH, &[("x-api-key", secret)]).status));
        answers.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

/// Waits until each connection has had so many answers more. It does not panic, for then the connections would never be told to stop: that a
/// connection lacks requests is found afterwards.
fn until_answered(answers: &[AtomicUsize], more: usize) {
    let wanted: Vec<_> = answers.iter().map(|count| count.load(Ordering::Relaxed) + more).collect();
    let lacks = || answers.iter().zip(&wanted).any(|(count, wanted)| count.load(Ordering::Relaxed) < *wanted);
    let started = Instant::now();
    while lacks() && started.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn no_request_that_is_sent_after_the_receipt_is_let_through() {
    let flow = Flow::start();
    let port = flow.stack.envoy.settings().proxy_port;
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(port)).collect();
    let (mut before, mut after, mut slowest) = (0, 0, 0);
    for number in 0..REVOKES {
        let key = flow.known_key(&format!("key {number}"));
        let secret = key.secret.expose_secret().as_bytes();
        let stop = AtomicBool::new(false);
        let answers: Vec<_> = connections.iter().map(|_| AtomicUsize::new(0)).collect();
        let (answered, seen) = thread::scope(|scope| {
            let stop = &stop;
            let threads: Vec<_> = connections
                .iter_mut()
                .zip(&answers)
                .map(|(connection, answers)| scope.spawn(move || hammer(connection, secret, stop, answers)))
                .collect();
            until_answered(&answers, 1);
            let receipt = revoke(&flow, &key, "5s");
            let answered = Instant::now();
            thread::sleep(AFTERWARDS);
            // Of two, one was sent after the receipt.
            until_answered(&answers, 2);
            stop.store(true, Ordering::Relaxed);
            assert_eq!((&receipt["proxies"], &receipt["applied"]), (&json!(1), &json!(1)), "{receipt}");
            assert_eq!(receipt["lagging"], json!([]));
            slowest = slowest.max(receipt["elapsed_ms"].as_u64().unwrap());
            let seen: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            (answered, seen)
        });
        for (connection, requests) in seen.iter().enumerate() {
            let later: Vec<_> = requests.iter().filter(|(sent, _)| *sent > answered).collect();
            let passed = later.iter().filter(|(_, status)| *status != 401).count();
            assert_eq!(passed, 0, "let through after the receipt, on connection {connection}, revoke {number}");
            assert!(!later.is_empty() && requests[0].1 == 200, "the key was not used before and after");
            before += requests.len() - later.len();
            after += later.len();
        }
    }
    let stats = flow.stack.envoy.stats("downstream_cx_total").unwrap();
    for worker in 0..2 {
        let met = stats.iter().any(|(name, value)| name.contains(&format!("worker_{worker}.")) && *value > 0);
        assert!(met, "worker {worker} was not met: {stats:?}");
    }
    println!(
        "{REVOKES} receipts, the slowest after {slowest} ms; {before} requests before them, {after} after, all of those refused"
    );
}

/// An Envoy beside the flow's own, with a name.
fn second(flow: &Flow, folder: &std::path::Path) -> Envoy {
    let (own, free) = (flow.stack.envoy.settings(), Ports::any().unwrap());
    let settings =
        EnvoySettings { binary: parts().envoy, proxy_port: free.proxy, admin_port: free.admin, ..own.clone() };
    let (rendered, name) = (settings.render().unwrap(), ["--service-node", "second", "--service-cluster", "edge"]);
    Envoy::start_rendered(settings, &rendered, &name, folder, "second").unwrap()
}

/// The workers of the second proxy, and whether all that are live have everything.
fn listed(flow: &Flow) -> (usize, bool) {
    let list = flow.api().client().get("/v1/proxies", &[]).unwrap().json();
    let proxies = list["data"].as_array().unwrap();
    let second = proxies.iter().find(|proxy| proxy["name"] == "second");
    let workers = second.map_or(0, |proxy| proxy["workers"].as_array().unwrap().len());
    (workers, proxies.iter().all(|proxy| proxy["lagging"] == false))
}

#[test]
fn a_proxy_that_hangs_is_named_and_one_that_died_stops_counting() {
    let flow = Flow::start();
    let folder = tempfile::tempdir().unwrap();
    let mut second = second(&flow, folder.path());
    let keys: Vec<_> = (0..3).map(|number| flow.known_key(&format!("key {number}"))).collect();
    eventually("both proxies have all there is", || listed(&flow).0 >= 2 && listed(&flow).1);
    let workers = listed(&flow).0;

    second.freeze().unwrap();
    let receipt = revoke(&flow, &keys[0], "500ms");
    assert_eq!((&receipt["proxies"], &receipt["applied"]), (&json!(2), &json!(1)), "{receipt}");
    let lagging = receipt["lagging"].as_array().unwrap();
    assert_eq!((lagging.len(), &lagging[0]["name"]), (1, &json!("second")), "{receipt}");
    assert_eq!(lagging[0]["workers"].as_array().unwrap().len(), workers, "{receipt}");
    assert!(receipt["elapsed_ms"].as_u64().unwrap() >= 500, "{receipt}");
    assert!(!listed(&flow).1);

    second.thaw().unwrap();
    let receipt = revoke(&flow, &keys[1], "20s");
    assert_eq!((&receipt["proxies"], &receipt["applied"]), (&json!(2), &json!(2)), "{receipt}");
    let refused = second.client().get(PATH, &[("x-api-key", keys[1].secret.expose_secret())]).unwrap();
    assert_eq!(refused.status, 401);

    // Dead, it counts until it might have come back.
    second.process().kill();
    let receipt = revoke(&flow, &keys[2], "0s");
    assert_eq!(receipt["proxies"], 2, "{receipt}");
    let receipt = revoke(&flow, &keys[2], "30s");
    assert_eq!((&receipt["proxies"], &receipt["applied"], &receipt["lagging"]), (&json!(1), &json!(1), &json!([])));
}
