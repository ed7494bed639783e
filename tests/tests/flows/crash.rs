//! What the control plane has acknowledged survives its sudden end.

use super::fixture::{Flow, project};
use keyplane_contract::id::Id;
use keyplane_contract::sync::{Page, Record};
use secrecy::ExposeSecret;
use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use xtask::stack::Client;

const WRITES: usize = 2_000;
const WRITERS: usize = 4;
/// How often it is killed on the way.
const KILLS: usize = 3;

#[test]
fn every_acknowledged_write_survives_kill_9_and_proxies_can_miss_none() {
    let mut flow = Flow::start();
    let api = flow.api();
    let project = project(&api);
    let (acknowledged, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let ids: BTreeSet<String> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut ids = Vec::new();
                    while acknowledged.load(Ordering::Relaxed) < WRITES && !done.load(Ordering::Relaxed) {
                        // A write that was cut off may or may not be there; only a 201 is a promise.
                        match api.create_key(&project, "crash") {
                            Ok(key) => {
                                acknowledged.fetch_add(1, Ordering::Relaxed);
                                ids.push(key.id);
                            }
                            Err(_) => std::thread::sleep(Duration::from_millis(5)),
                        }
                    }
                    ids
                })
            })
            .collect();
        for kill in 1..=KILLS {
            while acknowledged.load(Ordering::Relaxed) < kill * WRITES / (KILLS + 1) {
                std::thread::sleep(Duration::from_millis(1));
            }
            flow.stack.control_plane.kill();
            // Whatever fails here, the writers must end.
            let restarted = flow.stack.control_plane.start();
            done.store(restarted.is_err(), Ordering::Relaxed);
            restarted.unwrap();
        }
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    assert!(ids.len() >= WRITES);

    // Everything acknowledged is in the feed, each revision once and in order, and the count is right.
    let (fed, revisions, live) = feed(&flow.stack.control_plane.sync_client(), flow.stack.control_plane.proxy_token());
    let lost: Vec<_> = ids.difference(&fed).collect();
    assert!(lost.is_empty(), "{} acknowledged keys are not in the feed", lost.len());
    assert!(revisions.is_sorted_by(|a, b| a < b));
    assert_eq!(live, fed.len() as u64);
    // And in the API.
    for id in ids.iter().step_by(97) {
        assert_eq!(api.key(id).unwrap()["status"], "active");
    }
    flow.stack.control_plane.stop().unwrap();
    let database = flow.stack.control_plane.data().join("keyplane.db");
    let check =
        "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('PRAGMA integrity_check').fetchone()[0])";
    let output = Command::new("python3").args(["-c", check]).arg(database).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "ok");
}

/// The keys of a whole snapshot, the revisions of all rows, and the number of keys that the last page tells.
fn feed(sync: &Client, token: &secrecy::SecretString) -> (BTreeSet<String>, Vec<u64>, u64) {
    let token = format!("Bearer {}", token.expose_secret());
    let (mut keys, mut revisions, mut after, mut epoch) = (BTreeSet::new(), Vec::new(), 0, None::<Id>);
    loop {
        let epoch_query = epoch.map(|epoch| format!("&epoch={epoch}")).unwrap_or_default();
        let path = format!("/sync/v1/changes?after={after}&wait=0{epoch_query}");
        let answer = sync.get(&path, &[("authorization", &token)]).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let page = Page::decode(&answer.body).unwrap();
        assert_eq!(page.header.after, after);
        for record in page.records() {
            let record = record.unwrap();
            revisions.push(record.revision());
            if let Record::Key(key) = record {
                keys.insert(key.id.to_string());
            }
        }
        (after, epoch) = (page.header.until, Some(page.header.epoch));
        if page.header.last {
            return (keys, revisions, page.header.live);
        }
    }
}
