//! The feed: what proxies are told.

use crate::support::{ControlPlane, text};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use keyplane::domain::id::KeyId;
use keyplane::service::changes::{PollRequest, changes};
use keyplane::service::sweep::{TOMBSTONES_KEPT, sweep};
use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use keyplane_contract::sync::{KeyState, Page, PageHeader, Record};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::time::{Duration, Instant};

/// As many scopes as make a policy of some 4 KB.
const SCOPES: usize = 60;

/// A proxy's table, kept by the feed alone.
#[derive(Clone, Default)]
struct Mirror {
    epoch: Option<Id>,
    after: u64,
    keys: HashMap<Digest, KeyState>,
    policies: HashMap<u32, String>,
    /// Revisions of the records of the last catch-up.
    seen: Vec<u64>,
    /// Whether it takes closed pages that were made before.
    lenient: bool,
    /// Whether it was complete once: it decides by what it has.
    decides: bool,
    /// How often it was told to begin with another table.
    began: u32,
}

impl Mirror {
    /// Reads pages of at most `rows` rows of a table until the last, checking each.
    async fn catch_up(&mut self, plane: &ControlPlane, rows: u32) -> PageHeader {
        self.seen.clear();
        loop {
            let header = self.step(plane, rows).await;
            if header.last {
                assert_eq!(header.until, *plane.app.store.head().borrow());
                assert_eq!(header.live, u64::try_from(self.keys.len()).unwrap(), "the live count proves the table");
                return header;
            }
        }
    }

    /// Reads one page.
    async fn step(&mut self, plane: &ControlPlane, rows: u32) -> PageHeader {
        // It would wait if it decides by this table; here there is nothing to wait for.
        let waits = self.decides && self.after != *plane.app.store.head().borrow();
        let (epoch, after, wait) = (self.epoch, self.after, Duration::from_secs(u64::from(waits)));
        let request = PollRequest { epoch, after, wait, rows, closed_will_do: self.lenient };
        let bytes = changes(&plane.app, request).await.unwrap().page.bytes.clone();
        self.apply(&bytes)
    }

    fn apply(&mut self, bytes: &[u8]) -> PageHeader {
        let page = Page::decode(bytes).unwrap();
        page.verify().unwrap();
        if self.epoch != Some(page.header.epoch) || page.header.after != self.after {
            assert_eq!(page.header.after, 0);
            let (seen, lenient, began) = (std::mem::take(&mut self.seen), self.lenient, self.began + 1);
            *self = Self { epoch: Some(page.header.epoch), seen, lenient, began, ..Self::default() };
        }
        for record in page.records() {
            let record = record.unwrap();
            self.seen.push(record.revision());
            match record {
                Record::Key(key) => {
                    self.keys.insert(key.digest, key.state);
                }
                Record::Gone(gone) => {
                    self.keys.remove(&gone.digest);
                }
                Record::Policy(policy) => {
                    self.policies.insert(policy.no, policy.scopes.to_owned());
                }
                Record::Account(_) | Record::Project(_) | Record::User(_) => {}
            }
        }
        self.after = page.header.until;
        self.decides |= page.header.last;
        page.header
    }
}

fn digest(created: &serde_json::Value) -> Digest {
    Digest::of(text(created, "key").as_bytes())
}

async fn poll(plane: &ControlPlane, query: &str) -> Vec<u8> {
    let request = plane.sync_request(Method::GET, &format!("/sync/v1/changes{query}"));
    let answer = plane.send_sync(request.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/vnd.keyplane.sync"));
    answer.bytes
}

#[tokio::test]
async fn an_empty_history_answers_at_once_that_nothing_is_there() {
    let plane = ControlPlane::start().await;
    let bytes = tokio::time::timeout(Duration::from_secs(5), poll(&plane, "?wait=55")).await.unwrap();
    let header = Page::decode(&bytes).unwrap().header;
    assert_eq!((header.until, header.live, header.last), (0, 0, true));
    assert_eq!(header.epoch, plane.app.store.epoch());
}

#[tokio::test]
async fn the_feed_after_a_revision_is_exactly_what_changed_since() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let first = plane.key(&project, "live", "a").await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&plane, 1000).await;
    assert_eq!(mirror.seen, [1, 2, 3], "account, project, key");
    assert_eq!(mirror.keys, HashMap::from([(digest(&first), KeyState::Active)]));

    let body = json!({ "project_id": project, "environment": "live", "name": "b", "scopes": ["read"] });
    let second = plane.post("/v1/keys", body).await.json();
    plane.delete(&format!("/v1/keys/{}", text(&first, "id"))).await;
    plane.patch(&format!("/v1/keys/{}", text(&second, "id")), json!({ "name": "c" })).await;
    mirror.catch_up(&plane, 1000).await;
    assert_eq!(mirror.seen, [4, 5, 6], "policy, second key, first key");
    assert_eq!(mirror.keys, HashMap::from([(digest(&first), KeyState::Revoked), (digest(&second), KeyState::Active)]));
    assert_eq!(mirror.policies.values().collect::<Vec<_>>(), ["read"]);

    mirror.catch_up(&plane, 1000).await;
    assert_eq!(mirror.seen, [0; 0], "nothing changed");
}

#[tokio::test]
async fn equal_scopes_share_one_policy() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    for scopes in [json!(["a", "b"]), json!(["b", "a"]), json!([]), json!(null), json!(["a"])] {
        let body = json!({ "project_id": project, "environment": "live", "name": "n", "scopes": scopes });
        assert_eq!(plane.post("/v1/keys", body).await.status, StatusCode::CREATED);
    }
    let mut mirror = Mirror::default();
    mirror.catch_up(&plane, 1000).await;
    let mut policies: Vec<_> = mirror.policies.into_values().collect();
    policies.sort();
    assert_eq!(policies, ["a", "a b"]);
}

/// Readers that are at different places, with pages of different sizes, some of them made a while ago, through a history of all kinds of
/// changes.
#[tokio::test]
async fn every_reader_ends_with_the_same_table_whatever_its_pages() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let mut readers: Vec<(u32, Mirror)> =
        [1, 2, 3, 7, 1000].into_iter().map(|rows| (rows, Mirror::default())).collect();
    let lenient = || Mirror { lenient: true, ..Mirror::default() };
    readers.extend([1, 2, 3, 7].into_iter().map(|rows| (rows, lenient())));
    let mut ids = Vec::new();
    let mut expected = HashMap::new();
    for step in 0_usize..60 {
        plane.clock.advance(Duration::from_hours(6));
        match step % 5 {
            0 | 1 | 3 => {
                let scope = format!("s{}", step % 7);
                let body = json!({ "project_id": project, "environment": "test", "name": "n", "scopes": [scope] });
                let created = plane.post("/v1/keys", body).await.json();
                expected.insert(digest(&created), KeyState::Active);
                ids.push((text(&created, "id"), digest(&created)));
            }
            2 => {
                let (id, digest) = &ids[step * 7 % ids.len()];
                plane.delete(&format!("/v1/keys/{id}")).await;
                expected.entry(*digest).and_modify(|state| *state = KeyState::Revoked);
            }
            _ => {
                sweep(&plane.app).await.unwrap();
                for (id, digest) in &ids {
                    let key = plane.app.store.key(KeyId::parse(id).unwrap()).await.unwrap().unwrap();
                    if !key.key.state.is_in_feed() {
                        expected.remove(digest);
                    }
                }
            }
        }
        for (number, (rows, mirror)) in readers.iter_mut().enumerate() {
            if step % (number + 1) == 0 {
                mirror.catch_up(&plane, *rows).await;
                assert_eq!(mirror.keys, expected, "after step {step}, with {rows} rows");
            }
        }
        let mut made = Vec::new();
        for mut late in [Mirror::default(), lenient(), lenient()] {
            late.catch_up(&plane, 2).await;
            assert_eq!(late.keys, expected, "a snapshot after step {step}");
            made.push(plane.app.pages.made());
        }
        assert_eq!(made[1], made[2], "the same pages are made once");
    }
    assert!(expected.len() < ids.len(), "some keys have left the feed");
    for (rows, mirror) in &mut readers {
        mirror.catch_up(&plane, *rows).await;
        assert_eq!(mirror.keys, expected);
        assert_eq!(mirror.policies.len(), 7);
    }
}

#[tokio::test]
async fn a_worker_of_another_history_or_of_the_future_starts_over() {
    let plane = ControlPlane::start().await;
    plane.project().await;
    let epoch = plane.app.store.epoch();
    for query in [
        String::new(),
        "?after=1".to_owned(),
        "?epoch=00000000-0000-0000-0000-000000000000&after=1&wait=55".to_owned(),
        "?epoch=nonsense&after=2&wait=55".to_owned(),
        format!("?epoch={epoch}&after=3&wait=55"),
        format!("?epoch={epoch}&after=18446744073709551615&wait=55"),
        format!("?epoch={}&after=0", epoch.to_string().replace('-', "")),
        format!("?epoch={epoch}&after=0&unknown=1"),
    ] {
        let bytes = tokio::time::timeout(Duration::from_secs(5), poll(&plane, &query)).await.unwrap();
        let page = Page::decode(&bytes).unwrap();
        assert_eq!((page.header.epoch, page.header.after, page.header.until), (epoch, 0, 2), "{query}");
        assert_eq!(page.records().count(), 2);
    }
    let request = plane.sync_request(Method::GET, "/sync/v1/changes?after=-1").body(Body::empty()).unwrap();
    plane.send_sync(request).await.field(400, "invalid_query", "after");
}

#[tokio::test]
async fn a_change_wakes_every_waiting_poll() {
    let plane = std::sync::Arc::new(ControlPlane::start().await);
    let (_, project) = plane.project().await;
    let id = text(&plane.key(&project, "live", "a").await, "id");
    let epoch = plane.app.store.epoch();
    let polls: Vec<_> = (0..20)
        .map(|_| {
            let plane = std::sync::Arc::clone(&plane);
            tokio::spawn(async move { poll(&plane, &format!("?epoch={epoch}&after=3&wait=55")).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(polls.iter().all(|poll| !poll.is_finished()), "there is nothing new yet");
    plane.delete(&format!("/v1/keys/{id}")).await;
    for poll in polls {
        let bytes = tokio::time::timeout(Duration::from_secs(10), poll).await.unwrap().unwrap();
        let page = Page::decode(&bytes).unwrap();
        assert_eq!((page.header.after, page.header.until, page.records().count()), (3, 4, 1));
    }
}

#[tokio::test]
async fn one_revoke_reaches_two_thousand_waiting_polls_and_is_read_once() {
    const POLLS: usize = 2000;
    let plane = std::sync::Arc::new(ControlPlane::start().await);
    let (_, project) = plane.project().await;
    let id = text(&plane.key(&project, "live", "a").await, "id");
    let epoch = plane.app.store.epoch();
    let made = plane.app.pages.made();
    let waiting = |after: u64| -> Vec<_> {
        let ask = |_| {
            let plane = std::sync::Arc::clone(&plane);
            tokio::spawn(async move { poll(&plane, &format!("?epoch={epoch}&after={after}&wait=55")).await })
        };
        (0..POLLS).map(ask).collect()
    };
    let polls = waiting(3);
    // Each that waits holds a receiver of the head beside those of the others.
    let deadline = Instant::now() + Duration::from_mins(1);
    while plane.app.store.waiting() < POLLS {
        assert!(Instant::now() < deadline, "{} wait", plane.app.store.waiting());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(plane.app.pages.made(), made, "nothing is read to find out that nothing is new");
    plane.delete(&format!("/v1/keys/{id}")).await;
    for poll in polls {
        let bytes = tokio::time::timeout(Duration::from_mins(1), poll).await.unwrap().unwrap();
        let page = Page::decode(&bytes).unwrap();
        assert!(page.records().any(|record| matches!(record, Ok(Record::Key(key)) if key.state == KeyState::Revoked)));
    }
    assert_eq!(plane.app.pages.made(), made + 1);
}

/// All of them at once, as after a power cut: nobody is turned away, and each page is read from the database once.
#[tokio::test]
async fn two_thousand_first_loads_at_once_are_all_answered() {
    const PROXIES: usize = 2000;
    const KEYS: usize = 40;
    let plane = std::sync::Arc::new(ControlPlane::start().await);
    let (_, project) = plane.project().await;
    for _ in 0..KEYS {
        plane.key(&project, "live", "k").await;
    }
    let made = plane.app.pages.made();
    let loads: Vec<_> = (0..PROXIES)
        .map(|_| {
            let plane = std::sync::Arc::clone(&plane);
            tokio::spawn(async move {
                let mut mirror = Mirror { lenient: true, ..Mirror::default() };
                mirror.catch_up(&plane, 10).await;
                mirror.keys.len()
            })
        })
        .collect();
    // The same through all layers, with the token of a proxy.
    let first = |_| {
        let plane = std::sync::Arc::clone(&plane);
        tokio::spawn(async move { poll(&plane, "?after=0&wait=0").await })
    };
    let first: Vec<_> = (0..PROXIES).map(first).collect();
    for load in loads {
        assert_eq!(load.await.unwrap(), KEYS);
    }
    for page in first {
        assert_eq!(Page::decode(&page.await.unwrap()).unwrap().records().count(), KEYS + 2);
    }
    assert_eq!(plane.app.pages.made() - made, 6, "five pages of ten rows, and one of all");
}

/// One page after another, as an HTTP cache sees them.
#[tokio::test]
async fn closed_pages_of_a_catch_up_may_be_cached_and_nothing_else() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    // Enough for four pages of a megabyte.
    let new_key = async |number: usize| {
        let scopes: Vec<_> = (0..SCOPES).map(|scope| format!("{number:0>width$}:{scope:02}", width = 60)).collect();
        let body = json!({ "project_id": project, "environment": "live", "name": "n", "scopes": scopes });
        let answer = plane.post("/v1/keys", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        text(&answer.json(), "id")
    };
    let mut first = None;
    for start in (0..1_000).step_by(50) {
        let made = futures_util::future::join_all((start..start + 50).map(&new_key)).await;
        first.get_or_insert_with(|| made[0].clone());
    }
    let epoch = plane.app.store.epoch();
    let ask = async |query: &str, encoding: Option<&str>| {
        let mut request = plane.sync_request(Method::GET, &format!("/sync/v1/changes{query}"));
        if let Some(encoding) = encoding {
            request = request.header("accept-encoding", encoding);
        }
        plane.send_sync(request.body(Body::empty()).unwrap()).await
    };
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let query = format!("?epoch={epoch}&after={after}&wait=0&closed=1");
        let answer = ask(&query, None).await;
        let header = Page::decode(&answer.bytes).unwrap().header;
        let kept = if after == 0 || header.last { "no-store" } else { "public, max-age=60" };
        assert_eq!((answer.header("cache-control"), answer.header("content-encoding")), (kept, ""), "{header:?}");
        assert_eq!(answer.header("vary"), "accept-encoding, authorization");
        let strict = ask(&query.replace("&closed=1", ""), None).await;
        assert_eq!((strict.header("cache-control"), strict.bytes == answer.bytes), ("no-store", true), "{header:?}");
        let compressed = ask(&query, Some("gzip, br")).await;
        assert_eq!((compressed.header("cache-control"), compressed.header("content-encoding")), (kept, "gzip"));
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&*compressed.bytes).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == answer.bytes && compressed.bytes.len() < unpacked.len());
        seen.push((query, answer.bytes));
        after = header.until;
        if header.last {
            break;
        }
    }
    assert!(seen.len() >= 4, "{}", seen.len());
    let (short, up_to_date) = (format!("?epoch={epoch}&after={after}&wait=0&closed=1"), seen.len() - 1);
    let answer = ask(&short, Some("gzip")).await;
    assert_eq!((answer.header("content-encoding"), answer.header("cache-control")), ("", "no-store"), "it is short");
    let other = ask("?epoch=00000000-0000-0000-0000-000000000000&after=512&wait=0&closed=1", None).await;
    assert_eq!(other.header("cache-control"), "no-store", "another history");

    // A key of the first page changes: those who start over see the change, and find the closed pages where they were.
    plane.delete(&format!("/v1/keys/{}", first.unwrap())).await;
    for (number, (query, before)) in seen.iter().enumerate() {
        let is_closed = number != 0 && number != up_to_date;
        assert_eq!(ask(query, None).await.bytes == *before, is_closed, "page {number}");
        let strict = ask(&query.replace("&closed=1", ""), None).await;
        let [old, new] = [before, &strict.bytes].map(|bytes| Page::decode(bytes).unwrap().header);
        assert_eq!((new.after, new.head), (old.after, old.head + 1), "page {number}");
        assert!(new.last || new.until == old.until, "page {number} ends where it did");
    }
}

#[tokio::test]
async fn a_poll_without_news_ends_empty_when_its_time_is_up() {
    let plane = ControlPlane::start().await;
    plane.project().await;
    let epoch = plane.app.store.epoch();
    let start = Instant::now();
    let page = poll(&plane, &format!("?epoch={epoch}&after=2&wait=1")).await;
    let waited = start.elapsed();
    let header = Page::decode(&page).unwrap().header;
    assert_eq!((header.after, header.until, header.last), (2, 2, true));
    assert!(waited >= Duration::from_millis(900), "{waited:?}");
}

#[tokio::test]
async fn waiting_polls_are_answered_when_the_process_stops() {
    let plane = std::sync::Arc::new(ControlPlane::start().await);
    let epoch = plane.app.store.epoch();
    let waiting = {
        let plane = std::sync::Arc::clone(&plane);
        tokio::spawn(async move { poll(&plane, &format!("?epoch={epoch}&after=0&wait=55")).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    plane.stop.send_replace(true);
    let bytes = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert!(Page::decode(&bytes).unwrap().header.last);
}

#[tokio::test]
async fn a_revoked_key_leaves_the_feed_after_its_retention_and_stays_in_the_list() {
    let plane = ControlPlane::start().await;
    let (_, project) = plane.project().await;
    let created = plane.key(&project, "live", "a").await;
    let path = format!("/v1/keys/{}", text(&created, "id"));
    plane.delete(&path).await;
    let mut mirror = Mirror::default();
    mirror.catch_up(&plane, 1000).await;
    plane.clock.advance(Duration::from_hours(7 * 24) - Duration::from_millis(1));
    assert_eq!(sweep(&plane.app).await.unwrap().left_feed, 0);
    plane.clock.advance(Duration::from_millis(1));
    assert_eq!(sweep(&plane.app).await.unwrap().left_feed, 1);
    assert_eq!(sweep(&plane.app).await.unwrap().left_feed, 0);
    assert_eq!(mirror.catch_up(&plane, 1000).await.live, 0);
    assert_eq!(plane.get(&path).await.json()["status"], "revoked");
    assert_eq!(plane.get("/v1/keys").await.json()["data"].as_array().unwrap().len(), 1);
    assert_eq!(plane.delete(&path).await.json()["status"], "revoked");
    let mut late = Mirror::default();
    late.catch_up(&plane, 1000).await;
    assert_eq!(late.seen, [1, 2], "a snapshot needs no tombstones");
}

/// Workers that went away at every step of a history, or began to load in it, come back when some of its tombstones are forgotten.
#[tokio::test]
async fn whoever_comes_back_ends_with_the_table_of_one_that_loads_anew() {
    let mut plane = ControlPlane::start().await;
    plane.app.revoked_retention = Duration::from_hours(24);
    let (_, project) = plane.project().await;
    let (mut ids, mut away) = (Vec::new(), Vec::new());
    let began = plane.app.now();
    for step in 0_usize..48 {
        plane.clock.advance(Duration::from_hours(8));
        ids.push(text(&plane.key(&project, "live", "k").await, "id"));
        if step % 2 == 1 {
            plane.delete(&format!("/v1/keys/{}", ids[step / 2])).await;
        }
        sweep(&plane.app).await.unwrap();
        let mut complete = Mirror::default();
        complete.catch_up(&plane, 1000).await;
        let mut loading = Mirror { lenient: true, ..Mirror::default() };
        assert!(!loading.step(&plane, 1).await.last);
        away.push((plane.app.now(), complete, loading));
    }
    let mut anew = Mirror::default();
    anew.catch_up(&plane, 1000).await;
    let horizon = plane.app.store.changes(1, 1).await.unwrap().tombstones_after;
    let (mut resumed, mut restarted) = (0, 0);
    for (left, mut complete, mut loading) in away {
        let knew = complete.after;
        complete.catch_up(&plane, 3).await;
        assert_eq!(complete.keys, anew.keys, "away since {left}");
        assert_eq!(complete.began > 1, knew < horizon, "away since {left}, at {knew}, and tombstones after {horizon}");
        if knew < horizon {
            restarted += 1;
        } else {
            resumed += 1;
        }
        // Nobody loads for longer than tombstones are kept.
        if left > plane.app.now().before(TOMBSTONES_KEPT) {
            loading.catch_up(&plane, 3).await;
            assert_eq!((&loading.keys, loading.began), (&anew.keys, 1), "began to load at {left}");
        }
    }
    assert!(resumed > 10 && restarted > 10, "{resumed}, {restarted}, since {began}");
    let mut late = Mirror { lenient: true, ..Mirror::default() };
    late.step(&plane, 2).await;
    late.catch_up(&plane, 2).await;
    let tombstones = late.seen.len() - late.keys.len();
    assert!(tombstones < 15, "a load has no tombstones of old: {tombstones}");
}

#[tokio::test]
async fn a_poll_acknowledges_the_revision_that_it_follows() {
    let plane = ControlPlane::start().await;
    plane.project().await;
    let epoch = plane.app.store.epoch();
    for (worker, query) in [
        (1, String::new()),
        (2, format!("?epoch={epoch}&after=1&wait=1")),
        (3, format!("?epoch={epoch}&after=2&wait=1")),
    ] {
        let request = plane
            .sync_request(Method::GET, &format!("/sync/v1/changes{query}"))
            .header("x-keyplane-worker", format!("{worker:032x}"))
            .header("x-keyplane-proxy", if worker == 1 { "late" } else { "edge" })
            .header("x-keyplane-filter", "0.1.0");
        assert_eq!(plane.send_sync(request.body(Body::empty()).unwrap()).await.status, StatusCode::OK);
    }
    let list = plane.get("/v1/proxies").await.json();
    assert_eq!(list["revision"], 2);
    let proxies: BTreeMap<_, _> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|proxy| (text(proxy, "name"), (proxy["revision"].clone(), proxy["workers"].as_array().unwrap().len())))
        .collect();
    assert_eq!(proxies, BTreeMap::from([("edge".to_owned(), (json!(1), 2)), ("late".to_owned(), (json!(null), 1))]));
    plane.clock.advance(Duration::from_mins(2));
    assert_eq!(plane.get("/v1/proxies").await.json()["data"], json!([]));
}
