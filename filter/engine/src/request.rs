//! One request, from its headers to its outcome, in the order that `docs/architecture.md` gives.
//!
//! The headers are walked once. On the way every header that only Keyplane may set is removed, whatever becomes of the request, and what the
//! decision needs is noted. Every change is checked: an upstream must not see a forged identity, nor miss the real one, nor get the
//! credential; a change that fails refuses the request.
//!
//! A request that has to wait is handled a second time when it goes on. So nothing here may depend on being the first.

use crate::credential::Credential;
use crate::decision::{UsedKey, Verdict, decide};
use crate::headers::HeaderBlock;
use crate::host::{Host, HostFault};
use crate::identity::connection::{self, CONNECTION};
use crate::identity::{Facts, Who};
use crate::settings::Settings;
use crate::worker::Worker;
use keyplane_contract::code::Reason;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Why it was decided as it was.
    pub reason: Reason,
    /// The key, if one was recognised; for its usage.
    pub key: Option<UsedKey>,
    /// It waits for its key and is decided later; the reason is what it would have been refused for.
    pub waits: bool,
}

/// What a request says of itself.
struct Request<'h> {
    credential: Credential<'h>,
}

impl<'h> Request<'h> {
    /// Walks the headers, and removes those that only Keyplane may set. A block that contradicts itself is a fault.
    fn read(block: &'h [u8], settings: &Settings, host: &impl Host) -> Result<Self, HostFault> {
        let identity = &settings.identity;
        let mut headers = HeaderBlock::parse(block).ok_or(HostFault)?;
        let mut request = Self { credential: Credential::Missing };
        let all = headers.clone();
        let mut names_headers = false;
        for (name, value) in headers.by_ref() {
            if identity.owns(name) {
                host.remove_header(name)?;
            } else {
                names_headers |= connection::is(name);
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
}

/// Decides the request with these headers and changes them. Answers nothing and lets nothing go on: that is the caller's.
pub fn handle(block: &[u8], settings: &Settings, worker: &mut Worker<'_>, host: &impl Host) -> Outcome {
    let request = Request::read(block, settings, host);
    let verdict = match &request {
        Ok(request) => decide(&request.credential, worker.usable_table(settings, None), host),
        Err(HostFault) => Verdict::Refuse { reason: Reason::Fault, key: None },
    };
    let (revision, table_age) = (worker.table.map(|table| table.revision), worker.table.map(|_| worker.age));
    let mut facts = Facts { revision, table_age, ..facts(&verdict) };
    if let (Ok(request), Verdict::Refuse { reason, .. }) = (&request, &verdict) {
        match worker.refuse(*reason, &request.credential, host) {
            Some(reason) => facts.reason = reason,
            None => return Outcome { reason: *reason, key: None, waits: true },
        }
    }
    if let (Ok(request), Verdict::Allow(_)) = (&request, &verdict)
        && pass_on(request, &facts, block, settings, host).is_err()
    {
        facts.reason = Reason::Fault;
    }
    // Nobody but a log looks at the filter state of a request that is refused already.
    if note(&facts, settings, host).is_err() && facts.reason.is_allowed() {
        facts.reason = Reason::Fault;
        let _ = note(&facts, settings, host);
    }
    Outcome { reason: facts.reason, key: verdict.used_key(), waits: false }
}

/// What can be told of a request.
fn facts<'t>(verdict: &Verdict<'t>) -> Facts<'t> {
    match verdict {
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
    facts: &Facts<'_>,
    block: &[u8],
    settings: &Settings,
    host: &impl Host,
) -> Result<(), HostFault> {
    strip(&request.credential, block, settings, host)?;
    settings.identity.headers(facts, |name, value| host.add_header(name, value))
}

fn note(facts: &Facts<'_>, settings: &Settings, host: &impl Host) -> Result<(), HostFault> {
    settings.identity.state(facts, |name, value| host.set_filter_state(name, value))
}

/// Removes the credential, so that the upstream cannot leak it.
fn strip(credential: &Credential<'_>, block: &[u8], settings: &Settings, host: &impl Host) -> Result<(), HostFault> {
    if settings.forward_credential {
        return Ok(());
    }
    settings.credentials.remove(credential, block, host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::FakeHost;
    use crate::table::Table;
    use keyplane_contract::digest::Digest;
    use keyplane_contract::id::Id;
    use keyplane_contract::sync::{Account, Environment, Key, KeyState, Project, Record};

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
        let outcome = handle(&host.block(), &settings(), &mut Worker::with_table(None), &host);
        assert_eq!(outcome.reason, Reason::Missing);
        assert_eq!(host.headers.borrow().len(), 1);
    }

    #[test]
    fn a_block_that_is_cut_off_is_a_fault() {
        let host = FakeHost::with_headers(&[(":path", b"/"), ("x-api-key", b"abc")]);
        let block = host.block();
        for end in 1..block.len() {
            assert_eq!(
                handle(&block[..end], &settings(), &mut Worker::with_table(None), &host).reason,
                Reason::Fault,
                "{end}"
            );
        }
    }

    #[test]
    fn a_header_that_cannot_be_removed_is_a_fault() {
        let host = FakeHost::with_headers(&[("x-keyplane-account", b"forged")]);
        host.changes_left.set(Some(0));
        assert_eq!(handle(&host.block(), &settings(), &mut Worker::with_table(None), &host).reason, Reason::Fault);
    }

    fn table() -> Table {
        let mut table = Table::new(Id([9; 16]), 3);
        table.revision = 12;
        let key = Key {
            revision: 4,
            digest: Digest::of(b"secret"),
            id: Id([1; 16]),
            project: 1,
            user: 0,
            policy: 0,
            expires_at: 0,
            environment: Environment::Live,
            state: KeyState::Active,
            flags: 0,
        };
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
            handle(&host.block(), &telling(), &mut Worker::with_table(Some(&table())), &host).reason,
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
            handle(&host.block(), &telling(), &mut Worker::with_table(Some(&table())), &host).reason,
            Reason::Revoked
        );
        let expected = [("key_id", id(5)), ("reason", "revoked".to_owned()), ("revision", "12".to_owned())];
        assert_eq!(noted(&host), expected.map(|(name, value)| (format!("keyplane.{name}"), value)));
        assert_eq!(host.headers.borrow().len(), 1, "only its own credential is left");
    }

    #[test]
    fn a_change_that_fails_lets_nothing_pass() {
        let headers: &[(&str, &[u8])] =
            &[("x-api-key", b"secret"), ("x-keyplane-user", b"forged"), ("connection", b"Upgrade, x-tenant")];
        // Two removals and a replacement, four headers, four pieces of filter state.
        for changes in 0..12 {
            let host = FakeHost::with_headers(headers);
            host.changes_left.set(Some(changes));
            let reason = handle(&host.block(), &telling(), &mut Worker::with_table(Some(&table())), &host).reason;
            assert_eq!(reason, if changes < 11 { Reason::Fault } else { Reason::Allowed }, "{changes}");
        }
    }
}
