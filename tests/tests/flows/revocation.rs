//! A revoked key stops at once, at every worker.

use super::connection::Connection;
use super::fixture::{Flow, PATH};
use secrecy::ExposeSecret;
use std::time::{Duration, Instant};

/// Enough kept connections that both workers have some.
const CONNECTIONS: usize = 12;
const REVOKES: usize = 50;

#[test]
fn a_revoke_is_refused_by_both_workers_fifty_times() {
    let flow = Flow::start();
    let port = flow.stack.envoy.settings().proxy_port;
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(port)).collect();
    let mut times = Vec::new();
    for number in 0..REVOKES {
        let key = flow.known_key(&format!("key {number}"));
        let secret = key.secret.expose_secret().as_bytes();
        for connection in &mut connections {
            assert_eq!(connection.get(PATH, &[("x-api-key", secret)]).status, 200);
        }
        flow.api().revoke_key(&key.id).unwrap();
        let revoked = Instant::now();
        for connection in &mut connections {
            loop {
                let answer = connection.get(PATH, &[("x-api-key", secret)]);
                if answer.status == 401 {
                    break;
                }
                assert_eq!(answer.status, 200);
                assert!(revoked.elapsed() < Duration::from_secs(10), "still accepted 10 s after the revoke");
            }
        }
        times.push(revoked.elapsed());
        // And it stays so.
        for connection in &mut connections {
            assert_eq!(connection.get(PATH, &[("x-api-key", secret)]).status, 401);
        }
    }
    let stats = flow.stack.envoy.stats("downstream_cx_total").unwrap();
    for worker in 0..2 {
        let met = stats.iter().any(|(name, value)| name.contains(&format!("worker_{worker}.")) && *value > 0);
        assert!(met, "worker {worker} was not met: {stats:?}");
    }
    times.sort_unstable();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!(
        "revoke answered -> refused on all {CONNECTIONS} connections of both workers: median {:.1} ms, worst {:.1} ms of {REVOKES}",
        milliseconds(times[REVOKES / 2]),
        milliseconds(times[REVOKES - 1]),
    );
}

#[test]
fn a_revoked_key_stays_refused_while_the_control_plane_is_down() {
    let mut flow = Flow::start();
    let key = flow.known_key("to revoke");
    flow.api().revoke_key(&key.id).unwrap();
    super::fixture::eventually("the key is refused", || (0..12).all(|_| flow.get(&key).status == 401));
    flow.stack.control_plane.kill();
    for _ in 0..12 {
        let answer = flow.get(&key);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("credential_invalid")));
    }
}
