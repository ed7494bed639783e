//! Whatever a caller sends, under every kind of configuration: nobody passes without what the configuration asks for, no forged identity
//! stays, the credential does not go on, everything else does, and a change that the host does not carry out lets nobody pass.
//!
//! The first line of the input is the number of a configuration and letters for what else is the case; the others are the request
//! ([`Request::from_text`]). What is expected is said from the text itself, by a second reading of paths, queries and claims.

#![no_main]

use keyplane_contract::code::Reason;
use keyplane_contract::id::Id;
use keyplane_filter_engine::credential::Credential;
use keyplane_filter_engine::debug::DebugToken;
use keyplane_filter_engine::guessing::Guessing;
use keyplane_filter_engine::request::{Outcome, handle};
use keyplane_filter_engine::settings::Settings;
use keyplane_filter_engine::table::Table;
use keyplane_filter_engine::worker::{Attempts, Worker};
use keyplane_filter_engine_fuzz::{ELSEWHERE_KEY, EPOCH, GOOD_KEY, NOW, Request, decoded, rows};
use libfuzzer_sys::fuzz_target;

const CONFIGURATIONS: [&str; 6] = [
    r#"{"control_plane": {"cluster": "k"}}"#,
    r#"{"control_plane": {"cluster": "k"}, "cors_preflight": "protect", "guessing": {"failures": 2, "seconds": 9},
        "credentials": [{"cookie": "key"}, {"query": "api_key"}, {"header": "X-API-Key"}, {"bearer": "Authorization"},
            {"header": "Authorization", "scheme": "Token"}, {"query": "k"}, {"cookie": "k"}]}"#,
    RULES,
    r#"{"control_plane": {"cluster": "k"}, "forward_credential": true, "guessing": {"failures": 0},
        "credentials": [{"query": "api_key"}, {"cookie": "key"}, {"bearer": "Authorization"}],
        "identity": {"headers": {"account": "x-tenant", "key_id": null}, "metadata": {"plan": "x-plan"}}}"#,
    r#"{"control_plane": {"cluster": "k"}, "accept": "either",
        "jwt": {"providers": [{"issuer": "https://issuer", "account": "org", "account_prefix": "jwt-"}]},
        "rules": [{"name": "keys", "paths": ["/keys/**"], "accept": "key"}, {"name": "tokens", "paths": ["/tokens/**"], "accept": "jwt"},
            {"name": "admin", "paths": ["/admin/**"], "scopes": {"all": ["admin"]}}]}"#,
    r#"{"control_plane": {"cluster": "k"}, "accept": "jwt", "cors_preflight": "protect",
        "jwt": {"providers": [{"issuer": "https://issuer"}]}}"#,
];
const DEBUG_TOKEN: &[u8] = b"the-debug-token-of-an-operator";
const RULES: &str = r#"{"control_plane": {"cluster": "k"}, "staleness": {"max_seconds": 100},
    "credentials": [{"header": "apikey"}, {"query": "api_key"}, {"cookie": "key"}],
    "identity": {"preset": "kong", "metadata": {"plan": "x-plan"}, "filter_state": ["key_id", "reason", "rule", "account_name", "metadata.plan"]},
    "rules": [
        {"name": "admin", "paths": ["/admin/**"], "scopes": {"any": ["admin", "jobs:write"]}},
        {"name": "test", "paths": ["/*/test"], "environment": "test"},
        {"name": "open", "hosts": ["open.example.com", "*.open.example.com:*"], "paths": ["/open/**"], "methods": ["GET"], "access": "public"},
        {"name": "hook", "paths": ["/hook"], "access": "public", "forward_credential": true},
        {"name": "old", "paths": ["/old/**"], "when_stale": "serve", "scopes": {"all": ["jobs:read"]}},
        {"name": "any", "paths": ["/any"], "methods": ["POST"], "forward_credential": true}
    ]}"#;

struct Known {
    settings: Vec<Settings>,
    table: Table,
}

thread_local! {
    static KNOWN: &'static Known = {
        let mut table = Table::new(EPOCH, 7);
        assert!(rows().iter().all(|row| table.apply(row)));
        let debug = DebugToken::new(DEBUG_TOKEN).ok();
        let settings = CONFIGURATIONS.iter().map(|json| Settings { debug: debug.clone(), ..Settings::parse(json.as_bytes()).unwrap() });
        let settings = settings.collect();
        Box::leak(Box::new(Known { settings, table }))
    };
}

/// The first line: what is the case besides the request.
struct Case<'k> {
    number: usize,
    settings: &'k Settings,
    table: Option<&'k Table>,
    age: u64,
    is_whole: bool,
    has_room: bool,
    /// How many changes the host carries out.
    changes: usize,
}

impl<'k> Case<'k> {
    fn parse(line: &[u8], known: &'k Known) -> Self {
        let has = |letter: u8| line.contains(&letter);
        let number = usize::from(line.first().copied().unwrap_or_default()) % known.settings.len();
        // `f` and a digit: the host fails from then on.
        let fails = line.iter().position(|byte| *byte == b'f').and_then(|at| line.get(at + 1));
        Self {
            number,
            settings: &known.settings[number],
            table: (!has(b'n')).then_some(&known.table),
            age: if has(b'o') { 100_001 } else { 9 },
            is_whole: !has(b'b'),
            has_room: has(b'w'),
            changes: fails.map_or(usize::MAX, |digit| usize::from(digit.wrapping_sub(b'0'))),
        }
    }

    fn handle(&self, block: &[u8], request: &Request, has_room: bool, asked_why: bool) -> Outcome {
        let mut guessing = Guessing::new(self.settings.guessing, 7);
        let mut wait = |_, _| has_room;
        let attempts = Attempts { guessing: &mut guessing, now: NOW, wait: Some(&mut wait) };
        let mut worker = Worker { table: self.table, age: self.age, attempts: Some(attempts), asked_why };
        handle(block, self.is_whole, self.settings, &mut worker, request)
    }
}

fuzz_target!(|input: &[u8]| {
    let (first, text) = input.split_at(input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len()));
    let case = Case::parse(first, KNOWN.with(|known| *known));
    let sent = Request::from_text(text);
    // As bytes, too: a host's block may be anything.
    case.handle(text, &sent.clone(), false, false);

    let request = sent.clone();
    request.changes_left.set(case.changes);
    let mut outcome = case.handle(&request.block(), &request, case.has_room, false);
    if outcome.waits {
        assert!(case.has_room && outcome.reason == Reason::Unknown);
        // What it comes to later is what it would have come to at once.
        outcome = case.handle(&request.block(), &request, false, outcome.why.is_some());
        if case.changes == usize::MAX {
            assert_eq!(outcome, case.handle(&sent.block(), &sent.clone(), false, false));
        }
    }
    assert!(!outcome.waits);
    let asks_why =
        sent.headers.borrow().iter().any(|(name, value)| name == b"x-keyplane-debug" && value == DEBUG_TOKEN);
    assert!(outcome.why.is_none() || asks_why, "a stranger is told why");
    assert!(outcome.why.is_some() || !asks_why || outcome.reason == Reason::Fault, "the operator is not told why");
    // What contradicts itself, or what the host could not change, goes nowhere as it is.
    let is_faulty = request.has_failed.get() || outcome.reason == Reason::Fault;
    let check = Check { case, sent, request, outcome };
    if check.outcome.reason.is_allowed() {
        check.may_pass(text);
        check.upstream_sees_the_identity_and_nothing_forged(text);
        check.the_credential_is_gone();
    }
    if check.outcome.reason.is_allowed() || !is_faulty {
        check.nothing_forged_is_left();
        check.all_else_goes_on();
    }
    // A log shows no secret.
    let state = check.request.filter_state.borrow();
    assert!(!state.values().any(|value| contains(value, GOOD_KEY.as_bytes())));
});

struct Check<'k> {
    case: Case<'k>,
    sent: Request,
    request: Request,
    outcome: Outcome,
}

impl Check<'_> {
    /// Whether what the configuration asks for is there.
    fn may_pass(&self, text: &[u8]) {
        let Self { case, sent, outcome, .. } = self;
        let path = sent.first(b":path").unwrap_or_default();
        let segments = segments(&path);
        let is_at = |name: &str| segments.first().is_some_and(|segment| segment == name.as_bytes());
        let has = |line: &[u8]| text.split(|byte| *byte == b'\n').any(|found| found == line);
        match outcome.reason {
            Reason::Allowed => {
                let text = decoded(text);
                let from = sent.properties.get(&b"source\0address"[..]);
                let is_elsewhere = from.is_some_and(|from| {
                    contains(from, b"198.51.100.") || contains(&from.to_ascii_lowercase(), b"c633:64")
                });
                let is_known =
                    contains(&text, GOOD_KEY.as_bytes()) || (is_elsewhere && contains(&text, ELSEWHERE_KEY.as_bytes()));
                assert!(is_known, "passed without the key");
                assert!(case.table.is_some() && case.number != 5);
                assert!(case.number != 4 || !is_at("tokens"), "passed with a key where only tokens are accepted");
                assert!(case.number != 2 || case.age < 100_000 || is_at("old"), "passed by a table that is too old");
                let is_test = segments.len() == 2 && segments[1] == b"test";
                assert!(case.number != 2 || !is_test || is_at("admin"), "passed with a key of another environment");
                assert!(!matches!(case.number, 2 | 4) || !is_at("admin"), "passed without the scope");
            }
            Reason::Jwt => {
                assert!(matches!(case.number, 4 | 5) && has(b"@claim iss https://issuer"), "passed without a token");
                assert!(case.number != 4 || !is_at("keys"), "passed with a token where only keys are accepted");
                if case.number == 4 && is_at("admin") {
                    assert!(contains(text, b"@claim scope ") && contains(text, b"admin"), "passed without the scope");
                }
            }
            Reason::Public => {
                assert_eq!(case.number, 2);
                let host = sent
                    .headers
                    .borrow()
                    .iter()
                    .rfind(|(name, _)| name == b":authority")
                    .unwrap_or(&Default::default())
                    .1
                    .to_ascii_lowercase();
                let is_open = is_at("open") && contains(&host, b"open.example.com");
                assert!(is_open || segments == [b"hook"], "passed where a credential is needed");
            }
            Reason::Preflight => {
                assert!(!matches!(case.number, 1 | 5) && case.is_whole && contains(text, b"OPTIONS"));
                assert!(sent.headers.borrow().iter().any(|(name, value)| name == b"origin" && !value.is_empty()));
            }
            other => panic!("{other:?} lets nobody pass"),
        }
        assert!(!self.request.has_failed.get(), "passed though the host failed");
    }

    /// Each identity header has one value, and that is not the caller's.
    fn upstream_sees_the_identity_and_nothing_forged(&self, text: &[u8]) {
        let headers = self.request.headers.borrow();
        let ids = [1, 2, 3, 4].map(|byte| Id([byte; 16]).to_text().to_vec());
        let known: [&[u8]; 6] = [b"live", b"jobs:read", b"Acme", b"org_1", b"pro", b"true"];
        for (name, value) in headers.iter().filter(|(name, _)| self.case.settings.identity.owns(name)) {
            let is_of_key = ids.contains(value) || known.contains(&value.as_slice());
            let bare = value.strip_prefix(b"jwt-").unwrap_or(value);
            let is_claim = self.outcome.reason == Reason::Jwt && claims(text).any(|claim| says(claim, bare));
            assert!(is_of_key || is_claim, "a forged identity");
            assert_eq!(headers.iter().filter(|(found, _)| found == name).count(), 1, "twice");
        }
        let names = |part: &[u8]| headers.iter().any(|(name, _)| name == part);
        match self.outcome.reason {
            Reason::Allowed => assert!(names(b"x-consumer-id") || names(b"x-tenant") || names(b"x-keyplane-account")),
            Reason::Jwt => assert!(names(b"x-keyplane-user") && !names(b"x-keyplane-key-id")),
            _ => assert!(!names(b"x-keyplane-key-id") && !names(b"x-consumer-id") && !names(b"x-keyplane-account")),
        }
    }

    fn the_credential_is_gone(&self) {
        let place = self.outcome.rule.map(|place| &*self.case.settings.rules.at(place).name);
        if self.case.settings.forward_credential || matches!(place, Some("hook" | "any")) {
            return;
        }
        let headers = self.request.headers.borrow();
        let all = headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        assert!(
            Credential::find(&self.case.settings.credentials, all) == Credential::Missing,
            "the credential goes on"
        );
        let key = |name: &str| [name.as_bytes(), GOOD_KEY.as_bytes()].concat();
        for (name, value) in headers.iter() {
            let is_there = match (name.as_slice(), self.case.number) {
                (b":path", 1 | 2) => {
                    query(value).split(|byte| *byte == b'&').any(|part| decoded(part).starts_with(&key("api_key=")))
                }
                (b"cookie", 1 | 2) => {
                    value.split(|byte| *byte == b';').any(|part| part.trim_ascii().starts_with(&key("key=")))
                }
                (b"authorization", 0 | 1 | 4 | 5) => value.starts_with(&key("Bearer ")),
                (b"x-api-key", 0 | 1 | 4 | 5) | (b"apikey", 2) => true,
                _ => false,
            };
            assert!(!is_there, "the credential goes on");
        }
    }

    fn nothing_forged_is_left(&self) {
        let headers = self.request.headers.borrow();
        let owns = |name: &[u8]| self.case.settings.identity.owns(name);
        for (name, value) in headers.iter() {
            assert!(self.outcome.reason.is_allowed() || !owns(name), "a forged identity stayed");
            if name == b"connection" {
                let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                assert!(!options.any(owns), "the next hop would drop an identity");
            }
        }
    }

    /// Headers that are no place for a credential are the upstream's business.
    fn all_else_goes_on(&self) {
        let places: &[&[u8]] = match self.case.number {
            2 => &[b"apikey", b":path", b"cookie", b"connection"],
            1 | 3 => &[b"x-api-key", b"authorization", b":path", b"cookie", b"connection"],
            _ => &[b"x-api-key", b"authorization", b"connection"],
        };
        let others = |request: &Request| -> Vec<(Vec<u8>, Vec<u8>)> {
            let headers = request.headers.borrow();
            let is_other = |name: &[u8]| !places.contains(&name) && !self.case.settings.identity.owns(name);
            headers.iter().filter(|(name, _)| is_other(name)).cloned().collect()
        };
        assert_eq!(others(&self.request), others(&self.sent), "another header was changed");
    }
}

/// What follows the first `?`.
fn query(path: &[u8]) -> &[u8] {
    path.iter().position(|byte| *byte == b'?').map_or(&[], |at| &path[at + 1..])
}

fn claims(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"@claim "))
}

/// Whether a claim's line ends with this value, but for what scopes lose on the way.
fn says(claim: &[u8], value: &[u8]) -> bool {
    let plain =
        |text: &[u8]| text.split(|byte| *byte == b' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&b' ');
    plain(claim).ends_with(&decoded(value))
}

/// The segments of a path as a server sees them that decodes and resolves it.
fn segments(path: &[u8]) -> Vec<Vec<u8>> {
    let path = decoded(path.split(|byte| *byte == b'?').next().unwrap_or_default());
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        match segment {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            segment => segments.push(segment.to_vec()),
        }
    }
    segments
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
