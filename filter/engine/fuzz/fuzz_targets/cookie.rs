//! Credentials in cookies: whatever the `Cookie` headers are (one on each line), removing a cookie leaves every other one, in order and byte
//! for byte but for the space around it, and nothing is left to be found.

#![no_main]

use keyplane_filter_engine::credential::cookie::{keep, pairs, value};
use libfuzzer_sys::fuzz_target;

const NAME: &[u8] = b"key";

fuzz_target!(|headers: &[u8]| {
    let headers: Vec<&[u8]> = headers.split(|byte| *byte == b'\n').collect();
    let mut kept = Vec::new();
    for header in &headers {
        keep(&mut kept, header, |pair| value(pair, NAME).is_some());
    }
    let expected: Vec<&[u8]> = headers.iter().flat_map(|header| others(header)).collect();
    assert_eq!(others(&kept), expected);
    assert!(!pairs(&kept).any(|pair| value(pair, NAME).is_some()));
    assert!(kept.len() <= headers.iter().map(|header| header.len() + 2).sum());
    for pair in headers.iter().flat_map(|header| pairs(header)) {
        assert_eq!(value(pair, NAME).is_some(), is_named(pair));
    }
});

/// The cookies that stay, without the space around them; what is nothing but space is none.
fn others(header: &[u8]) -> Vec<&[u8]> {
    let pairs = header.split(|byte| *byte == b';').filter(|pair| !is_named(pair));
    pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()).collect()
}

fn is_named(pair: &[u8]) -> bool {
    pair.iter().position(|byte| *byte == b'=').is_some_and(|at| pair[..at].trim_ascii() == NAME)
}
