//! A page of the feed for a proxy's worker, at once or as soon as there is something new.

use super::App;
use crate::error::Error;
use crate::store::Changes;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{PageWriter, SyncError};
use std::time::Duration;
use tokio::time::Instant;

/// The longest wait: below the minute after which many networks drop a silent connection.
pub const MAX_WAIT: Duration = Duration::from_secs(55);

/// Rows of a table that are read for one page: about as many key records as fit into it.
pub const ROWS_PER_PAGE: u32 = 12_000;

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
}

/// The bytes of the next page. A worker of another history, or from the future of this one, gets the first page of a snapshot.
///
/// Only a worker that is up to date waits. The first page of all is never waited for: it says that nothing is there.
pub async fn changes(app: &App, request: PollRequest) -> Result<Vec<u8>, Error> {
    let deadline = Instant::now() + request.wait.min(MAX_WAIT);
    let mut head = app.store.head();
    let mut stopping = app.stopping.clone();
    let known = request.epoch == Some(app.store.epoch());
    loop {
        // What is committed after this look wakes the wait below.
        let current = *head.borrow_and_update();
        let after = if known && request.after <= current { request.after } else { 0 };
        let changes = app.store.changes(after, request.rows).await?;
        let up_to_date = known && request.after == changes.head;
        let page = page(app.store.epoch(), after, &changes, app.store.is_restored()).map_err(Error::internal)?;
        if !up_to_date {
            return Ok(page);
        }
        tokio::select! {
            // The sender lives in the store, which outlives the wait.
            _ = head.changed() => {}
            _ = stopping.wait_for(|stopping| *stopping) => return Ok(page),
            () = tokio::time::sleep_until(deadline) => return Ok(page),
        }
    }
}

/// The bytes of the page that follows `after` and holds as many of `changes` as fit. Proxies refuse a table that lost more
/// than half of its keys, unless it `may_shrink`.
pub fn page(epoch: Id, after: u64, changes: &Changes, may_shrink: bool) -> Result<Vec<u8>, SyncError> {
    let mut writer = PageWriter::new(after);
    let mut whole = true;
    for row in &changes.rows {
        if !writer.push(&row.record())? {
            whole = false;
            break;
        }
    }
    // A stretch that was cut off may end at the head by chance; then nothing follows.
    if (whole && changes.complete) || writer.until() == changes.head {
        Ok(writer.finish_last(epoch, changes.head, changes.live, may_shrink))
    } else {
        Ok(writer.finish_more(epoch, changes.head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::FeedRow;
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
        Changes { head: count, live: 0, rows, complete: true }
    }

    #[test]
    fn what_does_not_fit_into_a_page_comes_with_the_next() {
        let scopes = "s".repeat(4000);
        let all = policies(600, &scopes);
        let (mut after, mut pages, mut seen) = (0, 0, Vec::new());
        loop {
            let rest: Vec<_> = all.rows.iter().filter(|row| row.record().revision() > after).cloned().collect();
            let bytes = page(EPOCH, after, &Changes { rows: rest, ..all.clone() }, false).unwrap();
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
        is_golden("more", &page(epoch, 0, &Changes { head: 9, live: 1, rows, complete: false }, false).unwrap());
        is_golden(
            "empty",
            &page(epoch, 9, &Changes { head: 9, live: 1, rows: Vec::new(), complete: true }, false).unwrap(),
        );
    }

    #[test]
    fn a_stretch_that_was_cut_off_exactly_at_the_head_is_the_last_page() {
        let digest = keyplane_contract::digest::Digest::of(b"x");
        let rows = vec![FeedRow::Plain(Record::Gone(Gone { revision: 5, digest }))];
        let changes = Changes { head: 5, live: 3, rows, complete: false };
        let bytes = page(EPOCH, 2, &changes, false).unwrap();
        let header = Page::decode(&bytes).unwrap().header;
        assert!(header.last && header.live == 3 && header.until == 5);
    }

    #[test]
    fn a_history_whose_last_changes_left_the_feed_still_ends_at_its_head() {
        let changes = Changes { head: 9, live: 0, rows: Vec::new(), complete: true };
        let bytes = page(EPOCH, 4, &changes, false).unwrap();
        let header = Page::decode(&bytes).unwrap().header;
        assert!(header.last && header.until == 9);
    }
}
