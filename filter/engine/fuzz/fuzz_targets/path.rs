//! Paths and rules. The first line says how the upstream reads paths (`s`, `d`, `i`), the last one is the path of a request, and each one
//! between them is the path of a rule.
//!
//! A path that is accepted is the same to every server that is known to read paths in another way, and the rule that is found is the one
//! that trying one after the other finds.

#![no_main]

use keyplane_filter_engine::rules::path::Treatment;
use keyplane_filter_engine::rules::{Paths, RuleConfig, Rules};
use keyplane_filter_engine_fuzz::decoded;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let Some(path) = lines.pop() else { return };
    let (options, rules) = lines.split_first().map_or((&[][..], &[][..]), |(first, rest)| (*first, rest));
    let treatment = |letter| if options.contains(&letter) { Treatment::Literal } else { Treatment::Refuse };
    let paths =
        Paths { semicolon: treatment(b's'), double_encoding: treatment(b'd'), ignore_case: options.contains(&b'i') };
    let bare = path.split(|byte| *byte == b'?').next().unwrap();
    let accepted = paths.of(b"GET", Some(path));
    if accepted.is_ok() {
        assert_eq!(accepted, Ok(Some(bare)));
        is_read_in_one_way(bare, paths);
    }
    let Ok(patterns) = rules.iter().map(|rule| std::str::from_utf8(rule)).collect::<Result<Vec<_>, _>>() else {
        return;
    };
    let of = |pattern: &&str| RuleConfig { paths: Some(vec![(*pattern).to_owned()]), ..RuleConfig::default() };
    let compiled = match Rules::compile(&patterns.iter().map(of).collect::<Vec<_>>(), paths) {
        Ok(compiled) => compiled,
        Err(error) => return assert!(error.to_string().contains("`rules"), "{error}"),
    };
    let found = compiled.find(b"GET", b"x", Some(path)).map(|rule| rule.name.to_string());
    let first = patterns.iter().position(|pattern| is_for(pattern, bare, paths.ignore_case));
    let expected = first.map_or("default".to_owned(), |place| format!("rule-{place}"));
    match found {
        Ok(name) => assert_eq!(name, expected),
        Err(_) => assert!(accepted.is_err() && !patterns.is_empty()),
    }
});

/// Segments, split first and decoded then, as rules compare them.
fn segments(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/').skip(1).map(decoded).collect()
}

/// Other ways to read a path that servers are known to have.
fn is_read_in_one_way(path: &[u8], paths: Paths) {
    let expected = segments(path);
    assert_eq!(path.first(), Some(&b'/'));
    // It is decoded as a whole, and `\` is `/`.
    let whole: Vec<u8> = decoded(path).iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect();
    assert_eq!(plain_segments(&whole), expected, "decoded first");
    // Dots and empty segments are resolved, before and after decoding.
    assert_eq!(segments(&resolved(path)), expected, "resolved");
    assert_eq!(plain_segments(&resolved(&whole)), expected, "decoded, then resolved");
    // It ends at a NUL, or at a `#`.
    assert!(!whole.contains(&0) && !path.contains(&b'#'));
    if paths.semicolon == Treatment::Refuse {
        assert!(!whole.contains(&b';'), "parameters");
    } else {
        // Cut off, they must make no other path out of dots or of nothing.
        let cut: Vec<&[u8]> = whole
            .split(|byte| *byte == b'/')
            .map(|segment| segment.split(|byte| *byte == b';').next().unwrap())
            .collect();
        let cut = cut.join(&b'/');
        assert_eq!(resolved(&cut), cut, "parameters cut off, then resolved");
    }
    if paths.double_encoding == Treatment::Refuse {
        assert_eq!(decoded(&whole), whole, "decoded twice");
    }
}

fn plain_segments(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/').skip(1).map(<[u8]>::to_vec).collect()
}

/// RFC 3986, 5.2.4, with `//` made `/`.
fn resolved(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').skip(1).collect();
    for (at, part) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        match *part {
            b".." => {
                kept.pop();
            }
            b"." | b"" => {}
            part => kept.push(part),
        }
        if is_last && matches!(*part, b"" | b"." | b"..") {
            kept.push(b"");
        }
    }
    [b"/", &*kept.join(&b'/')].concat()
}

/// Whether a rule's path is for this one, said as plainly as possible.
fn is_for(pattern: &str, path: &[u8], ignore_case: bool) -> bool {
    let fold = |segment: &[u8]| {
        let segment = decoded(segment);
        if ignore_case { segment.to_ascii_lowercase() } else { segment }
    };
    let (pattern, below) = pattern.strip_suffix("/**").map_or((pattern, false), |pattern| (pattern, true));
    let steps: Vec<&[u8]> = pattern.as_bytes().split(|byte| *byte == b'/').skip(1).collect();
    let segments: Vec<&[u8]> = path.split(|byte| *byte == b'/').skip(1).collect();
    (steps.len() == segments.len() || (below && steps.len() < segments.len()))
        && steps
            .iter()
            .zip(&segments)
            .all(|(step, segment)| if *step == b"*" { !segment.is_empty() } else { fold(step) == fold(segment) })
}
