//! Credentials in queries: whatever the path is, they are found however they are encoded, removing them leaves every other byte in order,
//! and nothing is left to be found. What is expected is said by a second, plainer reading of the path.

#![no_main]

use keyplane_filter_engine::credential::query::{is_named, parameters, value, without};
use keyplane_filter_engine_fuzz::decoded;
use libfuzzer_sys::fuzz_target;

const NAME: &[u8] = b"api_key";

fuzz_target!(|path: &[u8]| {
    let (before, query) = match path.iter().position(|byte| *byte == b'?') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    };
    let all: Vec<&[u8]> = query.map(|query| query.split(|byte| *byte == b'&').collect()).unwrap_or_default();
    assert_eq!(parameters(path).collect::<Vec<_>>(), all);
    for parameter in &all {
        let mut parts = parameter.splitn(2, |byte| *byte == b'=');
        let (name, expected) = (parts.next().unwrap(), parts.next().unwrap_or_default());
        assert_eq!(is_named(parameter, NAME), decoded(name) == NAME);
        let expected = decoded(expected);
        match value(parameter) {
            Some(value) => assert_eq!(*value, expected),
            None => assert!(expected.len() > 512),
        }
    }
    let others: Vec<&[u8]> = all.iter().copied().filter(|parameter| !is_named(parameter, NAME)).collect();
    let left = without(path, |parameter| is_named(parameter, NAME));
    let query = others.join(&b'&');
    let expected = if query.is_empty() { before.to_vec() } else { [before, b"?", &query].concat() };
    assert_eq!(left, expected);
    assert!(!parameters(&left).any(|parameter| is_named(parameter, NAME)));
});
