//! Rules as a whole: that the tree finds what trying one rule after the other finds, and what is refused at configure time.

use super::path::Treatment;
use super::*;
use crate::percent::Decoded;
use proptest::prelude::*;

fn parse(rules: &str) -> Vec<RuleConfig> {
    serde_json::from_str(rules).unwrap()
}

fn compile(rules: &str) -> Rules {
    Rules::compile(&parse(rules), Paths::default()).unwrap()
}

fn found<'r>(rules: &'r Rules, method: &str, host: &str, path: &str) -> Option<&'r str> {
    rules.find(method.as_bytes(), host.as_bytes(), Some(path.as_bytes())).ok().map(|rule| &*rule.name)
}

#[test]
fn the_first_rule_that_is_for_a_request_decides() {
    let rules = compile(
        r#"[
            {"name": "health", "paths": ["/healthz"], "access": "public"},
            {"name": "own", "hosts": ["api.example.com"], "paths": ["/jobs/mine"]},
            {"name": "read", "paths": ["/jobs/*"], "methods": ["GET"], "scopes": {"all": ["jobs:read"]}},
            {"name": "write", "paths": ["/jobs/**"], "scopes": {"any": ["jobs:write", "admin"]}},
            {"name": "site", "hosts": ["*.example.com"], "access": "public", "forward_credential": true},
            {"name": "late", "paths": ["/jobs/mine"], "access": "public"},
            {"name": "verb", "methods": ["PURGE"], "environment": "test"}
        ]"#,
    );
    for (method, host, path, expected) in [
        ("GET", "x", "/healthz", "health"),
        ("GET", "x", "/healthz?a=/b", "health"),
        ("GET", "x", "/healthz/", "default"),
        ("GET", "x", "/Healthz", "default"),
        ("GET", "x", "/health%7A", "health"),
        ("GET", "api.example.com", "/jobs/mine", "own"),
        ("GET", "api.example.com:80", "/jobs/mine", "read"),
        ("GET", "x", "/jobs/mine", "read"),
        ("HEAD", "x", "/jobs/mine", "read"),
        ("get", "x", "/jobs/mine", "write"),
        ("POST", "x", "/jobs/mine", "write"),
        ("GET", "x", "/jobs", "write"),
        ("GET", "x", "/jobs/", "write"),
        ("GET", "x", "/jobs/1/runs/2", "write"),
        ("GET", "x", "/jobsx", "default"),
        ("GET", "a.b.example.com", "/", "site"),
        ("GET", "example.com", "/", "default"),
        ("PURGE", "x", "/", "verb"),
    ] {
        assert_eq!(found(&rules, method, host, path), Some(expected), "{method} {host}{path}");
    }
    assert_eq!(found(&rules, "GET", "x", "/jobs/../healthz"), None);
    let rule = rules.find(b"OPTIONS", b"www.example.com", Some(b"*")).unwrap();
    assert_eq!((&*rule.name, rule.access, rule.forward_credential), ("site", Access::Public, Some(true)));
    assert_eq!(&*rules.find(b"CONNECT", b"x:443", None).unwrap().name, "default");
    assert_eq!(rules.find(b"PURGE", b"", Some(b"/")).unwrap().environment, Some(Environment::Test));
    assert_eq!((&*rules.at(6).name, &*rules.at(7).name), ("verb", DEFAULT));
}

#[test]
fn without_rules_no_path_is_looked_at() {
    let rules = compile("[]");
    for path in ["/", "/a/../b", "*", "", "nonsense"] {
        assert_eq!(found(&rules, "GET", "x", path), Some(DEFAULT), "{path}");
    }
    assert_eq!(rules.find(b"GET", b"", None).unwrap().access, Access::Protected);
}

#[test]
fn what_the_upstream_is_known_to_do_can_be_said() {
    let rules = parse(r#"[{"name": "a", "paths": ["/Admin/*", "/x;y"]}]"#);
    let paths = Paths { semicolon: Treatment::Literal, ignore_case: true, ..Paths::default() };
    let rules = Rules::compile(&rules, paths).unwrap();
    for path in ["/admin/Users", "/ADMIN/x", "/%41dmin/x", "/%61DMIN/x", "/X;Y", "/x%3bY"] {
        assert_eq!(found(&rules, "GET", "x", path), Some("a"), "{path}");
    }
    for path in ["/admin", "/admin/", "/x;z", "/x"] {
        assert_eq!(found(&rules, "GET", "x", path), Some(DEFAULT), "{path}");
    }
    let strict = Rules::compile(&parse(r#"[{"paths": ["/x;y"]}]"#), Paths::default()).unwrap_err();
    assert!(strict.to_string().contains("`rules[0].paths[0]`: no accepted request has this path"), "{strict}");
}

#[test]
fn a_wrong_rule_is_refused_and_its_place_named() {
    let long = format!("/{}", "a".repeat(1_024));
    let deep = "/a".repeat(65);
    let many = format!(r#"[{{"hosts": [{}]}}]"#, vec![r#""a""#; 65].join(","));
    let scope = format!(r#"[{{"scopes": {{"all": ["{}"]}}}}]"#, "a".repeat(129));
    for (rules, named) in [
        (r#"[{"name": "A"}]"#, "`rules[0].name`"),
        (r#"[{"name": ""}]"#, "`rules[0].name`"),
        (r#"[{"name": "default"}]"#, "`rules[0].name`"),
        (r#"[{"name": "a"}, {"name": "a"}]"#, "`rules[1].name`: another rule is named `a` too"),
        (r#"[{}, {"name": "rule-0"}]"#, "`rules[1].name`"),
        (r#"[{"hosts": []}]"#, "`rules[0].hosts`: it has 0 entries"),
        (&many, "`rules[0].hosts`: it has 65 entries"),
        (r#"[{"hosts": ["a", "b/c"]}]"#, "`rules[0].hosts[1]`"),
        (r#"[{"paths": []}]"#, "`rules[0].paths`"),
        (r#"[{}, {"paths": ["/a", "b"]}]"#, "`rules[1].paths[1]`: it must begin with `/`"),
        (r#"[{"paths": ["*"]}]"#, "begin with `/`"),
        (r#"[{"paths": ["/a*"]}]"#, "whole segment"),
        (r#"[{"paths": ["/**/a"]}]"#, "at the end only"),
        (r#"[{"paths": ["/a?b"]}]"#, "path alone"),
        (r#"[{"paths": ["/a//b"]}]"#, "no accepted request"),
        (r#"[{"paths": ["/a//**"]}]"#, "`//`"),
        (r#"[{"paths": ["/a/../b"]}]"#, "no accepted request"),
        (r#"[{"paths": ["/a%2fb"]}]"#, "no accepted request"),
        (&format!(r#"[{{"paths": ["{long}"]}}]"#), "1025 bytes"),
        (&format!(r#"[{{"paths": ["{deep}"]}}]"#), "64 segments"),
        (r#"[{"methods": []}]"#, "`rules[0].methods`"),
        (r#"[{"methods": ["get"]}]"#, "`rules[0].methods[0]`: methods are told apart by case; write GET"),
        (r#"[{"methods": ["G T"]}]"#, "no method"),
        (r#"[{"scopes": {}}]"#, "`rules[0].scopes`: it needs nothing"),
        (r#"[{"scopes": {"any": []}}]"#, "`rules[0].scopes.any`"),
        (r#"[{"scopes": {"all": ["a", "b\"c"]}}]"#, "`rules[0].scopes.all[1]`"),
        (&scope, "`rules[0].scopes.all[0]`"),
        (r#"[{"access": "public", "scopes": {"all": ["a"]}}]"#, "`rules[0].scopes`: a public rule lets everyone pass"),
        (r#"[{"access": "public", "accept": "key"}]"#, "`rules[0].accept`"),
        (r#"[{"access": "public", "environment": "live"}]"#, "`rules[0].environment`"),
        (r#"[{"access": "public", "when_stale": "deny"}]"#, "`rules[0].when_stale`"),
    ] {
        let error = Rules::compile(&parse(rules), Paths::default()).unwrap_err().to_string();
        assert!(error.contains(named), "{rules}: `{named}` is not in: {error}");
    }
    for shape in [
        r#"[{"host": ["a"]}]"#,
        r#"[{"hosts": null}]"#,
        r#"[{"paths": "/a"}]"#,
        r#"[{"access": "open"}]"#,
        r#"[{"scopes": ["a"]}]"#,
        r#"[{"environment": "Live"}]"#,
        r#"[{"accept": null}]"#,
    ] {
        assert!(serde_json::from_str::<Vec<RuleConfig>>(shape).is_err(), "{shape}");
    }
    let folded = Paths { ignore_case: true, ..Paths::default() };
    for path in ["/caf\u{e9}", "/caf%C3%A9"] {
        let rule = RuleConfig { paths: Some(vec![path.to_owned()]), ..RuleConfig::default() };
        assert!(Rules::compile(std::slice::from_ref(&rule), folded).unwrap_err().to_string().contains("ASCII"));
        assert!(Rules::compile(&[rule], Paths::default()).is_ok());
    }
}

#[test]
fn what_a_request_can_cost_is_bounded_when_rules_are_compiled() {
    let star = |depth: usize| {
        // Every way to write `depth` segments as `a` or `*`.
        let path = |bits: usize| {
            let segment = |at: usize| if bits >> at & 1 == 0 { "/a" } else { "/*" };
            (0..depth).map(segment).collect::<String>()
        };
        let rule = |bits| RuleConfig { paths: Some(vec![path(bits)]), ..RuleConfig::default() };
        (0..1 << depth).map(rule).collect::<Vec<_>>()
    };
    let rules = Rules::compile(&star(9), Paths::default()).unwrap();
    assert_eq!(found(&rules, "GET", "x", &"/b".repeat(9)), Some("rule-511"));
    assert_eq!(found(&rules, "GET", "x", &"/a".repeat(9)), Some("rule-0"));
    let error = Rules::compile(&star(10), Paths::default()).unwrap_err().to_string();
    assert!(error.contains("`rules[1023].paths`") && error.contains("1024 steps"), "{error}");
    let hosts: Vec<String> = (0..64).map(|number| format!("h{number}")).collect();
    let wide = RuleConfig {
        hosts: Some(hosts),
        paths: Some((0..64).map(|number| format!("/p{number}")).collect()),
        ..RuleConfig::default()
    };
    let error = Rules::compile(&vec![wide; 25], Paths::default()).unwrap_err().to_string();
    assert!(error.contains("`rules[24]`") && error.contains("100000 pairs"), "{error}");
    let error = Rules::compile(&vec![RuleConfig::default(); 20_001], Paths::default()).unwrap_err().to_string();
    assert!(error.contains("20001 rules"), "{error}");
    let methods = |from: usize| Some((from..from + 60).map(|number| format!("M{number}")).collect());
    let rules: Vec<_> = (0..5).map(|at| RuleConfig { methods: methods(at * 60), ..RuleConfig::default() }).collect();
    let error = Rules::compile(&rules, Paths::default()).unwrap_err().to_string();
    assert!(error.contains("`rules[4].methods[16]`") && error.contains("256 methods"), "{error}");
    let deep = |number: usize| {
        let paths = (0..64).map(|path| format!("/{number}-{path}{}", "/a".repeat(63))).collect();
        RuleConfig { paths: Some(paths), ..RuleConfig::default() }
    };
    let error = Rules::compile(&(0..130).map(deep).collect::<Vec<_>>(), Paths::default()).unwrap_err().to_string();
    assert!(error.contains("500000 segments"), "{error}");
}

/// Whether a rule is for a request, said as plainly as possible.
fn is_for(rule: &RuleConfig, paths: Paths, method: &str, host: &str, path: &str) -> bool {
    let decode = |segment: &str| -> Vec<u8> {
        let decoded: Vec<u8> = Decoded::new(segment.as_bytes()).collect();
        if paths.ignore_case { decoded.to_ascii_lowercase() } else { decoded }
    };
    let host_matches = |pattern: &String| {
        let host = host.to_ascii_lowercase();
        pattern.strip_prefix('*').map_or(host == *pattern, |end| host.ends_with(end) && host.len() > end.len())
    };
    let path_matches = |pattern: &String| {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let (pattern, below) = pattern.strip_suffix("/**").map_or((pattern.as_str(), false), |pattern| (pattern, true));
        let steps: Vec<&str> = pattern.split('/').skip(1).collect();
        let same = |(step, segment): (&&str, &&str)| {
            if *step == "*" { !segment.is_empty() } else { decode(step) == decode(segment) }
        };
        (steps.len() == segments.len() || (below && steps.len() < segments.len()))
            && steps.iter().zip(&segments).all(same)
    };
    rule.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(host_matches))
        && rule.paths.as_ref().is_none_or(|all| path != "*" && all.iter().any(path_matches))
        && rule
            .methods
            .as_ref()
            .is_none_or(|methods| methods.iter().any(|named| named == method || (named == "GET" && method == "HEAD")))
}

fn rule() -> impl Strategy<Value = RuleConfig> {
    let list = |each: &'static str| proptest::option::of(proptest::collection::vec(each, 1..3));
    (list(r"(\*\.)?[ab](\.a)?"), list(r"(/(a|b|A|%61|\*)){0,3}(/\*\*|/|/a)"), list("(GET|HEAD|POST|OPTIONS)"))
        .prop_map(|(hosts, paths, methods)| RuleConfig { hosts, paths, methods, ..RuleConfig::default() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_tree_finds_what_trying_rule_after_rule_finds(
        rules in proptest::collection::vec(rule(), 0..12),
        requests in proptest::collection::vec(
            ("(GET|HEAD|POST|OPTIONS|PUT)", "[abA](\\.[ab]){0,2}", r"(/(a|b|A|c|%61|%62)){0,4}/?"),
            1..12,
        ),
        ignore_case: bool,
    ) {
        let paths = Paths { ignore_case, ..Paths::default() };
        let compiled = Rules::compile(&rules, paths).unwrap();
        for (method, host, path) in &requests {
            let path = match path.as_str() {
                "" if method == "OPTIONS" => "*",
                "" => "/",
                path => path,
            };
            let expected = rules.iter().position(|rule| is_for(rule, paths, method, host, path));
            let expected = expected.map_or(DEFAULT.to_owned(), |place| format!("rule-{place}"));
            prop_assert_eq!(found(&compiled, method, host, path), Some(expected.as_str()), "{} {}{}", method, host, path);
        }
    }

    #[test]
    fn an_exact_path_is_for_no_other_path(
        left in proptest::collection::vec("[ab.%12e]{1,3}", 1..4),
        right in proptest::collection::vec("[ab.%12e]{1,3}", 1..4),
    ) {
        let decode = |segments: &[String]| -> Vec<Vec<u8>> {
            segments.iter().map(|segment| Decoded::new(segment.as_bytes()).collect()).collect()
        };
        let text = |segments: &[String]| format!("/{}", segments.join("/"));
        let rule = RuleConfig { paths: Some(vec![text(&left)]), ..RuleConfig::default() };
        let Ok(rules) = Rules::compile(&[rule], Paths::default()) else { return Ok(()) };
        let same = decode(&left) == decode(&right);
        if let Some(name) = found(&rules, "GET", "x", &text(&right)) {
            prop_assert_eq!(name == "rule-0", same);
        } else {
            prop_assert!(!same);
        }
    }

    #[test]
    fn no_request_makes_the_search_panic(method: Vec<u8>, host: Vec<u8>, path: Option<Vec<u8>>) {
        let rules = r#"[{"hosts": ["*.a:*", "b"], "paths": ["/*/b/**", "/a"], "methods": ["GET"]}, {"paths": ["/**"]}]"#;
        let _ = compile(rules).find(&method, &host, path.as_deref());
    }
}

#[test]
fn a_scope_that_no_key_has_is_taken_where_tokens_are() {
    let rules = |accept: &str| compile(&format!(r#"[{{"scopes": {{"all": ["a", "Read.All"]}} {accept}}}]"#));
    let error = rules("").check_scopes(Accept::Key).unwrap_err().to_string();
    assert!(error.contains("`rules[0].scopes.all[1]`: no key has such a scope"), "{error}");
    assert!(rules(r#", "accept": "key""#).check_scopes(Accept::Either).is_err());
    assert!(rules("").check_scopes(Accept::Either).is_ok());
    assert!(rules(r#", "accept": "jwt""#).check_scopes(Accept::Key).is_ok());
}
