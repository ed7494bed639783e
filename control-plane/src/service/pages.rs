//! Pages of the feed, each made once for all who ask for it.
//!
//! After a change every waiting poll asks for the same page, and when many proxies start they all ask for the same hundred.
//! So a page is read from the database, written and compressed once, and every answer shares its bytes.
//!
//! - **One makes it, the others wait.** Who asks while a page is being made gets that one, if it is made late enough to hold
//!   what they were woken for. If its maker goes away, the next in line makes it.
//! - **A page of this moment, or a closed one.** A page is good while nothing was committed since. A *closed* page, one after
//!   which more follow, is good for longer: whoever goes on after it gets all that changed since. It is given to those who say that it
//!   will do, for [`CLOSED_FOR`]. The decision record 0009 has the proof and the exceptions.
//! - **Bounded.** What is kept takes at most [`BOUND`], and nothing outlives its use by much: [`Pages::tidy`] is called each
//!   minute. A page that an answer still sends lives as long as that, shared with the other answers.

use crate::error::Error;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// How long a closed page is given out, here and by caches in front.
pub const CLOSED_FOR: Duration = Duration::from_mins(1);

/// The most bytes that are kept. A snapshot of a million keys takes some 85 MB: proxies that start together walk through it side
/// by side, and the pages behind them make room for those before them.
pub const BOUND: usize = 64 * 1024 * 1024;

/// What a kept page counts at least, so that small ones are bounded in number.
const LEAST: usize = 8 * 1024;

/// The shortest page that is worth compressing: below, an answer fits into a few packets anyway.
const COMPRESS_FROM: usize = 4 * 1024;

/// A page as it goes out.
#[derive(Debug)]
pub struct FeedPage {
    /// Its bytes.
    pub bytes: Bytes,
    /// The revision when it was made.
    pub head: u64,
    /// Whether more pages follow it.
    pub closed: bool,
    /// It lacks tombstones for who decides by a table below this revision.
    pub tombstones_after: u64,
    made: Instant,
    compressed: OnceCell<Option<Bytes>>,
}

impl FeedPage {
    /// A page that was made just now, at `head`.
    pub fn new(bytes: Vec<u8>, head: u64, closed: bool) -> Self {
        let (tombstones_after, made) = (0, Instant::now());
        Self { bytes: bytes.into(), head, closed, tombstones_after, made, compressed: OnceCell::new() }
    }

    /// The same without tombstones of this revision and below.
    #[must_use]
    pub fn without_tombstones(self, until: u64) -> Self {
        Self { tombstones_after: until, ..self }
    }

    /// Its bytes in gzip, made at the first call. `None`: too short for it to be worth anything.
    pub async fn gzip(&self) -> Option<Bytes> {
        let make = async || {
            if self.bytes.len() < COMPRESS_FROM {
                return None;
            }
            let bytes = self.bytes.clone();
            // Some 20 ms for a full page: too long for a thread that serves others. If it fails, the page goes as it is.
            tokio::task::spawn_blocking(move || gzip(&bytes)).await.ok()?.ok()
        };
        self.compressed.get_or_init(make).await.clone()
    }

    fn size(&self) -> usize {
        let compressed = self.compressed.get().and_then(Option::as_ref).map_or(0, Bytes::len);
        (self.bytes.len() + compressed).max(LEAST)
    }
}

/// Digests do not compress; the rest of a record nearly vanishes, and higher levels find no more in it.
fn gzip(bytes: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() * 3 / 4), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish().map(Bytes::from)
}

/// Which page is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The revision that it follows.
    pub after: u64,
    /// Rows of a table that are read for it.
    pub rows: u32,
    /// The revision that it may not be older than.
    pub head: u64,
    /// Whether a closed page that was made before `head` will do.
    pub closed_will_do: bool,
}

/// The pages that are kept.
#[derive(Debug, Default)]
pub struct Pages {
    places: Mutex<Places>,
    made: AtomicU64,
}

/// By what was asked for: revision before, rows, and the head at asking.
type Key = (u64, u32, u64);

#[derive(Debug, Default)]
struct Places {
    by_key: BTreeMap<Key, Place>,
    uses: u64,
}

#[derive(Debug)]
struct Place {
    /// Empty while its page is being made.
    page: Arc<OnceCell<Arc<FeedPage>>>,
    used: u64,
}

impl Pages {
    /// The page that is wanted: a kept one, or the one that `make` reads from the database.
    pub async fn get<F>(&self, wanted: Wanted, make: impl FnOnce() -> F) -> Result<Arc<FeedPage>, Error>
    where
        F: Future<Output = Result<FeedPage, Error>>,
    {
        let place = self.lock().place(wanted);
        let mut is_maker = false;
        let page = place.get_or_try_init(async || {
            is_maker = true;
            self.made.fetch_add(1, Ordering::Relaxed);
            make().await.map(Arc::new)
        });
        let page = page.await.cloned();
        drop(place);
        if is_maker {
            self.lock().tidy(wanted.head);
        }
        page
    }

    /// Lets go of what is of no use any more, at the revision `head`.
    pub fn tidy(&self, head: u64) {
        self.lock().tidy(head);
    }

    /// How many pages were read from the database.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Where the wanted page is, or is to be made.
    fn place(&mut self, wanted: Wanted) -> Arc<OnceCell<Arc<FeedPage>>> {
        let Wanted { after, rows, head, .. } = wanted;
        self.uses += 1;
        let mut known = self.by_key.range_mut((after, rows, 0)..=(after, rows, u64::MAX)).rev();
        // One that was asked for at this revision or later is read from the database after it.
        let found = known.find(|((.., asked), place)| *asked >= head || place.will_do(wanted));
        if let Some((_, place)) = found {
            place.used = self.uses;
            return Arc::clone(&place.page);
        }
        let page = Arc::default();
        let place = Place { page: Arc::clone(&page), used: self.uses };
        self.by_key.insert((after, rows, head), place);
        page
    }

    fn tidy(&mut self, head: u64) {
        self.by_key.retain(|_, place| place.is_of_use(head));
        let size = |place: &Place| place.page.get().map_or(0, |page| page.size());
        let mut kept: usize = self.by_key.values().map(size).sum();
        if kept <= BOUND {
            return;
        }
        let mut oldest: Vec<_> = self.by_key.iter().map(|(key, place)| (place.used, *key)).collect();
        oldest.sort_unstable();
        // An eighth more than must be, so that the next page does not search again.
        for (_, key) in oldest {
            if kept <= BOUND - BOUND / 8 {
                break;
            }
            if self.by_key.get(&key).is_some_and(|place| place.page.initialized()) {
                kept -= self.by_key.remove(&key).as_ref().map_or(0, size);
            }
        }
    }
}

impl Place {
    fn will_do(&self, wanted: Wanted) -> bool {
        self.page.get().is_some_and(|page| page.head >= wanted.head || (wanted.closed_will_do && page.is_recent()))
    }

    fn is_of_use(&self, head: u64) -> bool {
        match self.page.get() {
            Some(page) => (page.head >= head && page.made.elapsed() < CLOSED_FOR) || page.is_recent(),
            // Nobody makes it any more: making it failed, or its maker went away.
            None => Arc::strong_count(&self.page) > 1,
        }
    }
}

impl FeedPage {
    fn is_recent(&self) -> bool {
        self.closed && self.made.elapsed() < CLOSED_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    const WANTED: Wanted = Wanted { after: 3, rows: 100, head: 7, closed_will_do: false };

    async fn get(pages: &Pages, wanted: Wanted, head: u64, closed: bool, length: usize) -> Arc<FeedPage> {
        pages.get(wanted, async || Ok(FeedPage::new(vec![0; length], head, closed))).await.unwrap()
    }

    #[tokio::test]
    async fn all_who_ask_meanwhile_share_one_page_even_if_its_maker_goes_away() {
        let pages = Arc::new(Pages::default());
        let never = {
            let pages = Arc::clone(&pages);
            tokio::spawn(async move { pages.get(WANTED, std::future::pending).await })
        };
        tokio::task::yield_now().await;
        let others: Vec<_> = (0..100)
            .map(|_| {
                let pages = Arc::clone(&pages);
                tokio::spawn(async move { get(&pages, WANTED, 7, false, 10).await })
            })
            .collect();
        tokio::task::yield_now().await;
        never.abort();
        let mut seen = Vec::new();
        for other in others {
            seen.push(other.await.unwrap());
        }
        assert!(seen.iter().all(|page| Arc::ptr_eq(page, &seen[0])));
        assert_eq!(pages.made(), 2, "the one that was given up, and its successor");
    }

    #[tokio::test]
    async fn a_fault_is_told_and_the_next_tries_again() {
        let pages = Pages::default();
        let fault = pages.get(WANTED, async || Err(Error::new(Code::Internal))).await;
        assert_eq!(fault.unwrap_err().code, Code::Internal);
        assert_eq!(get(&pages, WANTED, 7, false, 10).await.bytes.len(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_older_page_is_given_only_if_it_is_closed_recent_and_will_do() {
        let pages = Pages::default();
        let later = Wanted { head: 8, ..WANTED };
        let lenient = Wanted { closed_will_do: true, ..later };
        // Read a little later than it was asked for: what was committed meanwhile is in it.
        get(&pages, WANTED, 8, false, 1).await;
        assert_eq!(get(&pages, later, 8, false, 2).await.bytes.len(), 1);
        assert_eq!(get(&pages, Wanted { head: 9, ..lenient }, 9, true, 3).await.bytes.len(), 3, "it was not closed");
        assert_eq!(get(&pages, Wanted { head: 10, ..lenient }, 10, true, 4).await.bytes.len(), 3, "it will do");
        assert_eq!(get(&pages, Wanted { head: 10, ..WANTED }, 10, true, 5).await.bytes.len(), 5, "it will not do");
        assert_eq!(get(&pages, Wanted { after: 4, ..lenient }, 10, true, 6).await.bytes.len(), 6, "another page");
        assert_eq!(get(&pages, Wanted { rows: 4, ..lenient }, 10, true, 7).await.bytes.len(), 7, "another size");
        tokio::time::advance(CLOSED_FOR).await;
        assert_eq!(get(&pages, Wanted { head: 11, ..lenient }, 11, true, 8).await.bytes.len(), 8, "it is old");
        assert_eq!(pages.lock().by_key.len(), 1, "what is of no use is gone");
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_and_goes_by_its_last_use() {
        let pages = Pages::default();
        let length = 1024 * 1024;
        let lenient = |after| Wanted { after, closed_will_do: true, ..WANTED };
        for after in 0..200 {
            get(&pages, lenient(after), 7, true, length).await;
            assert_eq!(get(&pages, lenient(0), 7, true, 1).await.bytes.len(), length, "this one is always in use");
            let kept: usize = pages.lock().by_key.values().map(|place| place.page.get().unwrap().size()).sum();
            assert!(kept <= BOUND, "{kept}");
        }
        let before = pages.made();
        get(&pages, lenient(1), 7, true, 1).await;
        assert_eq!(pages.made(), before + 1, "this one had to go");
        pages.tidy(7);
    }
}
