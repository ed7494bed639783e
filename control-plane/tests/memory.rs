//! What a waiting poll costs in memory, over a real connection: counted by the allocator, so that a machine's other work does not
//! matter. Alone in its binary, because everything else in the process would count too.

#[path = "api/support.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
mod support;

use keyplane::listen::Listener;
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::ControlPlane;

const POLLS: usize = 150;

/// The system's allocator, and how many bytes it has given out.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is the system allocator's own; only a number is kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as asked.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as asked.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_poll_takes_at_most_40_kib() {
    let plane = ControlPlane::start().await;
    plane.project().await;
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let listener = Listener { name: "sync_listen", socket, tls: None, max_connections: 2 * POLLS };
    let server = tokio::spawn(listener.serve(keyplane::http::sync(&plane.app), plane.app.stopping.clone()));
    let epoch = plane.app.store.epoch();
    let mut connections = Vec::with_capacity(2 * POLLS);
    let mut before = 0;
    // The first half makes what all share.
    for half in 1..=2 {
        before = LIVE.load(Ordering::Relaxed);
        for number in 0..POLLS {
            let mut connection = TcpStream::connect(address).unwrap();
            let worker = number + half * POLLS;
            let request = format!(
                "GET /sync/v1/changes?after=2&epoch={epoch}&wait=55 HTTP/1.1\r\nhost: keyplane\r\nauthorization: Bearer {}\r\n\
                 x-keyplane-worker: {worker:032x}\r\nx-keyplane-proxy: edge\r\nx-keyplane-filter: 0.1.0\r\n\
                 user-agent: test\r\nx-request-id: 01890a5d-ac96-774b-bcce-b302099a8057\r\n\r\n",
                plane.proxy.expose()
            );
            connection.write_all(request.as_bytes()).unwrap();
            connections.push(connection);
        }
        let deadline = Instant::now() + Duration::from_mins(1);
        while plane.app.store.waiting() < half * POLLS {
            assert!(Instant::now() < deadline, "{} wait", plane.app.store.waiting());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // What only brought them here is given back.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let each = (LIVE.load(Ordering::Relaxed) - before) / POLLS;
    // Two buffers of the connection are 16 KiB of it.
    assert!(each <= 40 * 1024, "{each} bytes");
    plane.stop.send_replace(true);
    server.await.unwrap();
}
