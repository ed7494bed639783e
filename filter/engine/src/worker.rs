//! What a worker brings to a request beside its configuration: its table, how old that is, who has guessed too often, and a place to wait.

use crate::credential::Credential;
use crate::guessing::Guessing;
use crate::host::{Host, source};
use crate::settings::Settings;
use crate::staleness::WhenStale;
use crate::table::Table;
use keyplane_contract::code::{Reason, Refusal};
use keyplane_contract::digest::Digest;
use keyplane_contract::key::is_well_formed;
use std::net::Ipv6Addr;

/// The worker, as one request finds it.
pub struct Worker<'w> {
    /// The table; `None` while no complete one is there.
    pub table: Option<&'w Table>,
    /// How old it is, in milliseconds, as of the last tick.
    pub age: u64,
    /// What becomes of invalid credentials; `None`: they are refused, and that is all.
    pub attempts: Option<Attempts<'w>>,
    /// Whether the request has presented the debug token before it waited.
    pub asked_why: bool,
}

/// What becomes of a credential that would be refused.
pub struct Attempts<'w> {
    /// Who sent how many.
    pub guessing: &'w mut Guessing,
    /// Milliseconds since 1970 UTC, a second late at most.
    pub now: u64,
    /// Has the request wait for its key, which is of this digest and comes from this address; `false`: it does not. `None`: none waits.
    pub wait: Option<&'w mut dyn FnMut(Digest, Option<Ipv6Addr>) -> bool>,
}

impl<'w> Worker<'w> {
    /// A worker with this table, a fresh one, that keeps no count of attempts.
    #[must_use]
    pub const fn with_table(table: Option<&'w Table>) -> Self {
        Self { table, age: 0, attempts: None, asked_why: false }
    }

    /// The table, if it may decide a request of a rule that says this about an old one; otherwise the refusal.
    pub fn usable_table(&self, settings: &Settings, when_stale: Option<WhenStale>) -> Result<&'w Table, Reason> {
        let table = self.table.ok_or(Reason::NotReady)?;
        match settings.staleness {
            Some(staleness)
                if self.age > staleness.max_milliseconds()
                    && when_stale.unwrap_or(staleness.then) == WhenStale::Deny =>
            {
                Err(Reason::Stale)
            }
            _ => Ok(table),
        }
    }

    /// What becomes of a request that would be refused for this reason: the reason that it is refused for, or `None` if it waits first.
    ///
    /// Only now, when it is known that the credential is not accepted, is the address asked for. A source above its limit neither
    /// waits nor is told whether it would have been worth it.
    pub fn refuse(&mut self, reason: Reason, credential: &Credential<'_>, host: &impl Host) -> Option<Reason> {
        if reason.refusal() != Some(Refusal::CredentialInvalid) {
            return Some(reason);
        }
        let Some(Attempts { guessing, now, wait }) = &mut self.attempts else { return Some(reason) };
        let unknown = match credential {
            Credential::Presented { secret, .. } if reason == Reason::Unknown && is_well_formed(secret) => {
                wait.as_mut().map(|wait| (&**secret, wait))
            }
            _ => None,
        };
        if !guessing.is_on() && unknown.is_none() {
            return Some(reason);
        }
        let source = source(host);
        if let Some((secret, wait)) = unknown
            && !guessing.is_over(source, *now)
            && wait(Digest::of(secret), source)
        {
            return None;
        }
        Some(if guessing.fail(source, *now) { Reason::Throttled } else { reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::Place;
    use crate::guessing::Limit;
    use crate::host::fake::{FakeHost, NOW};
    use keyplane_contract::id::Id;
    use keyplane_contract::key::{Prefix, assemble};

    fn settings(more: &str) -> Settings {
        Settings::parse(format!(r#"{{"control_plane": {{"cluster": "keyplane"}} {more}}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn an_old_table_decides_as_the_operator_and_then_the_rule_say() {
        let table = Table::new(Id([1; 16]), 1);
        let of = |then: &str| settings(&format!(r#", "staleness": {{"max_seconds": 60 {then}}}"#));
        let (deny, serve) = (of(""), of(r#", "then": "serve""#));
        let reason = |settings: &Settings, age, rule| {
            Worker { age, ..Worker::with_table(Some(&table)) }.usable_table(settings, rule).err()
        };
        assert_eq!(reason(&deny, 60_000, None), None);
        assert_eq!(reason(&deny, 60_001, None), Some(Reason::Stale));
        assert_eq!(reason(&deny, 60_001, Some(WhenStale::Serve)), None);
        assert_eq!(reason(&serve, 60_001, None), None);
        assert_eq!(reason(&serve, 60_001, Some(WhenStale::Deny)), Some(Reason::Stale));
        assert_eq!(reason(&serve, 60_000, Some(WhenStale::Deny)), None);
        // Without a bound a table serves for ever.
        assert_eq!(reason(&settings(""), u64::MAX, None), None);
        let none = Worker::with_table(None).usable_table(&deny, Some(WhenStale::Serve)).err();
        assert_eq!(none, Some(Reason::NotReady));
    }

    #[test]
    fn a_rule_that_speaks_of_an_old_table_needs_an_age_for_it() {
        let parse = |more: &str| {
            let rule = r#""rules": [{}, {"paths": ["/a"], "when_stale": "serve"}]"#;
            Settings::parse(format!(r#"{{"control_plane": {{"cluster": "keyplane"}}, {rule} {more}}}"#).as_bytes())
        };
        let error = parse("").unwrap_err().to_string();
        assert!(error.contains("`rules[1].when_stale`") && error.contains("staleness.max_seconds"), "{error}");
        assert!(parse(r#", "staleness": {"max_seconds": 60}"#).is_ok());
    }

    /// A worker that allows one failure, and what it was asked to have wait.
    struct Door {
        guessing: Guessing,
        has_room: bool,
        waited: Vec<(Digest, Option<Ipv6Addr>)>,
    }

    impl Door {
        fn new(failures: u32, has_room: bool) -> Self {
            Self { guessing: Guessing::new(Limit { failures, seconds: 60 }, 7), has_room, waited: Vec::new() }
        }

        fn refuse(&mut self, reason: Reason, secret: &[u8], host: &FakeHost) -> Option<Reason> {
            let (waited, has_room) = (&mut self.waited, self.has_room);
            let mut wait = |digest, source| {
                waited.push((digest, source));
                has_room
            };
            let attempts = Attempts { guessing: &mut self.guessing, now: NOW, wait: Some(&mut wait) };
            let mut worker = Worker { attempts: Some(attempts), ..Worker::with_table(None) };
            worker.refuse(reason, &Credential::Presented { secret: secret.into(), place: Place::Header(0) }, host)
        }
    }

    fn well_formed() -> String {
        assemble(&Prefix::parse("uk_live").unwrap(), &[b'x'; 32]).unwrap()
    }

    #[test]
    fn every_credential_that_is_not_accepted_counts_and_nothing_else_does() {
        let host = FakeHost::from("192.0.2.7:1");
        for reason in Reason::ALL {
            let mut door = Door::new(1, true);
            let counts = reason.refusal() == Some(Refusal::CredentialInvalid);
            assert_eq!(door.refuse(reason, b"some", &host), Some(reason));
            let second = door.refuse(reason, b"some", &host);
            assert_eq!(second, Some(if counts { Reason::Throttled } else { reason }), "{reason:?}");
            assert_eq!(door.refuse(reason, b"some", &FakeHost::from("192.0.2.8:1")), Some(reason));
        }
    }

    #[test]
    fn only_a_well_formed_key_that_is_unknown_waits_and_it_counts_when_it_is_refused() {
        let (host, key) = (FakeHost::from("192.0.2.7:1"), well_formed());
        let mut door = Door::new(1, true);
        assert_eq!(door.refuse(Reason::Unknown, key.as_bytes(), &host), None);
        let source = Some("::ffff:192.0.2.7".parse().unwrap());
        assert_eq!(door.waited, [(Digest::of(key.as_bytes()), source)]);
        assert_eq!(door.refuse(Reason::Unknown, key.as_bytes(), &host), None, "a wait is no failure");
        let other = key.replacen('x', "y", 1);
        assert_eq!(
            door.refuse(Reason::Unknown, other.as_bytes(), &host),
            Some(Reason::Unknown),
            "its checksum is wrong"
        );
        // Now it is above its limit, and does not wait any more.
        assert_eq!(door.refuse(Reason::Unknown, key.as_bytes(), &host), Some(Reason::Throttled));
        assert_eq!(door.waited.len(), 2);
        let mut door = Door::new(2, false);
        for expected in [Reason::Unknown, Reason::Unknown, Reason::Throttled] {
            assert_eq!(door.refuse(Reason::Unknown, key.as_bytes(), &host), Some(expected));
        }
    }

    #[test]
    fn the_address_is_asked_for_only_where_it_matters() {
        let asked = |failures, reason, secret: &[u8]| {
            let host = FakeHost::from("192.0.2.7:1");
            Door::new(failures, true).refuse(reason, secret, &host);
            host.asked.take().len()
        };
        let key = well_formed();
        assert_eq!(asked(100, Reason::Missing, b"some"), 0);
        assert_eq!(asked(100, Reason::Network, key.as_bytes()), 0);
        assert_eq!(asked(0, Reason::Revoked, key.as_bytes()), 0);
        assert_eq!(asked(0, Reason::Unknown, b"some"), 0);
        assert_eq!(asked(0, Reason::Unknown, key.as_bytes()), 1);
        assert_eq!(asked(100, Reason::Malformed, b"some"), 1);
    }
}
