//! A key works the moment its creation was answered, at every worker; and invented keys do not make load of that.

use super::fixture::{Flow, PATH, WORKERS, eventually};
use keyplane_contract::key::{Prefix, assemble};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use xtask::stack::{Client, Envoy, EnvoySettings, Ports};

/// Keys that are made and used at once.
const KEYS: usize = 200;
/// Fresh connections for each of them: enough that both workers get some of nearly every key, and surely of many.
const CONNECTIONS: usize = 4;
/// How long the hindered long polls hang.
const HINDERED: Duration = Duration::from_secs(3);

fn plugin(more: &Value) -> Value {
    let mut plugin = json!({ "control_plane": { "cluster": "keyplane" } });
    plugin.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    plugin
}

/// One more Envoy at the flow's control plane, reached through this port; it trusts the caller's `X-Forwarded-For`.
fn envoy(flow: &Flow, sync_port: Option<u16>, plugin: Value) -> Envoy {
    let (at, usual) = (Ports::any().unwrap(), flow.stack.envoy.settings().clone());
    let sync_port = sync_port.unwrap_or(usual.sync_port);
    let (proxy_port, admin_port) = (at.proxy, at.admin);
    let settings = EnvoySettings { trusted_hops: 1, proxy_port, admin_port, sync_port, plugin, ..usual };
    let envoy = Envoy::start(settings, flow.stack.folder(), "second").unwrap();
    // Whoever waits for the first table is not what is asked here.
    eventually("it has a table", || {
        (0..12).all(|_| envoy.client().get(PATH, &[("x-api-key", "no key")]).unwrap().status == 401)
    });
    envoy
}

fn stat(envoy: &Envoy, name: &str) -> u64 {
    envoy.stats("keyplane_").unwrap().iter().filter(|(found, _)| found.ends_with(name)).map(|(_, value)| *value).sum()
}

/// Makes keys, uses each at once on new connections, and expects that it works.
fn make_and_use(flow: &Flow, envoy: &Envoy, keys: usize) -> Duration {
    let (api, proxy) = (flow.api(), envoy.client());
    let mut slowest = Duration::ZERO;
    for number in 0..keys {
        let key = api.create_key(&flow.project, &format!("at once {number}")).unwrap();
        for connection in 0..CONNECTIONS {
            let sent = Instant::now();
            let answer = proxy.get(PATH, &[("x-api-key", key.secret.expose_secret())]).unwrap();
            assert_eq!(answer.status, 200, "key {number}, connection {connection}: {}", answer.text());
            slowest = slowest.max(sent.elapsed());
        }
    }
    let met = envoy.stats("downstream_cx_total").unwrap();
    for worker in 0..WORKERS {
        let name = format!("worker_{worker}.");
        assert!(met.iter().any(|(stat, count)| stat.contains(&name) && *count > 0), "worker {worker} was not met");
    }
    slowest
}

#[test]
fn a_new_key_works_at_once_at_both_workers_two_hundred_times() {
    let flow = Flow::start();
    let envoy = envoy(&flow, None, plugin(&json!({})));
    let slowest = make_and_use(&flow, &envoy, KEYS);
    assert_eq!(stat(&envoy, "decisions_unknown"), 0);
    println!(
        "{KEYS} new keys, {CONNECTIONS} connections each: slowest request {:.1} ms, {} probes",
        slowest.as_secs_f64() * 1_000.0,
        stat(&envoy, "keyplane_probes")
    );
}

#[test]
fn a_new_key_works_at_once_though_every_long_poll_hangs() {
    let flow = Flow::start();
    let hindrance = Hindrance::before(flow.stack.envoy.settings().sync_port);
    let envoy = envoy(&flow, Some(hindrance.port), plugin(&json!({})));
    let slowest = make_and_use(&flow, &envoy, 20);
    assert_eq!(stat(&envoy, "decisions_unknown"), 0);
    assert_eq!(stat(&envoy, "sync_faults_gap"), 0);
    assert!(stat(&envoy, "keyplane_probes") >= 20, "the long polls brought them");
    assert!(slowest < HINDERED);
    assert!(hindrance.held.load(Ordering::Relaxed) > 0, "no poll was hindered");
}

#[test]
fn a_flood_of_invented_keys_reaches_the_control_plane_as_two_probes_a_second_and_worker() {
    let flow = Flow::start();
    // No throttle: each of the flooders' addresses is below its limit.
    let envoy = envoy(&flow, None, plugin(&json!({ "guessing": { "failures": 0 } })));
    let calls = || {
        let metrics = flow.api().client().get("/metrics", &[]).unwrap().text();
        let polls = metrics.lines().filter(|line| line.starts_with("keyplane_http_requests_total{"));
        let polls = polls.filter(|line| line.contains("route=\"/sync/v1/changes\""));
        polls.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum::<u64>()
    };
    let (sent, refused, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let started = Instant::now();
    let (before, probes) = (calls(), stat(&envoy, "keyplane_probes"));
    let mut made = 0;
    thread::scope(|scope| {
        for _ in 0..96 {
            scope.spawn(|| {
                let client = Client::keeping(envoy.settings().proxy_port, 1);
                while !stop.load(Ordering::Relaxed) {
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    let address = format!("198.51.{}.{}", number / 250 % 250, number % 250);
                    let answer = client.get(PATH, &[("x-api-key", &invented(number)), ("x-forwarded-for", &address)]);
                    let answer = answer.unwrap();
                    assert_eq!(answer.status, 401, "{}", answer.text());
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Meanwhile somebody makes keys and uses them at once.
        while started.elapsed() < Duration::from_secs(10) {
            let key = flow.api().create_key(&flow.project, "meanwhile").unwrap();
            let headers = [("x-api-key", key.secret.expose_secret()), ("x-forwarded-for", "192.0.2.7")];
            for _ in 0..CONNECTIONS {
                let status = envoy.client().get(PATH, &headers).unwrap().status;
                stop.fetch_or(status != 200, Ordering::Relaxed);
                assert_eq!(status, 200, "key {made}");
            }
            made += 1;
            thread::sleep(Duration::from_millis(500));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let seconds = started.elapsed().as_secs() + 1;
    let (calls, probes) = (calls() - before, stat(&envoy, "keyplane_probes") - probes);
    let refused = refused.load(Ordering::Relaxed);
    println!(
        "{refused} invented keys in {seconds} s: {probes} probes, {calls} polls in all; {made} keys made and used meanwhile"
    );
    assert!(refused > 200, "{refused} are no flood");
    // Two a second and worker; after each key that a request waited for, the pauses begin at 50 ms again.
    let workers = u64::from(WORKERS);
    let bound = workers * (2 * seconds + 4 * (made + 1));
    assert!(probes <= bound, "{probes} probes, {bound} at most");
    // The long polls of two Envoys are woken by each key, and again when a probe was faster.
    assert!(calls <= bound + 2 * workers * 2 * (made + 2), "{calls} polls for {refused} requests");
}

#[test]
fn who_sends_too_many_invalid_keys_is_told_429_and_a_valid_key_from_there_passes() {
    let flow = Flow::start();
    let envoy = envoy(&flow, None, plugin(&json!({ "guessing": { "failures": 10, "seconds": 60 } })));
    let key = flow.api().create_key(&flow.project, "good").unwrap();
    let get = |secret: &str, address: &str| {
        envoy.client().get(PATH, &[("x-api-key", secret), ("x-forwarded-for", address)]).unwrap()
    };
    let good = key.secret.expose_secret();
    let answers: Vec<_> = (0..60).map(|_| get("wrong", "192.0.2.7")).collect();
    let refused = answers.iter().filter(|answer| answer.status == 401).count();
    // Each worker counts for itself, and has one more for every six seconds.
    assert!((10..=40).contains(&refused), "{refused}");
    let last = answers.last().unwrap();
    assert_eq!((last.status, last.json()["code"].as_str()), (429, Some("too_many_attempts")));
    assert_eq!(last.header("retry-after"), Some("6"));
    for _ in 0..12 {
        assert_eq!(get(good, "192.0.2.7").status, 200);
    }
    assert_eq!(get("wrong", "192.0.2.8").status, 401);
    assert!(stat(&envoy, "decisions_throttled") > 0);
}

/// A well-formed key that nobody has made, another for each number.
fn invented(number: u64) -> String {
    let part: [u8; 32] = format!("{number:032}").into_bytes().try_into().unwrap();
    assemble(&Prefix::parse("uk_live").unwrap(), &part).unwrap()
}

/// A proxy before the sync listener that keeps back the answer to each long poll, and of no other request.
struct Hindrance {
    port: u16,
    held: &'static AtomicUsize,
}

impl Hindrance {
    fn before(sync_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        // It lives as long as the test's process, as its threads do.
        let held: &AtomicUsize = Box::leak(Box::default());
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                thread::spawn(move || {
                    // It ends when either side closes.
                    let _ = relay(connection, sync_port, held);
                });
            }
        });
        Self { port, held }
    }
}

/// Relays requests one by one, each over the same connection to the control plane.
fn relay(client: TcpStream, sync_port: u16, held: &AtomicUsize) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", sync_port))?;
    let (mut from_client, mut from_server) = (BufReader::new(client.try_clone()?), BufReader::new(server.try_clone()?));
    let (mut client, mut server) = (client, server);
    loop {
        let request = message(&mut from_client)?;
        server.write_all(&request)?;
        let answer = message(&mut from_server)?;
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        if line.windows(8).any(|part| part == b"&wait=25") {
            held.fetch_add(1, Ordering::Relaxed);
            thread::sleep(HINDERED);
        }
        client.write_all(&answer)?;
    }
}

/// A whole HTTP/1.1 message: its head, and as many bytes as that says.
fn message(from: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let start = head.len();
        if from.read_until(b'\n', &mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&head[start..]).to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let start = head.len();
    head.resize(start + length, 0);
    from.read_exact(&mut head[start..])?;
    Ok(head)
}
