//! A connection that asks all the while: how long one request had to wait, at most, because the worker was busy with something else.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Between an answer and the next request.
const PAUSE: Duration = Duration::from_micros(200);
/// A worker that hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// A thread that asks one listener again and again.
#[derive(Debug)]
pub struct Asker {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Result<Duration>>,
}

impl Asker {
    /// Asks this port of loopback from the moment at which something listens there.
    pub fn start(port: u16) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            let mut stream = loop {
                match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                    Ok(stream) => break stream,
                    Err(_) if told.load(Ordering::Relaxed) => return Ok(Duration::ZERO),
                    Err(_) => std::thread::sleep(Duration::from_millis(1)),
                }
            };
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(LIMIT))?;
            // The first answer also waits for the worker to start, which is not what is asked for.
            ask(&mut stream)?;
            let mut longest = Duration::ZERO;
            while !told.load(Ordering::Relaxed) {
                let started = Instant::now();
                ask(&mut stream)?;
                longest = longest.max(started.elapsed());
                std::thread::sleep(PAUSE);
            }
            Ok(longest)
        });
        Self { ended, thread }
    }

    /// Ends it: the longest that an answer took.
    pub fn longest(self) -> Result<Duration> {
        self.ended.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(longest) => longest,
            Err(_) => bail!("the thread that asks panicked"),
        }
    }
}

/// One request. The listener's body is `ok`.
fn ask(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").context("cannot ask Envoy")?;
    let (mut answer, mut part) = (Vec::new(), [0; 1_024]);
    while !answer.ends_with(b"\r\n\r\nok") {
        match stream.read(&mut part).context("Envoy does not answer")? {
            0 => bail!("Envoy closed the connection"),
            length => answer.extend_from_slice(part.get(..length).unwrap_or_default()),
        }
    }
    Ok(())
}
