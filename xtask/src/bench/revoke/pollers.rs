//! Many simulated workers on one thread: a connection each, all of them waiting in one call of the kernel.
//!
//! They share the machine with what is measured, so a thread for each, or a runtime that moves them about, would be part of
//! the figures.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use super::answer::Answer;
use super::poller::Poller;

/// How often it is looked whether all have caught up.
const LOOK: Duration = Duration::from_millis(2);
/// How long a worker rests after an answer that is no page: the filter's own first pause.
const AFTER_FAULT: Duration = Duration::from_millis(500);

/// Workers that poll until this is dropped or stopped.
#[derive(Debug)]
pub struct Pollers {
    thread: Option<JoinHandle<Result<()>>>,
    shared: Arc<Shared>,
    waker: Waker,
    refusals: Receiver<Refusal>,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    /// Keys that each worker holds.
    held: Vec<AtomicUsize>,
    /// Polls that were answered with another status than 200.
    faults: AtomicUsize,
}

/// A key that all workers refuse.
#[derive(Debug)]
struct Refusal {
    key: Digest,
    /// When each had applied the page that says so.
    times: Vec<Instant>,
}

impl Pollers {
    /// Starts `count` workers, each of a proxy of its own, against the sync listener on this port of loopback.
    pub fn start(count: usize, port: u16, token: &str) -> Result<Self> {
        let poll = Poll::new().context("cannot wait for many connections")?;
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            let mut connection = Connection::open(number, port, token)
                .with_context(|| format!("cannot open connection {number} to the control plane"))?;
            poll.registry().register(&mut connection.stream, Token(number), Interest::READABLE)?;
            connections.push(connection);
        }
        let waker = Waker::new(poll.registry(), Token(usize::MAX)).context("cannot wake a thread")?;
        let held = (0..count).map(|_| AtomicUsize::new(0)).collect();
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), held, faults: AtomicUsize::new(0) });
        let (sender, refusals) = mpsc::channel();
        let run = Run {
            poll,
            connections,
            shared: shared.clone(),
            resting: VecDeque::new(),
            refused: HashMap::new(),
            sender,
        };
        let thread = Some(std::thread::spawn(move || run.run()));
        Ok(Self { thread, shared, waker, refusals })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.shared.held.len()
    }

    /// Polls so far that were answered with another status than 200. Each makes a worker late by its pause, as it does in a filter.
    pub fn faults(&self) -> usize {
        self.shared.faults.load(Ordering::Acquire)
    }

    /// Waits until each holds so many keys.
    ///
    /// # Errors
    /// When one failed, or they have not got so far within `limit`.
    pub fn wait_for_keys(&mut self, keys: usize, limit: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            let behind = self.shared.held.iter().filter(|held| held.load(Ordering::Acquire) < keys).count();
            if behind == 0 {
                return Ok(());
            }
            self.must_run()?;
            ensure!(started.elapsed() < limit, "{behind} of {} workers have not got {keys} keys", self.count());
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until all refuse this key; gives the time at which each did.
    ///
    /// # Errors
    /// When one failed, or not all do within `limit`.
    pub fn refused(&mut self, key: Digest, limit: Duration) -> Result<Vec<Instant>> {
        if self.count() == 0 {
            return Ok(Vec::new());
        }
        loop {
            match self.refusals.recv_timeout(limit) {
                Ok(refusal) if refusal.key == key => return Ok(refusal.times),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => bail!("not all workers refuse a revoked key after {limit:?}"),
                Err(RecvTimeoutError::Disconnected) => {
                    self.join()?;
                    bail!("the workers have ended");
                }
            }
        }
    }

    /// Ends them.
    pub fn stop(mut self) -> Result<()> {
        self.join()
    }

    fn must_run(&mut self) -> Result<()> {
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            self.join()?;
            bail!("the workers have ended");
        }
        Ok(())
    }

    fn join(&mut self) -> Result<()> {
        self.shared.stop.store(true, Ordering::Release);
        self.waker.wake().context("cannot wake the workers")?;
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_| anyhow::anyhow!("a simulated worker panicked"))?
    }
}

impl Drop for Pollers {
    fn drop(&mut self) {
        // What went wrong was told by whoever waited for it.
        let _ = self.join();
    }
}

struct Run {
    poll: Poll,
    connections: Vec<Connection>,
    shared: Arc<Shared>,
    /// Workers that rest after a fault, and until when, in this order.
    resting: VecDeque<(Instant, usize)>,
    /// Keys that some refuse already, and since when.
    refused: HashMap<Digest, Vec<Instant>>,
    sender: Sender<Refusal>,
}

impl Run {
    fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(1_024);
        for connection in &mut self.connections {
            connection.ask()?;
        }
        while !self.shared.stop.load(Ordering::Acquire) {
            let rest = self.resting.front().map(|(until, _)| until.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, rest) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result.context("cannot wait for answers")?,
            }
            for event in &events {
                self.take(event.token().0)?;
            }
            while let Some((_, number)) = self.resting.pop_front_if(|(until, _)| *until <= Instant::now()) {
                self.connections[number].ask()?;
            }
        }
        Ok(())
    }

    /// Takes what has come on a connection. The waker is none.
    fn take(&mut self, number: usize) -> Result<()> {
        let Some(connection) = self.connections.get_mut(number) else { return Ok(()) };
        let taken = connection.answered().with_context(|| format!("simulated worker {number}"))?;
        let now = Instant::now();
        self.shared.held[number].store(connection.poller.held(), Ordering::Release);
        if taken.fault {
            self.shared.faults.fetch_add(1, Ordering::AcqRel);
            self.resting.push_back((now + AFTER_FAULT, number));
        }
        for key in taken.refused {
            self.note(key, now);
        }
        Ok(())
    }

    /// One more refuses this key since `now`. Told when all do.
    fn note(&mut self, key: Digest, now: Instant) {
        let times = self.refused.entry(key).or_default();
        times.push(now);
        if times.len() == self.connections.len() {
            let times = self.refused.remove(&key).unwrap_or_default();
            // Nobody waits any more: it ends soon.
            let _ = self.sender.send(Refusal { key, times });
        }
    }
}

/// What has come on a connection.
#[derive(Default)]
struct Taken {
    /// Keys that are refused from now on.
    refused: Vec<Digest>,
    /// The last answer was no page: it has to poll again, later.
    fault: bool,
}

struct Connection {
    stream: TcpStream,
    poller: Poller,
    received: Vec<u8>,
}

impl Connection {
    fn open(number: usize, port: u16, token: &str) -> Result<Self> {
        let stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        // Unlike each other within a run, which is all that matters.
        let worker = Id((u128::from(std::process::id()) << 64 | number as u128).to_be_bytes());
        let poller = Poller::new(worker, &format!("simulated-{number}"), token);
        Ok(Self { stream: TcpStream::from_std(stream), poller, received: Vec::new() })
    }

    fn ask(&mut self) -> Result<()> {
        let request = self.poller.request();
        // One request is under way at most, so there is always room for it in the socket.
        let written = self.stream.write(request.as_bytes()).context("cannot send a poll")?;
        ensure!(written == request.len(), "a poll does not fit in a socket");
        Ok(())
    }

    /// Takes all that has come, applies a page that is complete, and polls again.
    fn answered(&mut self) -> Result<Taken> {
        let mut taken = Taken::default();
        // Until nothing is left: the kernel tells only of what is new.
        loop {
            let mut buffer = [0; 16_384];
            match self.stream.read(&mut buffer) {
                Ok(0) => bail!("the control plane closed the connection of a poll"),
                Ok(length) => self.received.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(taken),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("cannot read the answer to a poll"),
            }
            let Some(answer) = Answer::parse(&self.received)? else { continue };
            ensure!(answer.status != 401, "the control plane refuses the proxy token");
            taken.fault = answer.status != 200;
            if taken.fault {
                self.received.clear();
            } else {
                taken.refused.extend(self.poller.apply(&self.received[answer.body])?);
                self.received.clear();
                self.ask()?;
            }
        }
    }
}
