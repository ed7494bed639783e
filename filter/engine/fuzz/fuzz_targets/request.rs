//! Whatever a caller sends: nobody passes without the good key, no forged identity stays, and the key does not go on.
//!
//! The first line of the input picks the plugin configuration; the others are headers.

#![no_main]

use keyplane_contract::id::Id;
use keyplane_filter_engine::headers::is_owned;
use keyplane_filter_engine::request::handle;
use keyplane_filter_engine::settings::Settings;
use keyplane_filter_engine::table::Table;
use keyplane_filter_engine_fuzz::{EPOCH, GOOD_KEY, Request, rows};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

/// None of these lets a request pass that has no key, so that passing means having it.
const CONFIGURATIONS: [&str; 1] = [r#"{"control_plane": {"cluster": "k"}}"#];

static SETTINGS: OnceLock<Vec<Settings>> = OnceLock::new();

fuzz_target!(|input: &[u8]| {
    let (first, text) = input.split_at(input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len()));
    let settings =
        SETTINGS.get_or_init(|| CONFIGURATIONS.iter().map(|json| Settings::parse(json.as_bytes()).unwrap()).collect());
    let settings = &settings[first.first().map_or(0, |byte| usize::from(*byte)) % settings.len()];
    let mut table = Table::new(EPOCH, 7);
    for row in rows() {
        assert!(table.apply(&row));
    }
    let request = Request::from_text(text);
    // As bytes, too: a host's block may be anything.
    let _ = handle(text, settings, Some(&table), &Request::from_text(b""));
    let outcome = handle(&request.block(), settings, Some(&table), &request);
    let headers = request.headers.borrow();
    let own = |value: &[u8]| {
        [Id([1; 16]), Id([2; 16]), Id([3; 16])].iter().any(|id| value == id.to_text()) || value == b"live"
    };
    if outcome.reason.is_allowed() {
        assert!(contains(text, GOOD_KEY.as_bytes()), "passed without the key");
        // A header that is no place for a key is nobody's business.
        assert!(!headers.iter().any(|(name, value)| is_place(name, value)), "the key went on");
        assert!(headers.iter().all(|(name, value)| !is_owned(name) || own(value)), "a forged identity stayed");
    } else {
        assert!(!headers.iter().any(|(name, _)| is_owned(name)), "a forged identity stayed");
    }
});

fn is_place(name: &[u8], value: &[u8]) -> bool {
    name == b"x-api-key" || (name == b"authorization" && value.trim_ascii() == format!("Bearer {GOOD_KEY}").as_bytes())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
