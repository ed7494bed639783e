//! Tokens that `jwt_authn` has verified, in the built filter. What it writes is made here byte by byte: `envoy.config.core.v3.Metadata`.

use keyplane_tests::host::{ContextId, Fault, Status, Verdict};

use super::{
    bench::{Bench, counters},
    control_plane::{ControlPlane, secret},
};

const CONFIG: &str = r#"{
    "control_plane": {"cluster": "keyplane"},
    "jwt": {"providers": [{"issuer": "https://a", "account": "org"}]}
}"#;
const GOOD: &[(&str, &str)] = &[("iss", "https://a"), ("sub", "user_1"), ("org", "tenant"), ("scope", "read write")];
const JWT: (&str, &str) = ("authorization", "Bearer eyJh.eyJp.c2ln");

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.issue(1);
    plane
}

fn synced() -> Bench {
    let mut bench = Bench::with_config(CONFIG);
    bench.catch_up(&plane());
    bench
}

/// Field `number` of a message, with these bytes. No length here needs more than two bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len();
    let low = u8::try_from(length & 0x7f).unwrap();
    let length = if length < 0x80 { vec![low] } else { vec![low | 0x80, u8::try_from(length >> 7).unwrap()] };
    [&[number << 3 | 2][..], &length, bytes].concat()
}

fn entry(name: &str, value: &[u8]) -> Vec<u8> {
    field(1, &[field(1, name.as_bytes()), field(2, value)].concat())
}

/// The metadata with a payload of these claims.
pub fn metadata(claims: &[(&str, &str)]) -> Vec<u8> {
    let claims: Vec<u8> = claims.iter().flat_map(|(name, text)| entry(name, &field(3, text.as_bytes()))).collect();
    entry("envoy.filters.http.jwt_authn", &entry("payload", &field(5, &claims)))
}

/// A request with these headers beside the usual ones, and with this metadata.
fn send(bench: &mut Bench, metadata: &[u8], headers: &[(&str, &str)]) -> ContextId {
    let usual = [(":method", "GET"), (":path", "/"), (":authority", "api.example.com"), (":scheme", "https")];
    let stream = bench.vm.stream(bench.root, &[&usual[..], headers].concat()).unwrap();
    bench.vm.set_stream_property(stream, &["metadata"], metadata).unwrap();
    bench.vm.request_headers(stream, true).unwrap();
    stream
}

fn values(bench: &Bench, stream: ContextId, header: &str) -> Vec<String> {
    let values = bench.state(stream).request_headers.get_all(header);
    values.into_iter().map(|value| String::from_utf8(value.to_vec()).unwrap()).collect()
}

fn is_user_1(bench: &Bench, stream: ContextId) -> bool {
    values(bench, stream, "x-keyplane-user") == ["user_1"]
        && values(bench, stream, "x-keyplane-account") == ["tenant"]
        && values(bench, stream, "x-keyplane-scopes") == ["read write"]
        && values(bench, stream, "authorization").is_empty()
}

#[test]
fn a_verified_token_passes_beside_keys_and_is_counted_apart() {
    let mut bench = synced();
    for headers in [&[][..], &[JWT], &[JWT, ("x-keyplane-user", "forged"), ("x_keyplane_account", "forged")]] {
        let stream = send(&mut bench, &metadata(GOOD), headers);
        assert_eq!(bench.verdict(stream), Verdict::Allowed);
        assert!(is_user_1(&bench, stream), "{headers:?}");
    }
    let key = secret(1);
    let key = ("x-api-key", key.as_str());
    let by_key = send(&mut bench, &[], &[key]);
    assert_eq!(bench.verdict(by_key), Verdict::Allowed);
    for (metadata, headers, status, code) in [
        (metadata(GOOD), &[key][..], 400, "multiple_credentials"),
        (metadata(GOOD), &[key, JWT], 400, "multiple_credentials"),
        (metadata(&GOOD[..2]), &[], 401, "token_required"),
        (metadata(&[&[("iss", "https://b")], &GOOD[1..]].concat()), &[JWT], 401, "credential_invalid"),
        (Vec::new(), &[JWT], 401, "credential_invalid"),
        (Vec::new(), &[], 401, "credential_missing"),
        (vec![0xff], &[key], 503, "filter_fault"),
    ] {
        let stream = send(&mut bench, &metadata, headers);
        bench.assert_refused(stream, status, code);
    }
    assert_eq!(counters(&bench.host, "keyplane_decisions_jwt"), 3);
    assert_eq!(counters(&bench.host, "keyplane_decisions_allowed"), 1);
}

#[test]
fn a_token_with_an_account_waits_for_the_first_table_and_is_read_again() {
    let mut bench = Bench::with_config(CONFIG);
    let stream = send(&mut bench, &metadata(GOOD), &[JWT]);
    assert_eq!(bench.verdict(stream), Verdict::Held);
    bench.catch_up(&plane());
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    assert!(is_user_1(&bench, stream));
}

#[test]
fn a_failing_hostcall_makes_no_token() {
    let mut bench = synced();
    bench.vm.reset_hostcalls();
    let stream = send(&mut bench, &metadata(GOOD), &[JWT]);
    assert_eq!(bench.verdict(stream), Verdict::Allowed);
    let calls = bench.vm.hostcalls();
    let points = calls.into_iter().flat_map(|(call, count)| (0..count).map(move |nth| (call, nth)));
    let statuses = || Status::FAILURES.into_iter().map(|status| status as u32).chain([77, u32::MAX]);
    let faults: Vec<_> = points.flat_map(|(call, nth)| statuses().map(move |of| Fault::nth(call, nth, of))).collect();
    for fault in &faults {
        // With no payload at all, and with one: in both the fault must not make somebody of it.
        for metadata in [Vec::new(), metadata(GOOD)] {
            bench.vm.inject(fault.clone());
            let stream = send(&mut bench, &metadata, &[JWT]);
            let verdict = bench.verdict(stream);
            assert!(verdict != Verdict::Allowed || !metadata.is_empty() && is_user_1(&bench, stream), "{fault:?}");
            bench.vm.delete_stream(stream).unwrap();
            bench.vm.clear_faults();
        }
    }
    println!("{} cases", faults.len() * 2);
    assert!(faults.len() > 50);
}

#[test]
fn metadata_cut_off_or_changed_anywhere_makes_nobody_else() {
    let mut bench = synced();
    let whole = metadata(GOOD);
    let cut = (0..whole.len()).map(|length| whole[..length].to_vec());
    let changed = (0..whole.len()).flat_map(|at| {
        [0, 0xff, 0x80].map(|byte| {
            let mut changed = whole.clone();
            changed[at] = byte;
            changed
        })
    });
    for metadata in cut.chain(changed) {
        let stream = send(&mut bench, &metadata, &[]);
        match bench.verdict(stream) {
            // A claim's own text may differ, a name of a claim that need not be there, or a byte that means the same.
            Verdict::Allowed => {
                assert_eq!(values(&bench, stream, "x-keyplane-user").len(), 1);
                assert_eq!(values(&bench, stream, "x-keyplane-account").len(), 1);
            }
            Verdict::Refused(_) => {}
            other => panic!("{other:?}"),
        }
        bench.vm.delete_stream(stream).unwrap();
    }
    let stream = send(&mut bench, &whole, &[]);
    assert!(is_user_1(&bench, stream));
}
