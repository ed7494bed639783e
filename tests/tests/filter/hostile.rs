//! Values that no honest client sends, in every place that the filter looks at: empty, 64 KiB, with NUL, not UTF-8, full of separators, hundreds of
//! them. Nobody gets in by one, none of them traps or takes long, and the next good request is right.

use keyplane_tests::host::{ContextId, Verdict};

use super::{
    bench::Bench,
    control_plane::{ACCOUNT, ControlPlane, secret},
    jwt::metadata,
};

const CONFIG: &str = r#"{
    "control_plane": {"cluster": "keyplane"},
    "credentials": [{"header": "X-API-Key"}, {"bearer": "Authorization"}, {"query": "api_key"}, {"cookie": "key"}],
    "accept": "either",
    "jwt": {"providers": [{"issuer": "https://a"}]},
    "rules": [
        {"name": "open", "hosts": ["open.example.com", "*.open.example.com:*"], "paths": ["/open/*/x/**"], "access": "public"},
        {"name": "admin", "paths": ["/admin/**"], "methods": ["GET"], "scopes": {"all": ["admin"]}}
    ],
    "identity": {"preset": "kong", "filter_state": ["reason", "account", "rule"]}
}"#;
/// Fuel of one callback. An allowed request takes some 30,000; 64 KiB that are looked at byte by byte a few times take some millions.
const FUEL: u64 = 20_000_000;
const LENGTH: usize = 64 * 1024;

/// Header and what stands before the hostile part, for each place.
const PLACES: [(&str, &str); 20] = [
    ("x-api-key", ""),
    ("authorization", ""),
    ("authorization", "Bearer "),
    ("cookie", ""),
    ("cookie", "key="),
    ("cookie", "a=1; key=\""),
    (":path", ""),
    (":path", "/"),
    (":path", "/jobs?api_key="),
    (":path", "/jobs?"),
    (":authority", ""),
    (":authority", "open.example.com:"),
    (":authority", "[::1"),
    (":method", ""),
    ("connection", ""),
    ("connection", "upgrade, "),
    ("origin", ""),
    ("access-control-request-method", ""),
    ("x-keyplane-", ""),
    ("x-forwarded-for", ""),
];

fn values() -> Vec<Vec<u8>> {
    let many = |part: &[u8]| part.iter().copied().cycle().take(LENGTH).collect();
    let parts: [&[u8]; 17] = [
        b"a",
        b"\0",
        b"\xff\xfe",
        b",",
        b", ",
        b"&",
        b";",
        b"=",
        b"%",
        b"%2",
        b"%61",
        b"/",
        b"/a",
        b".",
        b"api_key=&",
        b"key=;",
        b"x-consumer-id,",
    ];
    let mut values: Vec<Vec<u8>> = parts.into_iter().map(many).collect();
    values.extend(
        [&b""[..], b"\0", b"a\0b", b"\xff", b"\xc0\xaf", b"%00", b" ", b"\r\nx-consumer-id: forged", b"*"]
            .map(<[u8]>::to_vec),
    );
    values
}

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.issue(1);
    plane.revoke(2);
    plane
}

fn worker() -> Bench {
    let mut bench = Bench::with_config(CONFIG);
    bench.catch_up(&plane());
    bench.vm.limit_fuel(FUEL);
    bench
}

/// A request of these headers, and the usual ones that are not among them.
fn send(bench: &mut Bench, headers: &[(&str, Vec<u8>)], properties: &[(&[&str], &[u8])]) -> ContextId {
    let usual = [(":method", "GET"), (":path", "/jobs"), (":authority", "api.example.com")];
    let usual = usual.into_iter().filter(|(name, _)| headers.iter().all(|(found, _)| found != name));
    let all: Vec<(&str, Vec<u8>)> =
        usual.map(|(name, value)| (name, value.into())).chain(headers.iter().cloned()).collect();
    let stream = bench.vm.stream(bench.root, &all).unwrap();
    bench.vm.set_stream_property(stream, &["metadata"], b"").unwrap();
    for (path, value) in properties {
        bench.vm.set_stream_property(stream, path, value).unwrap();
    }
    bench.vm.request_headers(stream, true).unwrap();
    stream
}

fn key(number: u64) -> (&'static str, Vec<u8>) {
    ("x-api-key", secret(number).into_bytes())
}

/// What passed did so as the good key's account, and without its key.
fn assert_identity(bench: &Bench, stream: ContextId) {
    let seen = &bench.state(stream).request_headers;
    assert_eq!(seen.get_all("x-consumer-id"), [ACCOUNT.to_string().as_bytes()]);
    let told = format!("{seen:?}{:?}", bench.state(stream).filter_state);
    assert!(!told.contains(&secret(1)) && !told.contains("x-consumer-id: "), "{told:.2000}");
}

fn assert_in_order(bench: &mut Bench, what: &str) {
    let (good, bad) = (send(bench, &[key(1)], &[]), send(bench, &[key(2)], &[]));
    assert_eq!(bench.verdict(good), Verdict::Allowed, "after {what}");
    assert_identity(bench, good);
    assert!(matches!(bench.verdict(bad), Verdict::Refused(_)), "after {what}");
    for stream in [good, bad] {
        bench.vm.delete_stream(stream).unwrap();
    }
}

#[test]
fn hostile_values_in_every_place_let_nobody_in() {
    let mut bench = worker();
    let (mut cases, mut allowed) = (0, 0);
    for (name, before) in PLACES {
        for value in values() {
            let value = [before.as_bytes(), &value].concat();
            let what = format!("{name}: {before}{:?}", &value[before.len()..value.len().min(before.len() + 20)]);
            let hostile = (name, value);
            // Alone, beside a good key, behind one, before one, with a bad one.
            let alone = send(&mut bench, std::slice::from_ref(&hostile), &[]);
            assert!(matches!(bench.verdict(alone), Verdict::Refused(_)), "{what}: {:?}", bench.verdict(alone));
            let bad = send(&mut bench, &[key(2), hostile.clone()], &[]);
            assert!(matches!(bench.verdict(bad), Verdict::Refused(_)), "{what}: {:?}", bench.verdict(bad));
            for headers in [[key(1), hostile.clone()], [hostile.clone(), key(1)]] {
                let stream = send(&mut bench, &headers, &[]);
                match bench.verdict(stream) {
                    Verdict::Allowed => {
                        allowed += 1;
                        assert!(name != "x-api-key", "{what} beside a key passes");
                        assert_identity(&bench, stream);
                    }
                    verdict => assert!(matches!(verdict, Verdict::Refused(_)), "{what}: {verdict:?}"),
                }
                bench.vm.delete_stream(stream).unwrap();
            }
            for stream in [alone, bad] {
                bench.vm.delete_stream(stream).unwrap();
            }
            assert_in_order(&mut bench, &what);
            cases += 4;
        }
    }
    println!("{cases} cases, {allowed} allowed");
    assert!(cases > 2_000 && allowed > 500);
}

#[test]
fn hundreds_of_the_same_header_let_nobody_in() {
    let mut bench = worker();
    for (name, before) in PLACES {
        let value = [before.as_bytes(), secret(1).as_bytes()].concat();
        let many = vec![(name, value); 500];
        let stream = send(&mut bench, &many, &[]);
        assert!(matches!(bench.verdict(stream), Verdict::Refused(_)), "{name}: {before}: {:?}", bench.verdict(stream));
        bench.vm.delete_stream(stream).unwrap();
        assert_in_order(&mut bench, name);
    }
    // Names that fold to owned ones, hundreds of them, are all gone.
    let names: Vec<String> = (0..500).map(|number| format!("X_Consumer.{number}")).collect();
    let mut headers: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (name.as_str(), b"forged".to_vec())).collect();
    headers.push(key(1));
    let stream = send(&mut bench, &headers, &[]);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    assert!(!format!("{:?}", bench.state(stream).request_headers.entries()).to_lowercase().contains("consumer.4"));
}

#[test]
fn hostile_preflights_have_no_identity() {
    let mut bench = worker();
    for value in values() {
        for name in ["origin", "access-control-request-method"] {
            let other = if name == "origin" { "access-control-request-method" } else { "origin" };
            let asks = [
                (":method", b"OPTIONS".to_vec()),
                (name, value.clone()),
                (other, b"GET".to_vec()),
                ("x-consumer-id", b"forged".to_vec()),
            ];
            let stream = send(&mut bench, &asks, &[]);
            let seen = &bench.state(stream).request_headers;
            assert!(seen.get("x-consumer-id").is_none());
            assert!(!value.is_empty() || bench.verdict(stream) != Verdict::Allowed);
            bench.vm.delete_stream(stream).unwrap();
        }
    }
    assert_in_order(&mut bench, "preflights");
}

#[test]
fn hostile_addresses_and_metadata_let_nobody_in() {
    let mut bench = worker();
    let good = metadata(&[("iss", "https://a"), ("sub", "user_1")]);
    let huge = "u".repeat(LENGTH - 200);
    let payloads = [
        metadata(&[("iss", "https://a"), ("sub", &huge[..16_000])]),
        metadata(&[("iss", &huge[..16_000]), ("sub", "u")]),
        metadata(&[("iss", "https://a\0"), ("sub", "u")]),
        metadata(&[("iss", "https://a"), ("sub", "a\r\nx-consumer-id: forged")]),
        good[..good.len() - 1].to_vec(),
    ];
    for value in values().into_iter().chain(payloads) {
        for path in [&["metadata"][..], &["source", "address"]] {
            let properties = [(path, &value[..])];
            let alone = send(&mut bench, &[], &properties);
            assert!(matches!(bench.verdict(alone), Verdict::Refused(_)));
            let bad = send(&mut bench, &[key(2)], &properties);
            assert!(matches!(bench.verdict(bad), Verdict::Refused(_)));
            for stream in [alone, bad] {
                bench.vm.delete_stream(stream).unwrap();
            }
        }
    }
    assert_in_order(&mut bench, "metadata");
    let stream = send(&mut bench, &[], &[(&["metadata"], &good)]);
    assert_eq!(bench.verdict(stream), Verdict::Allowed, "the payload that the others were made of");
}
