//! The load: a closed loop over a few connections that are kept. Each sends its next request when the last one is answered.
//!
//! It never sleeps: a generator that waits in the kernel lets Envoy rest between requests, and what waking up costs is then
//! most of what one sees. It reads no more of an answer than it must. Where a server shares its core it gives way to it
//! whenever it has nothing to do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::super::load::{Dice, Latencies};
use super::feed::base62;

/// Connections of a generator, usually.
pub const CONNECTIONS: usize = 8;
/// How long a block may take: Envoy hangs.
const LIMIT: Duration = Duration::from_secs(30);
/// Stands in a request where the credential belongs.
pub const PLACEHOLDER: &str = "{key}";

/// Which credential the requests carry.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'a> {
    /// A random one of these.
    Of(&'a [String]),
    /// One that nobody has, new in each request. It has no checksum, as a key of someone else's: so it is looked up, and
    /// refused at once.
    Unknown,
}

/// A request as bytes, cut where the credential belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    before: Vec<u8>,
    /// What follows the credential; `None` when the request has none.
    after: Option<Vec<u8>>,
}

impl Template {
    /// Cuts a request. The placeholder may stand in it once.
    pub fn new(request: &str) -> Result<Self> {
        match request.split_once(PLACEHOLDER) {
            None => Ok(Self { before: request.into(), after: None }),
            Some((_, after)) if after.contains(PLACEHOLDER) => bail!("{PLACEHOLDER} stands in the request twice"),
            Some((before, after)) => Ok(Self { before: before.into(), after: Some(after.into()) }),
        }
    }

    fn write(&self, credential: &Credential<'_>, dice: &mut Dice, request: &mut Vec<u8>) {
        request.clear();
        request.extend_from_slice(&self.before);
        let Some(after) = &self.after else { return };
        match credential {
            Credential::Of(keys) => request.extend_from_slice(dice.pick(keys).as_bytes()),
            Credential::Unknown => {
                request.extend_from_slice(b"uk_live_");
                request.extend((0..37).map(|_| base62(dice.roll())));
            }
        }
        request.extend_from_slice(after);
    }
}

/// The connections to one listener.
#[derive(Debug)]
pub struct Generator {
    connections: Vec<Connection>,
    dice: Dice,
    request: Vec<u8>,
    gives_way: bool,
    /// Of the last block.
    latencies: Vec<Duration>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// Since when it waits for an answer.
    waiting: Option<Instant>,
}

impl Generator {
    /// Connects to a port of loopback, so many times. `gives_way`: to others on its core, while it waits.
    pub fn connect(port: u16, connections: usize, gives_way: bool) -> Result<Self> {
        let connections = (0..connections).map(|_| Connection::open(port)).collect::<Result<_>>()?;
        let (request, latencies) = (Vec::with_capacity(1_024), Vec::new());
        Ok(Self { connections, dice: Dice::new(7), request, gives_way, latencies })
    }

    /// The median of what the last block's requests took, from sending to the complete answer.
    pub fn median(&mut self) -> Duration {
        Latencies::of(std::mem::take(&mut self.latencies)).quantile(0.5)
    }

    /// Sends `count` requests and waits for all answers, each of which must have this `status`.
    ///
    /// # Errors
    /// When an answer has another status, a connection ends, or it takes too long.
    pub fn block(&mut self, template: &Template, credential: &Credential<'_>, count: usize, status: u16) -> Result<()> {
        let started = Instant::now();
        let (mut sent, mut answered) = (0, 0);
        self.latencies.clear();
        while answered < count {
            let before = (sent, answered);
            for connection in &mut self.connections {
                if let Some(since) = connection.waiting
                    && connection.poll(status)?
                {
                    self.latencies.push(since.elapsed());
                    answered += 1;
                }
                if connection.waiting.is_none() && sent < count {
                    template.write(credential, &mut self.dice, &mut self.request);
                    connection.send(&self.request)?;
                    sent += 1;
                }
            }
            if self.gives_way && (sent, answered) == before {
                std::thread::yield_now();
            }
            if started.elapsed() > LIMIT {
                bail!("Envoy answered {answered} of {count} requests in {} s", LIMIT.as_secs());
            }
        }
        Ok(())
    }
}

impl Connection {
    fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("cannot connect to Envoy")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        use_reno(&stream)?;
        Ok(Self { stream, received: Vec::with_capacity(4_096), waiting: None })
    }

    fn send(&mut self, request: &[u8]) -> Result<()> {
        self.waiting = Some(Instant::now());
        // One request is waiting at most, so there is always room for it in the socket.
        let written = self.stream.write(request).context("cannot send to Envoy")?;
        if written != request.len() {
            bail!("a request of {} bytes does not fit in a socket", request.len());
        }
        Ok(())
    }

    /// Takes what has come. `true`: the answer is complete.
    fn poll(&mut self, status: u16) -> Result<bool> {
        let mut buffer = [0; 4_096];
        match self.stream.read(&mut buffer) {
            Ok(0) => bail!("Envoy closed a connection"),
            Ok(length) => self.received.extend_from_slice(buffer.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("cannot read from Envoy"),
        }
        let Some(answer) = Answer::parse(&self.received)? else { return Ok(false) };
        if answer.status != status {
            let text = String::from_utf8_lossy(&self.received);
            bail!("Envoy answered {} instead of {status}:\n{text}", answer.status);
        }
        self.received.clear();
        self.waiting = None;
        Ok(true)
    }
}

/// bbr, some systems' default, paces by timers even on loopback, which is noise.
fn use_reno(stream: &TcpStream) -> Result<()> {
    #[cfg(target_os = "linux")]
    nix::sys::socket::setsockopt(stream, nix::sys::socket::sockopt::TcpCongestion, &"reno".into())
        .context("cannot use reno on a socket")?;
    let _ = stream;
    Ok(())
}

/// What is looked at of a complete answer.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
}

impl Answer {
    /// `None`: it is not complete yet.
    fn parse(received: &[u8]) -> Result<Option<Self>> {
        let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(received.get(..end).unwrap_or_default()).context("an answer's head")?;
        let status = head.get(9..12).and_then(|status| status.parse().ok()).context("an answer without a status")?;
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(Ok(0), str::parse).context("content-length")?;
        if head.contains("\r\ntransfer-encoding:") {
            bail!("an answer in chunks, which is not expected here");
        }
        Ok((received.len() >= end + 4 + length).then_some(Self { status }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credential_lands_in_its_place() {
        let template = Template::new("GET /?key={key} HTTP/1.1\r\n\r\n").unwrap();
        let (mut dice, mut request) = (Dice::new(1), Vec::new());
        template.write(&Credential::Of(&["uk_1".into()]), &mut dice, &mut request);
        assert_eq!(request, b"GET /?key=uk_1 HTTP/1.1\r\n\r\n");
        template.write(&Credential::Unknown, &mut dice, &mut request);
        let first = request.clone();
        template.write(&Credential::Unknown, &mut dice, &mut request);
        assert_ne!(first, request);
        assert_eq!(first.len(), request.len());
        assert!(Template::new("{key} {key}").is_err());
        Template::new("GET / HTTP/1.1\r\n\r\n").unwrap().write(&Credential::Unknown, &mut dice, &mut request);
        assert_eq!(request, b"GET / HTTP/1.1\r\n\r\n");
    }

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 3\r\nserver: envoy\r\n\r\nno!";
        for end in 0..answer.len() {
            assert_eq!(Answer::parse(&answer[..end]).unwrap(), None, "{end}");
        }
        assert_eq!(Answer::parse(answer).unwrap(), Some(Answer { status: 401 }));
        assert!(Answer::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
