//! Where a key may be, as the operator configures it, and what is left of it for the upstream and for logs.

use keyplane_tests::host::{Fault, LocalResponse, Verdict};

use super::{
    bench::Bench,
    control_plane::{ControlPlane, secret},
};

const ALL: &str = r#"[{"header": "X-Key"}, {"header": "Authorization", "scheme": "ApiKey"}, {"bearer": "Authorization"},
    {"query": "api_key"}, {"query": "key"}, {"cookie": "key"}]"#;

fn plane() -> ControlPlane {
    let mut plane = ControlPlane::new(1);
    plane.issue(1);
    plane.issue(2);
    plane.revoke(3);
    plane
}

fn config(credentials: &str, more: &str) -> String {
    format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, "credentials": {credentials}{more}}}"#)
}

fn bench(credentials: &str) -> Bench {
    let mut bench = Bench::with_config(&config(credentials, ""));
    bench.catch_up(&plane());
    bench
}

/// Status and code of a refusal, or what the upstream got under these names.
fn send(bench: &mut Bench, path: &str, headers: &[(&str, &str)], names: &[&str]) -> Result<Vec<String>, LocalResponse> {
    let pseudo = [(":method", "GET"), (":authority", "api.example.com"), (":path", path)];
    let stream = bench.vm.request(bench.root, &[&pseudo[..], headers].concat()).unwrap();
    match bench.verdict(stream) {
        Verdict::Allowed => {
            let seen = &bench.state(stream).request_headers;
            let all: Vec<u8> = seen.entries().iter().flat_map(|(_, value)| value.clone()).collect();
            assert!(!String::from_utf8_lossy(&all).contains(&secret(1)), "the upstream got the key");
            let values = names.iter().flat_map(|name| seen.get_all(name));
            Ok(values.map(|value| String::from_utf8(value.to_vec()).unwrap()).collect())
        }
        Verdict::Refused(answer) => Err(answer),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_taken_from_each_place_and_removed_there() {
    let mut bench = bench(ALL);
    let key = secret(1);
    for (path, name, value, left) in [
        ("/a", "x-key", key.clone(), vec!["/a"]),
        ("/a", "authorization", format!("apikey {key}"), vec!["/a"]),
        ("/a", "authorization", format!("BEARER {key}"), vec!["/a"]),
        ("/a", "cookie", format!("a=1; key={key}; b=\"2\""), vec!["/a", "a=1; b=\"2\""]),
        ("/a", "cookie", format!("key=\"{key}\""), vec!["/a"]),
        (&format!("/a?key={key}"), "x-other", String::new(), vec!["/a"]),
        (&format!("/%2e?b=%20+&%61pi%5Fkey={key}&&c=%"), "x-other", String::new(), vec!["/%2e?b=%20+&&c=%"]),
        (&format!("/a?key=%75{}&b", &key[1..]), "cookie", "a=b".to_owned(), vec!["/a?b", "a=b"]),
    ] {
        let names = [":path", "x-key", "authorization", "cookie"];
        let got = send(&mut bench, path, &[(name, &value)], &names);
        assert_eq!(got.unwrap_or_else(|answer| panic!("{path} {name}: {answer:?}")), left, "{path} {name}");
    }
}

#[test]
fn cookie_headers_are_one_list() {
    let mut bench = bench(ALL);
    let key = format!("key={}", secret(1));
    let crumbs = [("cookie", "a=1"), ("cookie", key.as_str()), ("cookie", "b=2")];
    assert_eq!(send(&mut bench, "/", &crumbs, &["cookie"]).unwrap(), ["a=1; b=2"]);
    let answer = send(&mut bench, "/", &[crumbs[1], crumbs[1]], &[]).unwrap_err();
    super::bench::assert_problem(&answer, 400, "multiple_credentials");
}

#[test]
fn places_that_are_not_configured_are_not_looked_at() {
    let mut bench = bench(r#"[{"query": "api_key"}]"#);
    let (key, path) = (secret(1), format!("/?api_key={}", secret(2)));
    for headers in [[("x-api-key", key.as_str())], [("authorization", &format!("Bearer {key}"))]] {
        let answer = send(&mut bench, "/", &headers, &[]).unwrap_err();
        super::bench::assert_problem(&answer, 401, "credential_missing");
    }
    // It is the upstream's business then, and passes on.
    let basic = [("authorization", "Basic YTpi"), ("cookie", "api_key=x")];
    let left = send(&mut bench, &path, &basic, &["authorization", "cookie", ":path"]).unwrap();
    assert_eq!(left, ["Basic YTpi", "api_key=x", "/"]);
}

#[test]
fn two_keys_are_refused_wherever_they_are() {
    let mut bench = bench(ALL);
    let (one, two) = (secret(1), secret(2));
    let (bearer, cookie) = (format!("Bearer {one}"), format!("key={two}"));
    for (path, headers) in [
        (format!("/?key={one}&key={two}"), vec![]),
        (format!("/?key={one}&key={one}"), vec![]),
        (format!("/?key={one}&k%65y="), vec![]),
        (format!("/?key={one}&api_key={one}"), vec![]),
        (format!("/?key={one}"), vec![("x-key", one.as_str())]),
        (format!("/?key={one}"), vec![("cookie", cookie.as_str())]),
        ("/".to_owned(), vec![("authorization", bearer.as_str()), ("cookie", &cookie)]),
        ("/".to_owned(), vec![("authorization", bearer.as_str()), ("x-key", &one)]),
    ] {
        let answer = send(&mut bench, &path, &headers, &[]).unwrap_err();
        super::bench::assert_problem(&answer, 400, "multiple_credentials");
        assert!(send(&mut bench, "/", &[("x-key", &one)], &[]).is_ok(), "after {path}");
    }
}

#[test]
fn a_key_in_the_query_is_gone_from_the_path_of_a_refused_request_too() {
    let mut bench = bench(ALL);
    for (path, left) in [
        (format!("/a?b=1&key={}", secret(3)), "/a?b=1"),
        (format!("/a?key={0}&api_key={0}&c", secret(1)), "/a?c"),
        ("/a?b=1".to_owned(), "/a?b=1"),
    ] {
        let stream = bench.vm.request(bench.root, &[(":path", path.as_str())]).unwrap();
        assert!(matches!(bench.verdict(stream), Verdict::Refused(_)), "{path}");
        assert_eq!(bench.state(stream).request_headers.get(":path"), Some(left.as_bytes()), "{path}");
    }
}

#[test]
fn a_held_request_keeps_its_key_until_it_is_decided() {
    let mut bench = Bench::with_config(&config(ALL, ""));
    let path = |number| format!("/?key={}&a", secret(number));
    let streams = [1, 3].map(|number| bench.vm.request(bench.root, &[(":path", path(number))]).unwrap());
    for stream in streams {
        assert_eq!(bench.verdict(stream), Verdict::Held);
    }
    bench.catch_up(&plane());
    assert_eq!(bench.verdict(streams[0]), Verdict::Allowed);
    assert!(matches!(bench.verdict(streams[1]), Verdict::Refused(_)));
    for stream in streams {
        assert_eq!(bench.state(stream).request_headers.get(":path"), Some(&b"/?a"[..]));
    }
}

#[test]
fn forwarded_keys_stay_where_they_were() {
    let mut bench = Bench::with_config(&config(ALL, r#", "forward_credential": true"#));
    bench.catch_up(&plane());
    let (path, cookie) = (format!("/?a&key={}", secret(1)), format!("key={}", secret(1)));
    let stream = bench.vm.request(bench.root, &[(":path", &path)]).unwrap();
    assert_eq!(bench.state(stream).request_headers.get(":path"), Some(path.as_bytes()));
    let stream = bench.vm.request(bench.root, &[(":path", "/"), ("cookie", &cookie)]).unwrap();
    assert_eq!(bench.state(stream).request_headers.get("cookie"), Some(cookie.as_bytes()));
}

#[test]
fn the_caller_is_told_the_places_and_the_realm() {
    let of = |credentials: &str| {
        let mut bench = Bench::with_config(&config(credentials, r#", "realm": "Acme \"API\"""#));
        bench.catch_up(&plane());
        let answer = send(&mut bench, "/", &[], &[]).unwrap_err();
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let challenges = answer.headers.get_all("www-authenticate");
        let challenges: Vec<_> = challenges.into_iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect();
        (body["detail"].as_str().unwrap().to_owned(), challenges)
    };
    let (detail, challenges) = of(r#"[{"query": "\"k\""}, {"header": "Authorization", "scheme": "Token"}]"#);
    assert_eq!(
        detail,
        "Send your API key in the query parameter \"k\", or in the Authorization header as: Token <key>."
    );
    assert_eq!(challenges, [r#"ApiKey realm="Acme \"API\"""#, r#"Token realm="Acme \"API\"""#]);
    let (_, challenges) = of(r#"[{"bearer": "Authorization"}]"#);
    assert_eq!(challenges, [r#"Bearer realm="Acme \"API\"""#]);
}

#[test]
fn hostile_queries_and_cookies_end_in_a_refusal() {
    let mut bench = bench(ALL);
    let long = "a".repeat(64 * 1024);
    for path in [
        "/?key",
        "/?key=",
        "/?key=%00",
        "/?key=%ff%fe",
        "/?key=%",
        "?key=a",
        "*",
        "/?",
        "/?&&&",
        "/?=&==",
        "/?key=a,b",
        &format!("/?key={long}"),
        &format!("/?{long}"),
        &format!("/?{}", "key=%&".repeat(8 * 1024)),
        &format!("/?{}", "%".repeat(64 * 1024)),
    ] {
        assert!(send(&mut bench, path, &[], &[]).is_err(), "{path:.40}");
        assert!(send(&mut bench, "/", &[("x-key", &secret(1))], &[]).is_ok(), "after {path:.40}");
    }
    for cookie in [
        &b"key"[..],
        b"key=",
        b"key=\"",
        b"key=a\0",
        b"\xff=\xfe; key=\xfd",
        b";;;=;",
        &b"key=a;".repeat(8 * 1024),
        &[b';'; 4096],
    ] {
        let stream = bench.vm.request(bench.root, &[(&b":path"[..], &b"/"[..]), (b"cookie", cookie)]).unwrap();
        assert!(matches!(bench.verdict(stream), Verdict::Refused(_)), "{:?}", String::from_utf8_lossy(cookie));
        assert!(send(&mut bench, "/", &[("x-key", &secret(1))], &[]).is_ok());
    }
}

#[test]
fn a_public_request_passes_with_several_keys_and_all_of_them_are_removed() {
    let rules = r#", "rules": [{"access": "public"}]"#;
    let mut bench = Bench::with_config(&config(ALL, rules));
    bench.catch_up(&plane());
    let (key, cookie) = (secret(1), format!("a=1; key={}", secret(1)));
    let headers = [
        ("x-key", key.as_str()),
        ("cookie", &cookie),
        ("authorization", &format!("ApiKey {key}")),
        ("x-other", "stays"),
    ];
    let names = [":path", "x-key", "authorization", "cookie", "x-other"];
    let left = send(&mut bench, &format!("/a?key={key}&b&api%5Fkey={key}"), &headers, &names).unwrap();
    assert_eq!(left, ["/a?b", "a=1", "stays"]);
    // One that could not be a key goes as well.
    let left = send(&mut bench, "/?key=%00", &[("authorization", "Basic YTpi")], &names).unwrap();
    assert_eq!(left, ["/", "Basic YTpi"]);
}

#[test]
fn a_key_that_the_host_does_not_remove_does_not_pass() {
    let key = secret(1);
    for (call, path, header) in [
        ("proxy_replace_header_map_value", format!("/?key={key}"), ("x-other", String::new())),
        ("proxy_replace_header_map_value", "/".to_owned(), ("cookie", format!("a=1; key={key}"))),
        ("proxy_remove_header_map_value", "/".to_owned(), ("cookie", format!("key={key}"))),
        ("proxy_remove_header_map_value", "/".to_owned(), ("x-key", key.clone())),
    ] {
        let mut bench = bench(ALL);
        bench.vm.inject(Fault::always(call, 10));
        let answer = send(&mut bench, &path, &[(header.0, &header.1)], &[]).unwrap_err();
        super::bench::assert_problem(&answer, 503, "filter_fault");
        bench.vm.clear_faults();
        assert!(send(&mut bench, &path, &[(header.0, &header.1)], &[]).is_ok());
    }
}
