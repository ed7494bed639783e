//! Clients that are slow, or many, hold nobody up.

use crate::certificates::{Authority, NOW, Place};
use crate::fixture::{Server, request};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Writes a byte now and then, and gives when the server ended the connection. At least it does not write what it wants.
fn dribble(address: &str, bytes: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let started = Instant::now();
    let mut bytes = bytes.iter();
    while started.elapsed() < Duration::from_secs(30) {
        if let Some(byte) = bytes.next()
            && stream.write_all(&[*byte]).is_err()
        {
            return started.elapsed();
        }
        match stream.read(&mut [0; 64]) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Ok(0) | Err(_) => return started.elapsed(),
            Ok(_) => panic!("an answer to half a request"),
        }
    }
    panic!("the connection was kept for 30 s");
}

#[test]
fn who_does_not_come_to_the_point_is_cut_off() {
    let (authority, place) = (Authority::new(), Place::new());
    place.certify(&authority.issue(NOW));
    place.set(&[("sync_tls_cert", "chain.pem"), ("sync_tls_key", "key.pem")]);
    let server = Server::start(&place.data());
    let head = b"GET /healthz HTTP/1.1\r\nHost: keyplane\r\nX-Long: abcdefghijklmnopqrstuvwxyz";
    // A record of TLS that would be 512 bytes long.
    let hello = [&[22, 3, 1, 2, 0, 1][..], &[0; 58]].concat();
    let times = std::thread::scope(|scope| {
        let slow = [
            scope.spawn(|| dribble(&server.management, head)),
            scope.spawn(|| dribble(&server.management, b"")),
            scope.spawn(|| dribble(&server.sync, &hello)),
            scope.spawn(|| dribble(&server.sync, b"")),
        ];
        let kept = scope.spawn(|| {
            // Meanwhile a connection may rest between two requests.
            let mut stream = TcpStream::connect(&server.management).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            for rest in [14, 0] {
                stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: keyplane\r\n\r\n").unwrap();
                let mut answer = [0; 4096];
                let length = stream.read(&mut answer).unwrap();
                assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
                std::thread::sleep(Duration::from_secs(rest));
            }
        });
        kept.join().unwrap();
        slow.map(|slow| slow.join().unwrap())
    });
    for time in times {
        assert!(time > Duration::from_secs(5), "{time:?}: not everybody is fast");
    }
}

#[test]
fn connections_beyond_the_bound_wait_for_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[("KEYPLANE_MAX_CONNECTIONS", "2")]);
    let first = TcpStream::connect(&server.management).unwrap();
    let second = TcpStream::connect(&server.management).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let mut third = TcpStream::connect(&server.management).unwrap();
    third.write_all(b"GET /healthz HTTP/1.1\r\nHost: keyplane\r\nConnection: close\r\n\r\n").unwrap();
    third.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    assert!(third.read(&mut [0; 64]).is_err(), "it waits");
    server.logs("all connections are taken");
    assert_eq!(request(&server.sync, "GET", "/healthz", None, None).status, 200, "the other listener has its own");
    drop(first);
    third.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(second);
}
