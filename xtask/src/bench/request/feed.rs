//! A control plane in miniature: it serves one fixed set of keys by the sync protocol (`docs/protocol.md`), made with the same
//! contract crate as the real one. What the filter then holds is the same, byte for byte, and nothing else runs beside Envoy.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use keyplane_contract::digest::Digest;
use keyplane_contract::header::SYNC_MEDIA_TYPE;
use keyplane_contract::id::Id;
use keyplane_contract::key::{Prefix, SECRET_LEN, assemble};
use keyplane_contract::sync::{Account, Key, Metadata, Page, PageWriter, Policy, Project, Record};

use super::super::load::Dice;

/// The most rows of a page, as the control plane makes them.
const ROWS_PER_PAGE: usize = 3_000;
/// The largest request that is read.
const MAX_BODY: u64 = 4 << 20;

/// What the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// How many.
    pub count: u64,
    /// The scopes that each has, joined by spaces; empty for none.
    pub scopes: String,
}

/// A running feed. It ends when dropped.
#[derive(Debug)]
pub struct Feed {
    /// Where it listens, on loopback.
    pub port: u16,
    /// The keys as callers present them.
    pub secrets: Vec<String>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pages: Vec<PreparedPage>,
    epoch: Id,
    head: u64,
    live: u64,
    ended: Mutex<bool>,
    end: Condvar,
}

#[derive(Debug)]
struct PreparedPage {
    after: u64,
    bytes: Vec<u8>,
}

impl Feed {
    /// Makes the keys, the same in each run, and serves them.
    pub fn start(keys: &Keys) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on loopback")?;
        let port = listener.local_addr()?.port();
        let (secrets, shared) = make(keys)?;
        let shared = Arc::new(shared);
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if accepting.has_ended() {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A connection that breaks is the other side's to make anew.
                std::thread::spawn(move || serve(&connection, &shared).is_ok());
            }
        });
        Ok(Self { port, secrets, shared })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        *self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.end.notify_all();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn has_ended(&self) -> bool {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, which never comes.
    fn wait(&self, time: Duration) {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.end.wait_timeout_while(ended, time, |ended| !*ended));
    }

    /// The page after `after`, waiting up to `wait` when there is none.
    fn page(&self, after: u64, wait: Duration) -> Vec<u8> {
        if after == self.head {
            self.wait(wait);
            return PageWriter::new(after).finish_last(self.epoch, self.head, self.live, false);
        }
        let page = self.pages.iter().find(|page| page.after == after).or(self.pages.first());
        page.map(|page| page.bytes.clone()).unwrap_or_default()
    }
}

/// All keys belong to one project of one account.
fn make(keys: &Keys) -> Result<(Vec<String>, Shared)> {
    let mut dice = Dice::new(4);
    let mut id = || {
        let mut id = [0; Id::LEN];
        id.fill_with(|| dice.roll().to_le_bytes()[0]);
        Id(id)
    };
    let epoch = id();
    let mut rows = Rows { writer: PageWriter::new(0), done: Vec::new(), after: 0, revision: 0, taken: 0 };
    let account = id();
    rows.push(|revision| {
        let (name, external_id) = ("Example Corp", "");
        Record::Account(Account { revision, id: account, no: 1, suspended: false, name, external_id })
    })?;
    rows.push(|revision| Record::Project(Project { revision, id: id(), no: 1, account: 1 }))?;
    if !keys.scopes.is_empty() {
        rows.push(|revision| {
            let metadata = Metadata::NONE;
            Record::Policy(Policy { revision, no: 1, scopes: &keys.scopes, networks: &[], metadata })
        })?;
    }
    let prefix = Prefix::parse("uk_live").map_err(|error| anyhow!("{error}"))?;
    let mut draws = Dice::new(keys.count);
    let mut secrets = Vec::new();
    for _ in 0..keys.count {
        let mut secret = [0; SECRET_LEN];
        secret.fill_with(|| base62(draws.roll()));
        let secret = assemble(&prefix, &secret).context("a key is base62")?;
        rows.push(|revision| {
            let key = Key::of_project(1, revision, id(), Digest::of(secret.as_bytes()));
            Record::Key(Key { policy: u32::from(!keys.scopes.is_empty()), ..key })
        })?;
        secrets.push(secret);
    }
    let head = rows.revision;
    let mut pages: Vec<(u64, PageWriter)> = rows.done;
    pages.push((rows.after, rows.writer));
    let last = pages.len() - 1;
    let finish = |(number, (after, writer)): (usize, (u64, PageWriter))| {
        let bytes = if number == last {
            writer.finish_last(epoch, head, keys.count, false)
        } else {
            writer.finish_more(epoch, head)
        };
        PreparedPage { after, bytes }
    };
    let pages: Vec<_> = pages.into_iter().enumerate().map(finish).collect();
    for page in &pages {
        Page::decode(&page.bytes).and_then(|page| page.verify()).map_err(|error| anyhow!("{error}"))?;
    }
    let (ended, end) = (Mutex::new(false), Condvar::new());
    Ok((secrets, Shared { pages, epoch, head, live: keys.count, ended, end }))
}

/// Rows on their way into pages.
struct Rows {
    writer: PageWriter,
    done: Vec<(u64, PageWriter)>,
    after: u64,
    revision: u64,
    /// Rows of the page that is being written.
    taken: usize,
}

impl Rows {
    fn push<'a>(&mut self, row: impl FnOnce(u64) -> Record<'a>) -> Result<()> {
        self.revision += 1;
        let row = row(self.revision);
        let push = |writer: &mut PageWriter| writer.push(&row).map_err(|error| anyhow!("{error}"));
        if self.taken == ROWS_PER_PAGE || !push(&mut self.writer)? {
            let until = self.writer.until();
            let full = std::mem::replace(&mut self.writer, PageWriter::new(until));
            self.done.push((self.after, full));
            self.after = until;
            self.taken = 0;
            push(&mut self.writer)?;
        }
        self.taken += 1;
        Ok(())
    }
}

/// A base62 digit of this number.
pub fn base62(number: u64) -> u8 {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    DIGITS[usize::try_from(number % 62).unwrap_or_default()]
}

/// Answers the requests of one connection until it ends.
fn serve(connection: &TcpStream, shared: &Shared) -> Result<()> {
    let mut requests = BufReader::new(connection.try_clone()?);
    let mut answers = connection;
    while let Some(Asked { path, length }) = read_head(&mut requests)? {
        std::io::copy(&mut requests.by_ref().take(length.min(MAX_BODY)), &mut std::io::sink())?;
        let answer = if path.starts_with("/sync/v1/changes") {
            let wait = Duration::from_secs(parameter(&path, "wait").unwrap_or_default().min(55));
            let page = shared.page(parameter(&path, "after").unwrap_or_default(), wait);
            if shared.has_ended() {
                return Ok(());
            }
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: {SYNC_MEDIA_TYPE}\r\ncontent-length: {}\r\n\r\n", page.len());
            [head.into_bytes(), page].concat()
        } else {
            // Usage: counted by nobody.
            b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()
        };
        answers.write_all(&answer)?;
    }
    Ok(())
}

/// What is looked at of a request.
struct Asked {
    path: String,
    /// Length of its body.
    length: u64,
}

/// Reads a request's head; `None` when the connection has ended.
fn read_head(requests: &mut impl BufRead) -> Result<Option<Asked>> {
    let mut line = String::new();
    if requests.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).context("no request line")?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        requests.read_line(&mut line)?;
        let header = line.trim_end();
        if header.is_empty() {
            return Ok(Some(Asked { path, length }));
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
}

/// A parameter of a query that is a number.
fn parameter(path: &str, name: &str) -> Option<u64> {
    let (_, query) = path.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Client;

    #[test]
    fn pages_follow_on_each_other_and_hold_every_key() {
        let feed = Feed::start(&Keys { count: 20_000, scopes: "runs:read".into() }).unwrap();
        let client = Client::new(feed.port);
        let (mut after, mut keys, mut pages) = (0, 0, 0);
        loop {
            let answer = client.get(&format!("/sync/v1/changes?after={after}&wait=0"), &[]).unwrap();
            let page = Page::decode(&answer.body).unwrap();
            assert_eq!(page.header.after, after);
            keys += page.records().filter(|record| matches!(record, Ok(Record::Key(_)))).count();
            (after, pages) = (page.header.until, pages + 1);
            if page.header.last {
                assert_eq!(page.header.live, 20_000);
                break;
            }
        }
        assert_eq!((keys, feed.secrets.len()), (20_000, 20_000));
        assert!(pages > 1);
        assert!(keyplane_contract::key::is_well_formed(feed.secrets[0].as_bytes()));
        assert_eq!(client.send("POST", "/sync/v1/usage", &[], b"x").unwrap().status, 204);
    }

    #[test]
    fn a_feed_that_is_dropped_lets_waiting_polls_go() {
        let feed = Feed::start(&Keys { count: 1, scopes: String::new() }).unwrap();
        let client = Client::new(feed.port);
        let head = feed.shared.head;
        let poll = std::thread::spawn(move || client.get(&format!("/sync/v1/changes?after={head}&wait=55"), &[]));
        std::thread::sleep(Duration::from_millis(50));
        let started = std::time::Instant::now();
        drop(feed);
        let _ = poll.join();
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
