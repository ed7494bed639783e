//! One request, from its headers to its outcome, in the order that `docs/architecture.md` gives.
//!
//! The headers are walked once. On the way every header that only Keyplane may set is removed, whatever becomes of the request, and what the
//! decision needs is noted. Every change is checked: an upstream must not see a forged identity, nor miss the real one, nor get the
//! credential; a change that fails refuses the request.
//!
//! A request that has to wait is handled a second time when it goes on. So nothing here may depend on being the first.

use crate::credential::Credential;
use crate::debug::Why;
use crate::decision::{UsedKey, Verdict, decide, decide_token};
use crate::headers::HeaderBlock;
use crate::host::{Host, HostFault};
use crate::identity::connection::{self, CONNECTION};
use crate::identity::{Facts, Who};
use crate::jwt::proof::{Held, Proof, choose};
use crate::jwt::{Verified, is_jwt_shaped};
use crate::preflight::{Preflights, is_preflight};
use crate::rules::{Accept, Access, NotAccepted, Rule};
use crate::settings::Settings;
use crate::worker::Worker;
use keyplane_contract::code::Reason;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Why it was decided as it was.
    pub reason: Reason,
    /// The key, if one was recognised; for its usage.
    pub key: Option<UsedKey>,
    /// It waits for its key and is decided later; the reason is what it would have been refused for.
    pub waits: bool,
    /// The place of the rule that it was decided by; `None` when none was looked for.
    pub rule: Option<u32>,
    /// For a caller who presented the debug token.
    pub why: Option<Box<Why>>,
}

impl Outcome {
    /// An outcome of which only the reason is known.
    #[must_use]
    pub const fn of(reason: Reason) -> Self {
        Self { reason, key: None, waits: false, rule: None, why: None }
    }
}

/// What a request says of itself.
struct Request<'h> {
    method: &'h [u8],
    /// Empty when it has none.
    authority: &'h [u8],
    path: Option<&'h [u8]>,
    credential: Credential<'h>,
    /// Whether it presents the debug token.
    asks_why: bool,
}

impl<'h> Request<'h> {
    /// Walks the headers, and removes those that only Keyplane may set. A block that contradicts itself is a fault.
    fn read(block: &'h [u8], settings: &Settings, host: &impl Host) -> Result<Self, HostFault> {
        let identity = &settings.identity;
        let mut headers = HeaderBlock::parse(block).ok_or(HostFault)?;
        let mut request =
            Self { method: &[], authority: &[], path: None, credential: Credential::Missing, asks_why: false };
        let all = headers.clone();
        let mut names_headers = false;
        for (name, value) in headers.by_ref() {
            if identity.owns(name) {
                request.asks_why |= settings.debug.as_ref().is_some_and(|token| token.is_presented(name, value));
                host.remove_header(name)?;
            } else {
                match name {
                    b":method" => request.method = value,
                    b":authority" => request.authority = value,
                    // Two paths may be read in two ways.
                    b":path" if request.path.is_some() => return Err(HostFault),
                    b":path" => request.path = Some(value),
                    _ => names_headers |= connection::is(name),
                }
                request.credential.read(&settings.credentials, name, value);
            }
        }
        if names_headers {
            let values = all.filter(|(name, _)| connection::is(name)).map(|(_, value)| value);
            match identity.connection(values) {
                connection::Edit::Keep => {}
                connection::Edit::Replace(value) => host.replace_header(CONNECTION, &value)?,
                connection::Edit::Remove => host.remove_header(CONNECTION)?,
            }
        }
        if headers.is_at_end() { Ok(request) } else { Err(HostFault) }
    }

    /// Whether it asks the filter itself how it is.
    fn asks_health(&self, settings: &Settings) -> bool {
        settings.health.as_ref().is_some_and(|health| health.is_asked(self.method, self.path))
    }

    /// The rule that it is for.
    fn rule<'s>(&self, settings: &'s Settings) -> Result<&'s Rule, NotAccepted> {
        settings.rules.find(self.method, self.authority, self.path)
    }

    /// What stands where credentials may be, seen beside a verified token.
    fn held(&self, block: &[u8], settings: &Settings) -> Held {
        match self.credential {
            Credential::Missing => Held::Nothing,
            Credential::Multiple => Held::Other,
            Credential::Malformed | Credential::Presented { .. } => {
                let mut is_jwt = false;
                for (name, value) in HeaderBlock::parse(block).into_iter().flatten() {
                    settings.credentials.each_in(name, value, |place, secret| {
                        is_jwt |= settings.credentials.is_bearer(place)
                            && secret.is_some_and(|secret| is_jwt_shaped(&secret));
                    });
                }
                if is_jwt { Held::Jwt } else { Held::Other }
            }
        }
    }

    /// Whether it is a CORS preflight that passes.
    fn is_preflight(&self, block: &[u8], is_whole: bool, settings: &Settings) -> bool {
        settings.preflights == Preflights::Pass
            && HeaderBlock::parse(block).is_some_and(|headers| is_preflight(self.method, headers, is_whole))
    }
}

/// Decides the request with these headers and changes them. Answers nothing and lets nothing go on: that is the caller's.
/// `is_whole`: nothing follows the headers.
pub fn handle(block: &[u8], is_whole: bool, settings: &Settings, worker: &mut Worker<'_>, host: &impl Host) -> Outcome {
    let request = Request::read(block, settings, host);
    let asks_health = request.as_ref().is_ok_and(|request| request.asks_health(settings));
    let rule = request.as_ref().ok().filter(|_| !asks_health).map(|request| request.rule(settings));
    // The claims of a token lie in here while the request is decided.
    let mut metadata = Vec::new();
    let mut verified = Ok(Verified::Nothing);
    let verdict = match (&request, rule) {
        (Ok(request), Some(Ok(rule))) => {
            if request.is_preflight(block, is_whole, settings) {
                Verdict::Pass(Reason::Preflight)
            } else if rule.access == Access::Public {
                Verdict::Pass(Reason::Public)
            } else {
                let accept = rule.accept.unwrap_or(settings.accept);
                if let (Some(jwt), Accept::Jwt | Accept::Either) = (&settings.jwt, accept) {
                    verified = jwt.verified(&mut metadata, host);
                }
                let table = || worker.usable_table(settings, rule.when_stale);
                let choose = |verified| choose(accept, || request.held(block, settings), verified);
                match verified.as_ref().map_err(|HostFault| Reason::Fault).and_then(choose) {
                    Ok(Proof::Credential) => decide(&request.credential, rule, table(), host),
                    Ok(Proof::Token(token)) => decide_token(token, rule, table),
                    Err(reason) => Verdict::refuse(reason),
                }
            }
        }
        (Ok(_), None) => Verdict::refuse(worker.usable_table(settings, None).err().unwrap_or(Reason::Health)),
        (_, Some(Err(NotAccepted))) => Verdict::refuse(Reason::Path),
        (Err(HostFault), _) => Verdict::refuse(Reason::Fault),
    };
    let rule = rule.and_then(Result::ok);
    let place = rule.map(|rule| rule.place);
    let mut facts = Facts {
        revision: worker.table.map(|table| table.revision),
        table_age: worker.table.map(|_| worker.age),
        rule: rule.map_or("", |rule| &*rule.name),
        ..facts(&verdict)
    };
    // A request that waited has lost the header by now.
    let asks_why = worker.asked_why || request.as_ref().is_ok_and(|request| request.asks_why);
    let why = |facts: &Facts<'_>| asks_why.then(|| Box::new(Why::of(facts)));
    if let (Ok(request), Verdict::Refuse { reason, .. }) = (&request, &verdict) {
        match worker.refuse(*reason, &request.credential, host) {
            Some(reason) => facts.reason = reason,
            None => return Outcome { waits: true, rule: place, why: why(&facts), ..Outcome::of(*reason) },
        }
    }
    if let (Ok(request), Some(rule), Verdict::Allow(_) | Verdict::AllowToken(_) | Verdict::Pass(_)) =
        (&request, rule, &verdict)
        && pass_on(request, rule, &facts, block, settings, host).is_err()
    {
        facts.reason = Reason::Fault;
    }
    // Nobody but a log looks at the filter state of a request that is refused already.
    if note(&facts, settings, host).is_err() && facts.reason.is_allowed() {
        facts.reason = Reason::Fault;
        let _ = note(&facts, settings, host);
    }
    Outcome { reason: facts.reason, key: verdict.used_key(), waits: false, rule: place, why: why(&facts) }
}

/// What can be told of a request.
fn facts<'t>(verdict: &Verdict<'t>) -> Facts<'t> {
    match verdict {
        Verdict::Pass(reason) => Facts::of(*reason),
        Verdict::AllowToken(caller) => Facts {
            account: caller.account,
            environment: caller.environment,
            user: caller.user,
            scopes: caller.scopes,
            account_name: caller.account_name,
            account_external_id: caller.account_external_id,
            ..Facts::of(Reason::Jwt)
        },
        Verdict::Refuse { reason, key } => Facts { key: key.map(|key| key.id), ..Facts::of(*reason) },
        Verdict::Allow(principal) => Facts {
            key: Some(principal.key),
            account: Some(Who::Id(principal.account)),
            project: principal.project,
            environment: Some(principal.environment),
            user: principal.user.map(Who::Id),
            scopes: principal.scopes,
            account_name: principal.account_name,
            account_external_id: principal.account_external_id,
            metadata: principal.metadata,
            ..Facts::of(Reason::Allowed)
        },
    }
}

/// Makes the headers of a request that passes what the upstream shall see. Forged ones are gone by now, so each name has exactly one value.
fn pass_on(
    request: &Request<'_>,
    rule: &Rule,
    facts: &Facts<'_>,
    block: &[u8],
    settings: &Settings,
    host: &impl Host,
) -> Result<(), HostFault> {
    // All that were found go, so that the upstream cannot leak them.
    if !rule.forward_credential.unwrap_or(settings.forward_credential) {
        settings.credentials.remove(&request.credential, block, host)?;
    }
    settings.identity.headers(facts, |name, value| host.add_header(name, value))
}

fn note(facts: &Facts<'_>, settings: &Settings, host: &impl Host) -> Result<(), HostFault> {
    settings.identity.state(facts, |name, value| host.set_filter_state(name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::table::Table;
    use keyplane_contract::digest::Digest;
    use keyplane_contract::id::Id;
    use keyplane_contract::sync::{Account, Key, KeyState, Project, Record};

    fn settings() -> Settings {
        Settings::parse(br#"{"control_plane": {"cluster": "keyplane"}}"#).unwrap()
    }

    #[test]
    fn forged_identity_is_removed_even_from_a_request_that_is_refused() {
        let host = FakeHost::with_headers(&[
            (":path", b"/"),
            ("x-keyplane-account", b"forged"),
            ("X_Keyplane_Key_Id", b"forged"),
            ("x-keyplane-account", b"again"),
        ]);
        let outcome = handle(&host.block(), true, &settings(), &mut Worker::with_table(None), &host);
        assert_eq!(outcome.reason, Reason::Missing);
        assert_eq!(host.headers.borrow().len(), 1);
    }

    #[test]
    fn a_block_that_is_cut_off_is_a_fault() {
        let host = FakeHost::with_headers(&[(":path", b"/"), ("x-api-key", b"abc")]);
        let block = host.block();
        for end in 1..block.len() {
            assert_eq!(
                handle(&block[..end], true, &settings(), &mut Worker::with_table(None), &host).reason,
                Reason::Fault,
                "{end}"
            );
        }
    }

    #[test]
    fn a_header_that_cannot_be_removed_is_a_fault() {
        let host = FakeHost::with_headers(&[("x-keyplane-account", b"forged")]);
        host.changes_left.set(Some(0));
        assert_eq!(
            handle(&host.block(), true, &settings(), &mut Worker::with_table(None), &host).reason,
            Reason::Fault
        );
    }

    fn table() -> Table {
        let mut table = Table::new(Id([9; 16]), 3);
        table.revision = 12;
        let key = Key::of_project(1, 4, Id([1; 16]), Digest::of(b"secret"));
        let revoked = Key { digest: Digest::of(b"revoked"), id: Id([5; 16]), state: KeyState::Revoked, ..key };
        let rows = [
            Record::Account(Account {
                revision: 1,
                id: Id([2; 16]),
                no: 1,
                suspended: false,
                name: "Acme",
                external_id: "",
            }),
            Record::Project(Project { revision: 2, id: Id([3; 16]), no: 1, account: 1 }),
            Record::Key(key),
            Record::Key(revoked),
        ];
        assert!(rows.iter().all(|row| table.apply(row)));
        table
    }

    fn telling() -> Settings {
        let json = r#"{"control_plane": {"cluster": "keyplane"}, "identity": {
            "headers": {"account": "x-tenant"}, "filter_state": ["key_id", "reason", "account", "revision"]
        }}"#;
        Settings::parse(json.as_bytes()).unwrap()
    }

    fn noted(host: &FakeHost) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        host.filter_state.borrow().iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn id(byte: u8) -> String {
        Id([byte; 16]).to_string()
    }

    #[test]
    fn who_calls_is_told_to_upstream_and_log() {
        let host = FakeHost::with_headers(&[
            ("x-api-key", b"secret"),
            ("X_Tenant", b"forged"),
            ("connection", b"Upgrade, x-tenant"),
            ("connection", b"x-other,x_keyplane_key_id"),
        ]);
        assert_eq!(
            handle(&host.block(), true, &telling(), &mut Worker::with_table(Some(&table())), &host).reason,
            Reason::Allowed
        );
        assert_eq!(host.values("x-tenant"), [id(2)]);
        assert_eq!(host.values("X_Tenant"), [""; 0]);
        assert_eq!(host.values("x-keyplane-key-id"), [id(1)]);
        assert_eq!(host.values("connection"), ["Upgrade, x-other"]);
        let expected =
            [("account", id(2)), ("key_id", id(1)), ("reason", "allowed".to_owned()), ("revision", "12".to_owned())];
        assert_eq!(noted(&host), expected.map(|(name, value)| (format!("keyplane.{name}"), value)));
    }

    #[test]
    fn a_log_learns_whose_key_was_refused_and_the_upstream_nothing() {
        let host = FakeHost::with_headers(&[("x-api-key", b"revoked"), ("connection", b"x-tenant")]);
        assert_eq!(
            handle(&host.block(), true, &telling(), &mut Worker::with_table(Some(&table())), &host).reason,
            Reason::Revoked
        );
        let expected = [("key_id", id(5)), ("reason", "revoked".to_owned()), ("revision", "12".to_owned())];
        assert_eq!(noted(&host), expected.map(|(name, value)| (format!("keyplane.{name}"), value)));
        assert_eq!(host.headers.borrow().len(), 1, "only its own credential is left");
    }

    fn ruled() -> Settings {
        let json = r#"{"control_plane": {"cluster": "keyplane"}, "identity": {"filter_state": ["rule", "reason"]}, "rules": [
            {"name": "open", "paths": ["/open/**"], "access": "public"},
            {"name": "hook", "paths": ["/hook"], "access": "public", "forward_credential": true},
            {"name": "admin", "hosts": ["api.example.com"], "methods": ["DELETE"], "scopes": {"any": ["admin", "jobs:delete"]}}
        ]}"#;
        Settings::parse(json.as_bytes()).unwrap()
    }

    fn request(method: &str, path: &str, more: &[(&str, &str)]) -> FakeHost {
        let mut headers = vec![(":authority", "api.example.com"), (":method", method), (":path", path)];
        headers.extend(more);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        FakeHost::with_headers(&headers)
    }

    #[test]
    fn a_public_request_passes_without_its_credentials_and_forged_headers() {
        let forged = [("x-keyplane-account", "forged"), ("x-api-key", "any"), ("authorization", "Bearer other")];
        let host = request("GET", "/open/a?b", &forged);
        let outcome = handle(&host.block(), false, &ruled(), &mut Worker::with_table(None), &host);
        assert_eq!(outcome, Outcome { rule: Some(0), ..Outcome::of(Reason::Public) });
        assert_eq!(host.headers.borrow().len(), 3, "{:?}", host.headers);
        assert_eq!(noted(&host), [("keyplane.reason", "public"), ("keyplane.rule", "open")].map(owned));
        let host = request("POST", "/hook", &forged);
        assert_eq!(handle(&host.block(), false, &ruled(), &mut Worker::with_table(None), &host).reason, Reason::Public);
        assert_eq!(host.values("x-api-key"), ["any"]);
        assert_eq!(host.values("x-keyplane-account"), [""; 0]);
    }

    fn owned((name, value): (&str, &str)) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_preflight_passes_everywhere_but_on_a_path_that_is_not_accepted() {
        let asks = [("origin", "https://a"), ("access-control-request-method", "POST"), ("x-api-key", "any")];
        let host = request("OPTIONS", "/jobs", &asks);
        assert_eq!(
            handle(&host.block(), true, &ruled(), &mut Worker::with_table(None), &host).reason,
            Reason::Preflight
        );
        assert_eq!(host.values("x-api-key"), [""; 0]);
        assert_eq!(
            handle(&host.block(), false, &ruled(), &mut Worker::with_table(None), &host).reason,
            Reason::Missing
        );
        let protect = br#"{"control_plane": {"cluster": "keyplane"}, "cors_preflight": "protect"}"#;
        let protect = Settings::parse(protect).unwrap();
        assert_eq!(handle(&host.block(), true, &protect, &mut Worker::with_table(None), &host).reason, Reason::Missing);
        let host = request("OPTIONS", "/open/../jobs", &asks);
        assert_eq!(
            handle(&host.block(), true, &ruled(), &mut Worker::with_table(None), &host),
            Outcome::of(Reason::Path)
        );
    }

    #[test]
    fn a_path_is_looked_at_only_where_there_are_rules_and_before_them() {
        for path in ["/open/%2e%2e/jobs", "/open//a", "/open/a%2fb", "/open/a;b", "open", ""] {
            let host = request("GET", path, &[("x-keyplane-user", "forged"), ("x-api-key", "secret")]);
            assert_eq!(
                handle(&host.block(), true, &settings(), &mut Worker::with_table(Some(&table())), &host).reason,
                Reason::Allowed
            );
            let host = request("GET", path, &[("x-keyplane-user", "forged"), ("x-api-key", "secret")]);
            assert_eq!(
                handle(&host.block(), true, &ruled(), &mut Worker::with_table(Some(&table())), &host),
                Outcome::of(Reason::Path)
            );
            assert_eq!(host.values("x-keyplane-user"), [""; 0]);
        }
        let host = FakeHost::with_headers(&[(":method", b"GET"), (":path", b"/open/a"), (":path", b"/jobs")]);
        assert_eq!(handle(&host.block(), true, &ruled(), &mut Worker::with_table(None), &host).reason, Reason::Fault);
    }

    #[test]
    fn who_lacks_a_scope_is_told_which() {
        let host = request("DELETE", "/jobs/1", &[("x-api-key", "secret")]);
        let outcome = handle(&host.block(), true, &ruled(), &mut Worker::with_table(Some(&table())), &host);
        assert_eq!((outcome.reason, outcome.rule), (Reason::Scope, Some(2)));
        assert_eq!(outcome.key.map(|key| key.id), Some(Id([1; 16])));
        let (settings, usual) = (ruled(), ruled());
        let (answer, usual) = (settings.answer(&outcome).unwrap(), usual.answers.of(Reason::Scope).unwrap().clone());
        let challenge = HeaderBlock::parse(&answer.headers).unwrap().find(|(name, _)| *name == b"www-authenticate");
        let expected = br#"Bearer realm="keyplane", error="insufficient_scope", scope="admin jobs:delete""#;
        assert_eq!(challenge.unwrap().1, expected);
        assert_eq!((answer.status, &answer.body), (403, &usual.body));
        assert_eq!(settings.answer(&Outcome::of(Reason::Allowed)), None);
        assert_eq!(settings.answer(&Outcome::of(Reason::Path)).unwrap().status, 400);
    }

    #[test]
    fn only_who_presents_the_debug_token_learns_why_and_no_upstream_sees_it() {
        let token = b"0123456789abcdef";
        for (presented, expected) in [(&token[..], true), (b"0123456789abcdeF", false), (b"", false)] {
            for (debug, secret, reason) in [
                (true, "secret", Reason::Allowed),
                (true, "revoked", Reason::Revoked),
                (false, "secret", Reason::Allowed),
            ] {
                let headers: &[(&str, &[u8])] = &[("x-keyplane-debug", presented), ("x-api-key", secret.as_bytes())];
                let host = FakeHost::with_headers(headers);
                let debug = debug.then(|| crate::debug::DebugToken::new(token).unwrap());
                let settings = Settings { debug, ..settings() };
                let table = table();
                let outcome = handle(&host.block(), true, &settings, &mut Worker::with_table(Some(&table)), &host);
                assert_eq!(outcome.reason, reason);
                assert_eq!(outcome.why.is_some(), expected && settings.debug.is_some());
                assert_eq!(host.values("x-keyplane-debug"), [""; 0]);
            }
        }
    }

    #[test]
    fn a_change_that_fails_lets_nothing_pass() {
        let headers: &[(&str, &[u8])] =
            &[("x-api-key", b"secret"), ("x-keyplane-user", b"forged"), ("connection", b"Upgrade, x-tenant")];
        // Two removals and a replacement, four headers, four pieces of filter state.
        for changes in 0..12 {
            let host = FakeHost::with_headers(headers);
            host.changes_left.set(Some(changes));
            let reason = handle(&host.block(), true, &telling(), &mut Worker::with_table(Some(&table())), &host).reason;
            assert_eq!(reason, if changes < 11 { Reason::Fault } else { Reason::Allowed }, "{changes}");
        }
    }

    /// With one issuer, whose tokens need no account.
    fn jwt_settings(more: &str) -> Settings {
        let jwt = r#""jwt": {"providers": [{"issuer": "https://a"}]}"#;
        Settings::parse(format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, {jwt} {more}}}"#).as_bytes()).unwrap()
    }

    /// A request with these headers, after `jwt_authn` has written this payload; `null` for none.
    fn after_jwt_authn(headers: &[(&str, &[u8])], payload: &serde_json::Value) -> FakeHost {
        let mut host = FakeHost::with_headers(&[&[(":method", &b"GET"[..]), (":path", b"/")], headers].concat());
        let metadata = match payload {
            serde_json::Value::Null => serde_json::json!({}),
            payload => serde_json::json!({ "envoy.filters.http.jwt_authn": { "payload": payload } }),
        };
        host.properties.insert(b"metadata".to_vec(), crate::jwt::metadata::write::metadata(&metadata));
        host
    }

    fn reason(settings: &Settings, host: &FakeHost) -> Reason {
        handle(&host.block(), true, settings, &mut Worker::with_table(Some(&table())), host).reason
    }

    type Headers<'h> = &'h [(&'h str, &'h [u8])];

    const JWT: &[u8] = b"Bearer eyJh.eyJp.c2ln";

    fn good() -> serde_json::Value {
        serde_json::json!({ "iss": "https://a", "sub": "user_1", "scope": "read" })
    }

    #[test]
    fn the_caller_of_a_token_is_told_and_the_token_is_removed() {
        for headers in
            [&[("x-keyplane-user", &b"forged"[..])][..], &[("authorization", JWT), ("x_keyplane_user", b"x")]]
        {
            let host = after_jwt_authn(headers, &good());
            assert_eq!(reason(&jwt_settings(""), &host), Reason::Jwt);
            assert_eq!(host.values("x-keyplane-user"), ["user_1"]);
            assert_eq!(host.values("x-keyplane-scopes"), ["read"]);
            assert_eq!(host.headers.borrow().len(), 2 + 2, "and nothing else");
        }
        let host = after_jwt_authn(&[("authorization", JWT)], &good());
        assert_eq!(reason(&jwt_settings(r#", "forward_credential": true"#), &host), Reason::Jwt);
        assert_eq!(host.values("authorization"), ["Bearer eyJh.eyJp.c2ln"]);
    }

    #[test]
    fn a_key_or_a_token_is_accepted_as_configured_and_never_both() {
        use serde_json::Value::Null;
        let (key, bearer, both): (Headers<'_>, Headers<'_>, Headers<'_>) = (
            &[("x-api-key", b"secret")],
            &[("authorization", b"Bearer secret")],
            &[("x-api-key", b"secret"), ("authorization", JWT)],
        );
        let jwt: Headers<'_> = &[("authorization", JWT)];
        let long = [b"Bearer eyJh.", &[b'a'; 2000][..], b".c2ln"].concat();
        let long: Headers<'_> = &[("authorization", &long)];
        for (accept, headers, payload, expected) in [
            ("either", key, Null, Reason::Allowed),
            ("either", bearer, Null, Reason::Allowed),
            ("either", &[][..], good(), Reason::Jwt),
            ("either", jwt, good(), Reason::Jwt),
            ("either", long, good(), Reason::Jwt),
            ("either", &[], Null, Reason::Missing),
            ("either", jwt, Null, Reason::Unknown),
            ("either", long, Null, Reason::Malformed),
            ("either", key, good(), Reason::Multiple),
            ("either", bearer, good(), Reason::Multiple),
            ("either", both, good(), Reason::Multiple),
            ("either", both, Null, Reason::Multiple),
            ("either", &[("x-api-key", b"eyJh.eyJp.c2ln")], good(), Reason::Multiple),
            ("jwt", &[], good(), Reason::Jwt),
            ("jwt", long, good(), Reason::Jwt),
            ("jwt", key, good(), Reason::Multiple),
            ("jwt", key, Null, Reason::Token),
            ("jwt", jwt, Null, Reason::Token),
            ("jwt", &[], Null, Reason::Token),
            ("key", key, good(), Reason::Allowed),
            ("key", &[], good(), Reason::Missing),
            ("key", jwt, good(), Reason::Unknown),
        ] {
            let by_rule = format!(r#", "accept": "key", "rules": [{{"accept": "{accept}"}}]"#);
            for more in [format!(r#", "accept": "{accept}""#), by_rule] {
                let host = after_jwt_authn(headers, &payload);
                assert_eq!(reason(&jwt_settings(&more), &host), expected, "{accept} {headers:?} {payload}");
                assert_eq!(host.asked.borrow().is_empty(), accept == "key", "tokens are read where they count");
            }
        }
    }

    #[test]
    fn tokens_are_read_only_where_they_may_count() {
        let key: Headers<'_> = &[("x-api-key", b"secret")];
        let host = after_jwt_authn(key, &good());
        assert_eq!(reason(&settings(), &host), Reason::Allowed);
        let public = jwt_settings(r#", "rules": [{"access": "public"}]"#);
        assert_eq!(reason(&public, &after_jwt_authn(&[], &good())), Reason::Public);
        assert!(host.asked.borrow().is_empty());
    }

    #[test]
    fn metadata_that_cannot_be_read_is_a_fault() {
        let key: Headers<'_> = &[("x-api-key", b"secret")];
        let mut host = FakeHost::with_headers(key);
        assert_eq!(reason(&jwt_settings(""), &host), Reason::Fault);
        host.properties.insert(b"metadata".to_vec(), vec![0xff]);
        assert_eq!(reason(&jwt_settings(""), &host), Reason::Fault);
    }

    #[test]
    fn only_a_token_with_an_account_waits_for_the_table() {
        let host = after_jwt_authn(&[], &good());
        let reason =
            |settings: &Settings| handle(&host.block(), true, settings, &mut Worker::with_table(None), &host).reason;
        assert_eq!(reason(&jwt_settings("")), Reason::Jwt);
        let json = r#"{"control_plane": {"cluster": "keyplane"}, "jwt": {"providers": [{"issuer": "https://a", "account": "sub"}]}}"#;
        assert_eq!(reason(&Settings::parse(json.as_bytes()).unwrap()), Reason::NotReady);
    }

    #[test]
    fn tokens_are_accepted_only_where_somebody_says_whose() {
        let error = |more: &str| {
            let json = format!(r#"{{"control_plane": {{"cluster": "keyplane"}} {more}}}"#);
            Settings::parse(json.as_bytes()).unwrap_err().to_string()
        };
        assert!(error(r#", "accept": "either""#).contains("`accept`"));
        assert!(error(r#", "accept": null"#).contains("`accept`"));
        assert!(error(r#", "rules": [{}, {"accept": "jwt"}]"#).contains("`rules[1].accept`"));
        assert!(error(r#", "jwt": {"providers": [{"issuer": ""}]}"#).contains("`jwt.providers[0].issuer`"));
        assert!(error(r#", "jwt": null"#).contains("jwt"));
    }
}
