//! A page of the feed for a proxy's worker, at once or as soon as there is something new.
//!
//! A page that is full ends at the roundest revision of its upper half, not at its last byte. So where pages end depends
//! little on what is in them: when a key in the middle changes, and its row moves to the end, the pages after it stay the same, and caches
//! of all kinds keep what they have.

use super::App;
use super::pages::{FeedPage, Wanted};
use crate::error::Error;
use crate::store::{Changes, FeedRow};
use keyplane_contract::id::Id;
use keyplane_contract::sync::{PageWriter, SyncError};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The longest wait: below the minute after which many networks drop a silent connection.
pub const MAX_WAIT: Duration = Duration::from_secs(55);

/// Rows of a table that are read for one page. As many key records make a quarter of the largest page: a worker applies a page in one step, in which it
/// answers nobody (docs/performance.md).
pub const ROWS_PER_PAGE: u32 = 3_000;

/// What a worker asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PollRequest {
    /// The revision history that it knows; `None` on its first poll.
    pub epoch: Option<Id>,
    /// The revision that it has.
    pub after: u64,
    /// How long it would wait for news.
    pub wait: Duration,
    /// Rows of a table that are read for one page.
    pub rows: u32,
    /// Whether it takes a closed page that was made a little ago.
    pub closed_will_do: bool,
}

/// A page, and whether caches in front may give it to others who say that a closed page will do.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The page.
    pub page: Arc<FeedPage>,
    /// Whether it depends on nothing but the request's epoch and revision.
    pub cacheable: bool,
}

/// The next page. A worker of another history, or from the future of this one, gets the first page of a snapshot.
///
/// Only a worker that is up to date waits. The first page of all is never waited for: it says that nothing is there.
///
/// The first page of a snapshot is never one that was made before: its reader may have been further already, and takes a head below its own
/// revision for a history that was lost.
pub async fn changes(app: &App, request: PollRequest) -> Result<Answer, Error> {
    let deadline = Instant::now() + request.wait.min(MAX_WAIT);
    let mut head = app.store.head();
    let mut stopping = app.stopping.clone();
    let known = request.epoch == Some(app.store.epoch());
    loop {
        // What is committed after this look wakes the wait below.
        let current = *head.borrow_and_update();
        let after = if known && request.after <= current { request.after } else { 0 };
        let closed_will_do = request.closed_will_do && known && after > 0;
        let wanted = Wanted { after, rows: request.rows, head: current, closed_will_do };
        if !known || request.after != current || Instant::now() >= deadline || *stopping.borrow() {
            let page = app.pages.get(wanted, || read(app, after, request.rows)).await?;
            // Who would wait decides by the table that it asks about. One that is older than what is left of the tombstones is loaded anew; who
            // loads a table needs those alone that came since it began.
            if request.wait > Duration::ZERO && after > 0 && after < page.tombstones_after {
                let wanted = Wanted { after: 0, closed_will_do: false, ..wanted };
                let page = app.pages.get(wanted, || read(app, 0, request.rows)).await?;
                return Ok(Answer { cacheable: false, page });
            }
            return Ok(Answer { cacheable: closed_will_do && page.closed, page });
        }
        // Nobody reads anything while there is nothing new. What ends the wait is told apart at the next turn.
        tokio::select! {
            // The sender lives in the store, which outlives the wait.
            _ = head.changed() => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

async fn read(app: &App, after: u64, rows: u32) -> Result<FeedPage, Error> {
    let changes = app.store.changes(after, rows).await?;
    let (bytes, last) = page(app.store.epoch(), after, &changes, app.store.is_restored()).map_err(Error::internal)?;
    Ok(FeedPage::new(bytes, changes.head, !last).without_tombstones(changes.tombstones_after))
}

/// The bytes of the page that follows `after` and holds as many of `changes` as fit, and whether it is the last. Proxies refuse a table
/// that lost more than half of its keys, unless it `may_shrink`.
pub fn page(epoch: Id, after: u64, changes: &Changes, may_shrink: bool) -> Result<(Vec<u8>, bool), SyncError> {
    let mut writer = PageWriter::new(after);
    let mut fitting = 0;
    for row in &changes.rows {
        if !writer.push(&row.record())? {
            break;
        }
        fitting += 1;
    }
    // A stretch that was cut off may end at the head by chance; then nothing follows.
    if (fitting == changes.rows.len() && changes.complete) || writer.until() == changes.head {
        return Ok((writer.finish_last(epoch, changes.head, changes.live, may_shrink), true));
    }
    let middle = fitting.checked_sub(1).and_then(|last| changes.rows.get(last / 2));
    let middle = middle.map_or(after, |row| row.record().revision());
    let until = roundest(middle, writer.until());
    let mut writer = PageWriter::new(after);
    for record in changes.rows.iter().map(FeedRow::record).take_while(|record| record.revision() <= until) {
        writer.push(&record)?;
    }
    writer.reach(until);
    Ok((writer.finish_more(epoch, changes.head), false))
}

/// The number above `low` and up to `high` with the most zeros at its end, in binary; `high` if there is none.
const fn roundest(low: u64, high: u64) -> u64 {
    match (low ^ high).checked_ilog2() {
        Some(bit) => high >> bit << bit,
        None => high,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyplane_contract::sync::{Gone, Page, Policy, Project, Record};

    const EPOCH: Id = Id([7; 16]);

    fn policies(count: u64, scopes: &str) -> Changes {
        let rows = (1..=count)
            .map(|revision| FeedRow::Policy {
                revision,
                no: u32::try_from(revision).unwrap(),
                scopes: scopes.to_owned(),
                networks: Vec::new(),
                metadata: Vec::new(),
            })
            .collect();
        Changes { head: count, live: 0, rows, complete: true, tombstones_after: 0 }
    }

    /// Nothing, up to this revision.
    fn until(head: u64, live: u64) -> Changes {
        Changes { head, live, rows: Vec::new(), complete: true, tombstones_after: 0 }
    }

    #[test]
    fn what_does_not_fit_into_a_page_comes_with_the_next() {
        let scopes = "s".repeat(4000);
        let all = policies(600, &scopes);
        let (mut after, mut pages, mut seen) = (0, 0, Vec::new());
        loop {
            let rest: Vec<_> = all.rows.iter().filter(|row| row.record().revision() > after).cloned().collect();
            let (bytes, _) = page(EPOCH, after, &Changes { rows: rest, ..all.clone() }, false).unwrap();
            let page = Page::decode(&bytes).unwrap();
            assert_eq!(page.header.after, after);
            for record in page.records() {
                let Record::Policy(Policy { no, scopes: found, .. }) = record.unwrap() else { panic!("no policy") };
                assert_eq!(found, scopes);
                seen.push(no);
            }
            (after, pages) = (page.header.until, pages + 1);
            if page.header.last {
                break;
            }
        }
        assert_eq!(pages, 3);
        assert_eq!(seen, (1..=600).collect::<Vec<_>>());
    }

    /// The bytes of `contract/vectors`, which the filter reads in its own tests.
    #[test]
    fn pages_are_the_golden_ones() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../contract/vectors/pages.json")).unwrap();
        let is_golden = |name: &str, bytes: &[u8]| {
            let hex: String = bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            assert_eq!(vectors[name], hex, "{name}");
        };
        let epoch = Id([0xe0; 16]);
        let rows = vec![
            FeedRow::Account {
                revision: 1,
                id: Id([0xac; 16]),
                no: 2,
                suspended: true,
                name: "Ac\u{fc}me".to_owned(),
                external_id: "org_1".to_owned(),
            },
            FeedRow::Plain(Record::Project(Project { revision: 2, id: Id([0xb0; 16]), no: 7, account: 2 })),
        ];
        is_golden("more", &page(epoch, 0, &Changes { rows, complete: false, ..until(9, 1) }, false).unwrap().0);
        is_golden("empty", &page(epoch, 9, &until(9, 1), false).unwrap().0);
    }

    #[test]
    fn a_stretch_that_was_cut_off_exactly_at_the_head_is_the_last_page() {
        let digest = keyplane_contract::digest::Digest::of(b"x");
        let rows = vec![FeedRow::Plain(Record::Gone(Gone { revision: 5, digest }))];
        let changes = Changes { rows, complete: false, ..until(5, 3) };
        let (bytes, _) = page(EPOCH, 2, &changes, false).unwrap();
        let header = Page::decode(&bytes).unwrap().header;
        assert!(header.last && header.live == 3 && header.until == 5);
    }

    #[test]
    fn a_history_whose_last_changes_left_the_feed_still_ends_at_its_head() {
        let (bytes, _) = page(EPOCH, 4, &until(9, 0), false).unwrap();
        let header = Page::decode(&bytes).unwrap().header;
        assert!(header.last && header.until == 9);
    }

    #[test]
    fn a_change_in_the_middle_leaves_the_ends_of_later_pages_where_they_are() {
        let ends = |all: &Changes| {
            let (mut after, mut ends) = (0, Vec::new());
            loop {
                let rest: Vec<_> = all.rows.iter().filter(|row| row.record().revision() > after).cloned().collect();
                let header = Page::decode(&page(EPOCH, after, &Changes { rows: rest, ..*all }, false).unwrap().0)
                    .unwrap()
                    .header;
                after = header.until;
                ends.push(after);
                if header.last {
                    return ends;
                }
            }
        };
        let mut all = policies(3000, &"s".repeat(4000));
        let before = ends(&all);
        assert_eq!(before[..3], [256, 512, 768]);
        for moved in [5, 100, 255, 1000, 2047] {
            all.rows.retain(|row| row.record().revision() != moved);
            assert_eq!(ends(&all), before, "without {moved}");
        }
    }

    #[test]
    fn the_roundest_number_lies_behind_the_first_and_not_behind_the_second() {
        for (low, high, expected) in [
            (0, 1, 1),
            (0, 12_483, 8192),
            (6_241, 12_483, 8192),
            (8_192, 20_675, 16_384),
            (5, 7, 6),
            (7, 8, 8),
            (7, 7, 7),
            (0, u64::MAX, 1 << 63),
        ] {
            assert_eq!(roundest(low, high), expected, "{low}, {high}");
        }
    }
}
