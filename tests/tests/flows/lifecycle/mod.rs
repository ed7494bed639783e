//! The filter over its life in a real Envoy: configurations and versions that change while it serves, and a VM that fails.

pub mod crashing;
mod dynamic;
mod load;

use super::connection::Connection;
use super::fixture::{Loose, PATH, WORKERS, envoy_settings, eventually, project};
use dynamic::{DRAIN_SECONDS, Dynamic, Listener, pollers};
use load::Load;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use xtask::stack::api::CreatedKey;
use xtask::stack::{Client, Envoy};

/// A configuration that can be told from others by its answer to a caller without a key.
fn answering(text: &str) -> Value {
    json!({
        "control_plane": { "cluster": "keyplane" },
        "answers": { "401": { "body": text } },
        // The load has one address and sends invalid keys for as long as it runs.
        "guessing": { "failures": 0 },
    })
}

/// A key that all workers behind this port accept.
fn known_key(loose: &Loose, port: u16) -> CreatedKey {
    let api = loose.control_plane.api();
    let key = api.create_key(&project(&api), "lifecycle").unwrap();
    accepted_by_all(port, &key);
    key
}

/// New connections are spread over the workers; so many in a row have met both.
fn accepted_by_all(port: u16, key: &CreatedKey) {
    let mut row = 0;
    eventually("the key is accepted by both workers", || {
        row = if status(port, key) == 200 { row + 1 } else { 0 };
        row >= 12
    });
}

fn status(port: u16, key: &CreatedKey) -> u16 {
    Client::new(port).get(PATH, &[("x-api-key", key.secret.expose_secret())]).unwrap().status
}

/// Waits until every worker refuses with this text.
fn refused_with(port: u16, text: &str) {
    let mut row = 0;
    eventually(&format!("both workers answer `{text}`"), || {
        row = if Client::new(port).get(PATH, &[]).is_ok_and(|answer| answer.text() == text) { row + 1 } else { 0 };
        row >= 12
    });
}

fn revoked_everywhere(loose: &Loose, port: u16, key: &CreatedKey) {
    loose.control_plane.api().revoke_key(&key.id).unwrap();
    let mut row = 0;
    eventually("both workers refuse the revoked key", || {
        row = if status(port, key) == 401 { row + 1 } else { 0 };
        row >= 12
    });
}

#[test]
fn a_configuration_that_changes_under_load_refuses_no_key_and_lets_nobody_in() {
    let loose = Loose::start();
    let dynamic = Dynamic::start(&loose, &answering("0"));
    let (port, wasm) = (loose.ports.proxy, loose.parts.wasm.clone());
    let key = known_key(&loose, port);
    let workers = pollers(&loose);
    assert_eq!(
        workers.len(),
        WORKERS as usize,
        "the VMs of the main thread and of the trial take no table: {workers:?}"
    );

    let mut old = Connection::open(port);
    let header: (&str, &[u8]) = ("x-api-key", key.secret.expose_secret().as_bytes());
    assert_eq!(old.get(PATH, &[header]).status, 200);
    let load = Load::start(port, &key.secret, &[200], &[401]);
    for number in ["1", "2", "3"] {
        dynamic.listen(&[Listener { name: "proxy", port, plugin: &answering(number), wasm: &wasm }]);
        refused_with(port, number);
        if number == "1" {
            // The connection from before is served on, by the configuration it began with, until it is drained.
            let answer = old.get(PATH, &[]);
            assert_eq!((answer.status, answer.body.as_slice()), (401, &b"0"[..]));
            assert!(answer.headers.contains("connection: close"), "{}", answer.headers);
        }
        // Until the configurations before are drained and gone, and with them the polls that were made in them.
        std::thread::sleep(Duration::from_millis(DRAIN_SECONDS * 1_000 + 500));
    }
    load.stop();
    assert_eq!(pollers(&loose), workers, "the same VMs went on with the same tables");
    revoked_everywhere(&loose, port, &key);
}

#[test]
fn a_second_configuration_in_the_same_vm_has_the_table_at_once_and_its_own_answers() {
    let loose = Loose::start();
    let dynamic = Dynamic::start(&loose, &answering("first"));
    let (port, wasm) = (loose.ports.proxy, loose.parts.wasm.clone());
    let key = known_key(&loose, port);
    let workers = pollers(&loose);
    let second = xtask::stack::ports::free().unwrap();
    let mut plugin = answering("second");
    // Nobody may wait there, so a table that came late would show as a 503.
    plugin["hold"] = json!({ "milliseconds": 0 });
    let first = answering("first");
    dynamic.listen(&[
        Listener { name: "proxy", port, plugin: &first, wasm: &wasm },
        Listener { name: "second", port: second, plugin: &plugin, wasm: &wasm },
    ]);
    let client = Client::new(second);
    eventually("the second listener listens", || client.get(PATH, &[]).is_ok());
    for _ in 0..20 {
        assert_eq!(status(second, &key), 200);
        assert_eq!(client.get(PATH, &[]).unwrap().text(), "second");
        assert_eq!(Client::new(port).get(PATH, &[]).unwrap().text(), "first");
    }
    assert_eq!(pollers(&loose), workers, "one table and one poll for both");
    // The one whose root context polled goes; the other takes over.
    dynamic.listen(&[Listener { name: "second", port: second, plugin: &plugin, wasm: &wasm }]);
    eventually("the first listener is gone", || Client::new(port).get(PATH, &[]).is_err());
    std::thread::sleep(Duration::from_millis(DRAIN_SECONDS * 1_000 + 500));
    assert_eq!(status(second, &key), 200);
    revoked_everywhere(&loose, second, &key);
    assert_eq!(pollers(&loose), workers);
}

/// Here main thread and workers are configured at the same time, so a worker may be taken for the VM that needs no table.
#[test]
fn a_listener_that_comes_while_envoy_runs_serves_its_first_request_on_each_worker() {
    let loose = Loose::start();
    let plugin = answering("no");
    let dynamic = Dynamic::start_with(&loose, &plugin, &[]);
    let api = loose.control_plane.api();
    let key = api.create_key(&project(&api), "late").unwrap();
    let port = loose.ports.proxy;
    dynamic.listen(&[Listener { name: "proxy", port, plugin: &plugin, wasm: &loose.parts.wasm }]);
    let header = [("x-api-key", key.secret.expose_secret())];
    let mut first = None;
    eventually("the listener listens", || {
        first = Client::new(port).get(PATH, &header).ok().map(|answer| answer.status);
        first.is_some()
    });
    assert_eq!(first, Some(200));
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..20 {
        assert_eq!(status(port, &key), 200);
    }
    let polling = pollers(&loose).len();
    assert!((WORKERS as usize..=WORKERS as usize + 1).contains(&polling), "{polling} poll");
    revoked_everywhere(&loose, port, &key);
}

#[test]
fn new_code_takes_over_from_old_without_refusing_a_key() {
    let loose = Loose::start();
    let dynamic = Dynamic::start(&loose, &answering("old"));
    let port = loose.ports.proxy;
    let key = known_key(&loose, port);
    let workers = pollers(&loose);
    let wasm = written(&loose, "next.wasm", &crashing::another_version(&std::fs::read(&loose.parts.wasm).unwrap()));
    let load = Load::start(port, &key.secret, &[200], &[401]);
    dynamic.listen(&[Listener { name: "proxy", port, plugin: &answering("new"), wasm: &wasm }]);
    refused_with(port, "new");
    std::thread::sleep(Duration::from_millis(DRAIN_SECONDS * 1_000 + 500));
    load.stop();
    accepted_by_all(port, &key);
    assert!(pollers(&loose).difference(&workers).count() >= WORKERS as usize, "new VMs have tables of their own");
    revoked_everywhere(&loose, port, &key);
}

fn written(loose: &Loose, name: &str, wasm: &[u8]) -> PathBuf {
    let path = loose.folder.path().join(name);
    std::fs::write(&path, wasm).unwrap();
    path
}

#[test]
fn a_vm_that_fails_is_replaced_and_none_passes_meanwhile() {
    let mut loose = Loose::start();
    let wasm = crashing::crashing(&std::fs::read(&loose.parts.wasm).unwrap());
    loose.parts.wasm = written(&loose, "crashing.wasm", &wasm);
    let settings = envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &answering("no"));
    // Envoy forgets the requests that a VM held when it failed; this is what ends them (docs/operations.md).
    let bound =
        ("use_remote_address: true", "use_remote_address: true\n                stream_idle_timeout: 2s".to_owned());
    let envoy = Envoy::start_with(settings, &[bound], loose.folder.path(), "envoy").unwrap();
    let port = loose.ports.proxy;
    let key = known_key(&loose, port);
    // A request that comes while there is no VM gets Envoy's own 503; one that comes to an empty VM waits for its table, and is
    // ended by Envoy (504) if that VM fails in its turn.
    let load = Load::start(port, &key.secret, &[200, 503, 504], &[401, 503, 504]);
    for _ in 0..12 {
        let answer = envoy.client().get(PATH, &[(crashing::HEADER, "1")]).unwrap();
        assert!(answer.status >= 500, "{}", answer.status);
        std::thread::sleep(Duration::from_millis(150));
    }
    load.stop();
    accepted_by_all(port, &key);
    let log = std::fs::read_to_string(loose.folder.path().join("envoy.log")).unwrap();
    assert!(log.contains("unreachable"), "the filter did not fail at all");
    revoked_everywhere(&loose, port, &key);
}
