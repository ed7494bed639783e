//! One simulated worker: what it asks, and what it does with a page. No I/O here.
//!
//! It keeps what a worker keeps of the protocol (docs/protocol.md): it asks after the revision that it has, takes a page only if
//! it follows exactly, reads every record before it applies one, and proves that it has as many keys as the last page says. A
//! real worker also goes on after a wrong page; here one ends the measurement, because its figures would mean nothing.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::{Result, bail, ensure};
use keyplane_contract::digest::Digest;
use keyplane_contract::header;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{KeyState, Page, Record};

/// Seconds that a poll waits: the filter's own default.
pub const WAIT_SECONDS: u32 = 25;

/// A worker's table, and where it is in the feed.
#[derive(Debug)]
pub struct Poller {
    /// What does not change from poll to poll.
    headers: String,
    epoch: Option<Id>,
    revision: u64,
    /// Whether the first catch-up is over: only then a poll waits.
    complete: bool,
    keys: HashMap<Digest, KeyState>,
}

impl Poller {
    /// A worker that has nothing yet. All that are made with one `proxy` are workers of that proxy.
    pub fn new(worker: Id, proxy: &str, token: &str) -> Self {
        let headers = format!(
            " HTTP/1.1\r\nhost: keyplane\r\nauthorization: Bearer {token}\r\n{}: {worker}\r\n{}: {proxy}\r\n{}: simulated\r\n\r\n",
            header::WORKER,
            header::PROXY,
            header::FILTER_VERSION,
        );
        Self { headers, epoch: None, revision: 0, complete: false, keys: HashMap::new() }
    }

    /// The next poll's bytes. It acknowledges all that was applied.
    pub fn request(&self) -> String {
        let mut request = format!("GET /sync/v1/changes?after={}", self.revision);
        // Writing to a string cannot fail.
        if let Some(epoch) = self.epoch {
            let _ = write!(request, "&epoch={epoch}");
        }
        let wait = if self.complete { WAIT_SECONDS } else { 0 };
        let _ = write!(request, "&wait={wait}{}", self.headers);
        request
    }

    /// Applies a page. Gives the keys that are refused from now on and were not before.
    ///
    /// # Errors
    /// When the page is malformed, does not follow on what was applied, or the keys are not as many as it says.
    pub fn apply(&mut self, page: &[u8]) -> Result<Vec<Digest>> {
        let page = match Page::decode(page).and_then(|page| page.verify().map(|()| page)) {
            Ok(page) => page,
            Err(error) => bail!("a page that is none: {error}"),
        };
        let header = page.header;
        let follows = self.epoch.is_none_or(|epoch| epoch == header.epoch) && self.revision == header.after;
        ensure!(follows, "a page after revision {} of {}, not {}", header.after, header.epoch, self.revision);
        let mut refused = Vec::new();
        for record in page.records().flatten() {
            match record {
                Record::Key(key) => {
                    let before = self.keys.insert(key.digest, key.state);
                    if key.state != KeyState::Active && before == Some(KeyState::Active) {
                        refused.push(key.digest);
                    }
                }
                Record::Gone(gone) => {
                    if self.keys.remove(&gone.digest) == Some(KeyState::Active) {
                        refused.push(gone.digest);
                    }
                }
                Record::Account(_) | Record::Project(_) | Record::User(_) | Record::Policy(_) => {}
            }
        }
        (self.epoch, self.revision) = (Some(header.epoch), header.until);
        if header.last {
            ensure!(self.keys.len() as u64 == header.live, "{} keys instead of {}", self.keys.len(), header.live);
            self.complete = true;
        }
        Ok(refused)
    }

    /// Keys that it holds, once it has them all; until then none.
    pub fn held(&self) -> usize {
        if self.complete { self.keys.len() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyplane_contract::sync::{Key, PageWriter};

    const EPOCH: Id = Id([7; 16]);

    fn key(revision: u64, secret: &str, state: KeyState) -> Record<'static> {
        Record::Key(Key { state, ..Key::of_project(1, revision, Id([1; 16]), Digest::of(secret.as_bytes())) })
    }

    fn page(after: u64, records: &[Record<'_>], head: u64, live: u64) -> Vec<u8> {
        let mut writer = PageWriter::new(after);
        for record in records {
            assert!(writer.push(record).unwrap());
        }
        if writer.until() == head {
            writer.finish_last(EPOCH, head, live, false)
        } else {
            writer.finish_more(EPOCH, head)
        }
    }

    fn poller() -> Poller {
        Poller::new(Id([9; 16]), "edge", "kp_proxy_x")
    }

    #[test]
    fn it_asks_after_what_it_has_and_waits_once_it_has_all() {
        let mut poller = poller();
        assert!(poller.request().starts_with("GET /sync/v1/changes?after=0&wait=0 HTTP/1.1\r\n"));
        poller.apply(&page(0, &[key(1, "a", KeyState::Active)], 2, 0)).unwrap();
        assert!(
            poller.request().starts_with(&format!("GET /sync/v1/changes?after=1&epoch={EPOCH}&wait=0 HTTP/1.1\r\n"))
        );
        assert_eq!(poller.held(), 0);
        poller.apply(&page(1, &[key(2, "b", KeyState::Active)], 2, 2)).unwrap();
        assert!(poller.request().contains(&format!("?after=2&epoch={EPOCH}&wait={WAIT_SECONDS} HTTP/1.1\r\n")));
        assert_eq!(poller.held(), 2);
    }

    #[test]
    fn a_key_is_refused_once_and_stays_in_the_table() {
        let mut poller = poller();
        let both = [key(1, "a", KeyState::Active), key(2, "b", KeyState::Revoked)];
        assert_eq!(poller.apply(&page(0, &both, 2, 2)).unwrap(), []);
        assert_eq!(poller.apply(&page(2, &[key(3, "a", KeyState::Revoked)], 3, 2)).unwrap(), [Digest::of(b"a")]);
        assert_eq!(poller.apply(&page(3, &[key(4, "a", KeyState::Revoked)], 4, 2)).unwrap(), []);
        assert_eq!(poller.held(), 2);
    }

    #[test]
    fn a_gap_a_wrong_count_or_a_flipped_bit_ends_it() {
        let first = page(0, &[key(1, "a", KeyState::Active)], 1, 1);
        let mut flipped = first.clone();
        flipped[70] ^= 1;
        assert!(poller().apply(&flipped).is_err());
        assert!(poller().apply(&page(1, &[key(2, "a", KeyState::Active)], 2, 1)).is_err());
        assert!(poller().apply(&page(0, &[key(1, "a", KeyState::Active)], 1, 2)).is_err());
        assert!(poller().apply(&first).is_ok());
    }
}
