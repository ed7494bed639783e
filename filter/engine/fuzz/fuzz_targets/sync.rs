//! Pages from a control plane that errs: the checksum is made right, all else is as it comes. A page that is refused
//! changes nothing, and the table that serves is never lost.

#![no_main]

use keyplane_contract::sync::UsageBatch;
use keyplane_filter_engine::settings::Settings;
use keyplane_filter_engine::sync::{PollAnswer, Progress, Sync, SyncFault};
use keyplane_filter_engine_fuzz::snapshot;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = UsageBatch::decode(&sealed(bytes));
    let settings = Settings::parse(br#"{"control_plane": {"cluster": "k"}}"#).unwrap();
    let mut sync = Sync::new(&settings.control_plane, 0, 7);
    let mut now = 1_000;
    assert!(sync.poll_due(now, 7).is_some());
    assert_eq!(sync.answered(now, 7, PollAnswer::Page(&snapshot())), Progress::Complete);
    // Several pages, parted by what no page begins with.
    for page in split(bytes) {
        now += 60_000;
        if sync.poll_due(now, 7).is_none() {
            // The one in flight counts as lost by now, and the next one starts a little later.
            now += 60_000;
            assert!(sync.poll_due(now, 7).is_some());
        }
        let before = sync.table().map(|table| (table.epoch, table.revision, table.keys.len())).unwrap();
        // Pages of an odd length answer a probe beside the poll.
        let is_probe = page.len() % 2 == 1 && {
            sync.want();
            sync.probe_due(now).is_some()
        };
        let page = sealed(page);
        let page = PollAnswer::Page(&page);
        let progress = if is_probe { sync.probed(now, page) } else { sync.answered(now, 7, page) };
        let after = sync.table().map(|table| (table.epoch, table.revision, table.keys.len())).unwrap();
        if let Progress::Failed(SyncFault::Page | SyncFault::Gap | SyncFault::Shrink | SyncFault::Backwards) = progress
        {
            assert_eq!(before, after);
        }
    }
});

fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let mut pages = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(4).skip(1).position(|window| window == b"KPSY") {
        let (page, next) = rest.split_at(at + 1);
        pages.push(page);
        rest = next;
    }
    pages.push(rest);
    pages
}

/// With the checksum that a page or batch ends in.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    [bytes, &crc32fast::hash(bytes).to_le_bytes()].concat()
}
